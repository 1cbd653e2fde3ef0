"""A value some cycles later."""

from typing import Any

from amaranth.hdl import Module, Signal

__all__ = ["delayed"]


def delayed(m: Module, value: Any, cycles: int, name: str) -> Any:
    """``value`` (a value or view), ``cycles`` later, through registers that nothing stops and no reset
    clears; the last one is called ``name``."""
    for left in reversed(range(cycles)):
        later = Signal(value.shape(), name=f"{name}_{left}" if left else name, reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value
