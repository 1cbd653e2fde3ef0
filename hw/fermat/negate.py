"""Diminished-1 negation: the complement of the code, gated by the zero flag."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, check_choice, delayed, shifted

__all__ = ["Negate", "negated"]


def negated(x: data.View) -> data.View:
    """-x = x * 2^b: wires and one gate a bit."""
    return shifted(x, len(x.value))


class Negate(wiring.Component):
    """o = -x modulo 2^b + 1.

    Latency: ``latency`` enabled cycles (0 or 1); throughput: one per enabled cycle.

    Members
    -------
    x : In(Number(b)); o : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, *, latency: int = 0) -> None:
        check_choice("latency", latency, (0, 1))
        layout = Number(b)
        self.b, self.latency = layout.b, latency
        super().__init__({"x": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(delayed(m, self.en, negated(self.x), self.latency))
        return m
