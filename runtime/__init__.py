"""Networks without an FPGA: `Engine`, the packed CPU engine, and in `fermatnet.runtime.c` generated C.

Needs numpy and the network file only: never torch, never the hardware side.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fermatnet.runtime.packed.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    if name == "Engine":  # nothing is built or loaded before it is asked for
        from fermatnet.runtime.packed.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
