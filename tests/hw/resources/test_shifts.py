"""Shift registers of xc7: counts that yosys 0.70's synth_xilinx gives for chains of registers."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.resources import predict


class Chain(wiring.Component):
    """``length`` registers behind each other; ``tap``: the one that somebody else reads as well."""

    def __init__(self, length, reset=False, held=False, tap=0):
        self.length, self.reset, self.held, self.tap = length, reset, held, tap
        super().__init__({"i": In(1), "en": In(1), "o": Out(1), "t": Out(1)})

    def elaborate(self, platform):
        m, value = Module(), self.i
        for k in range(self.length):
            register = Signal(reset_less=not self.reset, name=f"r{k}")
            with m.If(self.en if self.held else 1):
                m.d.sync += register.eq(value)
            value = register
            if k + 1 == self.tap:
                m.d.comb += self.t.eq(register)
        m.d.comb += self.o.eq(value)
        return m


@pytest.mark.parametrize(
    ("chain", "luts", "ffs"),
    [
        *(((n,), *count) for n, count in {2: (0, 2), 3: (1, 0), 16: (1, 0), 17: (1, 1), 18: (1, 0)}.items()),
        *(((n,), *count) for n, count in {32: (1, 0), 33: (1, 1), 34: (2, 0), 65: (2, 1)}.items()),
        ((98,), 4, 0),
        ((8, True), 0, 8),
        ((8, False, True), 1, 0),
        ((8, False, False, 4), 2, 0),
        ((8, False, False, 6), 1, 2),
    ],
)
def test_chains_as_yosys_maps_them(chain, luts, ffs):
    found = predict(Chain(*chain), "xc7")
    assert (found.luts, found.ffs) == (luts, ffs)
    assert predict(Chain(*chain), "ecp5").ffs == chain[0]
