"""Delay lines: registers when short, a ring in a small memory when long."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Delay", "delay_bits"]

REGISTERS = 3
"""Longest delay made of registers."""


class Delay(wiring.Component):
    """o = i ``cycles`` cycles earlier, every cycle; contents undefined until the first value has come
    through.

    Up to `REGISTERS` cycles it is registers, above that a ring in a memory with an asynchronous read port
    (lookup-table RAM).

    Members
    -------
    i : In(shape); o : Out(shape).
    """

    def __init__(self, shape, cycles: int):
        if cycles < 0:
            raise ValueError(f"cycles must not be negative, not {cycles!r}")
        self.shape, self.cycles = shape, cycles
        self.width = Shape.cast(shape).width
        super().__init__({"i": In(shape), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        i, o = Value.cast(self.i), Value.cast(self.o)
        if self.cycles <= REGISTERS:
            for _ in range(self.cycles):
                r = Signal(self.width, reset_less=True)
                m.d.sync += r.eq(i)
                i = r
            m.d.comb += o.eq(i)
            return m
        m.submodules.ring = ring = memory.Memory(shape=self.width, depth=self.cycles - 1, init=[])
        write, read = ring.write_port(), ring.read_port(domain="comb")
        at, out = Signal(range(max(2, self.cycles - 1))), Signal(self.width, reset_less=True)
        m.d.sync += [at.eq(Mux(at == self.cycles - 2, 0, at + 1)), out.eq(read.data)]
        m.d.comb += [write.addr.eq(at), read.addr.eq(at), write.en.eq(1), write.data.eq(i), o.eq(out)]
        return m


def delay_bits(m: Module, name: str, cycles: int, *values):
    """The values ``cycles`` cycles later, as one line of registers or memory named ``name``; flags start
    low."""
    if cycles == 0:
        return list(values)
    casts = [Value.cast(v) for v in values]
    line = Delay(sum(len(v) for v in casts), cycles)
    m.submodules[name] = line
    m.d.comb += line.i.eq(Cat(*casts))
    parts, at = [], 0
    for v in casts:
        parts.append(line.o[at : at + len(v)])
        at += len(v)
    return parts
