"""What a proof looks at a design with: inputs from outside, words of memories, signals of the past."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

__all__ = ["around", "history", "inputs", "probe", "turns_after"]


def around(m: Module, ports: Any, design: wiring.Component) -> None:
    """Connects the inputs of a design to the ports of the same names around it."""
    for name in design.signature.members:
        if design.signature.members[name].flow is In:
            m.d.comb += Value.cast(getattr(design, name)).eq(Value.cast(getattr(ports, name)))


def inputs(design: wiring.Component) -> dict[str, Any]:
    """The input members of a design."""
    return {name: member for name, member in design.signature.members.items() if member.flow is In}


def probe(m: Module, store: memory.Memory, address: Any) -> Value:
    """What a memory holds at an address, in the same cycle."""
    port = store.read_port(domain="comb")
    m.d.comb += port.addr.eq(address)
    return Value.cast(port.data)


def turns_after(bank: Any, first: Any, banks: int) -> Any:
    """How many banks after the first one."""
    return Mux(bank >= first, bank - first, bank + banks - first)


def history(m: Module, flag: Any, edges: int, name: str) -> Value:
    """The flag so many edges ago."""
    line = Signal(edges + 1, name=name, reset_less=True)
    m.d.sync += line.eq(Cat(flag, line))
    return Cat(flag, line)[edges]
