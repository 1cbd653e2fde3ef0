"""The butterfly of a Fermat number transform: sum and difference of two numbers."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import FORMS, Adder, Subtractor
from fermatnet.hw.fermat.number import Number, check_choice

__all__ = ["Butterfly"]


class Butterfly(wiring.Component):
    """s = x + y, d = x - y modulo 2^b + 1.

    Latency: ``latency`` enabled cycles (0, 1 or 2, as ``Adder``); throughput: one butterfly per enabled
    cycle.

    ::

        x --+-->( + )--> s        twiddles are rotations: they are wires around the
             \\/                    butterfly, after d (decimation in frequency) or
             /\\                    before y (decimation in time)
        y --+-->( - )--> d

    Members
    -------
    x, y : In(Number(b)); s, d : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, *, latency: int = 1, form: str = "chain") -> None:
        layout = Number(b)
        check_choice("latency", latency, (0, 1, 2))
        check_choice("form", form, FORMS)
        self.b, self.latency, self.form = layout.b, latency, form
        super().__init__({"x": In(layout), "y": In(layout), "en": In(1), "s": Out(layout), "d": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.adder = adder = Adder(self.b, latency=self.latency, form=self.form)
        m.submodules.subtractor = subtractor = Subtractor(self.b, latency=self.latency, form=self.form)
        for half in (adder, subtractor):
            m.d.comb += [half.x.eq(self.x), half.y.eq(self.y), half.en.eq(self.en)]
        m.d.comb += [self.s.eq(adder.o), self.d.eq(subtractor.o)]
        return m
