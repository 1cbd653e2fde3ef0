"""Registers and memories that cost less than they look, as yosys 0.70 counts them: chains of registers, those
before a multiplier, those that never move, memories that need no word kept."""

import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
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


class Product(wiring.Component):
    """A product behind ``stages`` registers of each operand."""

    def __init__(self, stages):
        self.stages = stages
        super().__init__({"a": In(signed(8)), "b": In(signed(8)), "p": Out(signed(16))})

    def elaborate(self, platform):
        m, operands = Module(), [self.a, self.b]
        for k in range(self.stages):
            held = [Signal(signed(8), reset_less=True, name=f"{name}{k}") for name in "ab"]
            m.d.sync += [register.eq(value) for register, value in zip(held, operands, strict=True)]
            operands = held
        m.d.comb += self.p.eq(operands[0] * operands[1])
        return m


@pytest.mark.parametrize(
    ("stages", "luts", "ffs"), [(1, 0, 0), (2, 0, 0), (3, 0, 16), (4, 0, 32), (5, 16, 0)]
)
def test_registers_before_a_multiplier(stages, luts, ffs):
    found = predict(Product(stages), "xc7")
    assert (found.luts, found.ffs, found.dsps) == (luts, ffs, 1)
    assert predict(Product(stages), "ecp5").ffs == 16 * stages


class Still(wiring.Component):
    """A register that is loaded with its first value alone, though a sum that is never loaded reads it."""

    def __init__(self):
        super().__init__({"en": In(1), "i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m, at, following = Module(), Signal(8), Signal(8)
        m.d.comb += [following.eq(Mux(self.en, 0, at + 3)), self.o.eq(self.i ^ at)]
        with m.If(self.en):
            m.d.sync += at.eq(following)
        return m


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_a_register_that_never_moves(family):
    found = predict(Still(), family)
    assert (found.luts, found.ffs) == (0, 0)


class Ring(wiring.Component):
    """A memory of 96 words of 32 bits; ``loose``: a word read while it is written may be anything."""

    def __init__(self, loose):
        self.attrs = {"no_rw_check": 1} if loose else {}
        super().__init__({"at": In(7), "to": In(7), "en": In(1), "i": In(32), "o": Out(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = Memory(shape=32, depth=96, init=[], attrs=self.attrs)
        write, read = ring.write_port(), ring.read_port()
        m.d.comb += [write.addr.eq(self.to), write.en.eq(self.en), write.data.eq(self.i)]
        m.d.comb += [read.addr.eq(self.at), self.o.eq(read.data)]
        return m


@pytest.mark.parametrize(("loose", "ffs"), [(False, 73), (True, 0)])
def test_a_memory_that_keeps_no_word(loose, ffs):
    found = predict(Ring(loose), "ecp5")
    assert (found.ffs, found.brams) == (ffs, 1) and (found.luts == 0) == loose
