"""Words of the netlist by hand: carry chains, what is dissolved into one sum, dead bits, registers that are
one, products."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.resources.reader import elaborated
from fermatnet.hw.rtl.rom import Rom


class Block(wiring.Component):
    """``o`` of ``width`` bits made by ``make(m, a, b, c)`` from three inputs of 8 bits, signed."""

    def __init__(self, make, width):
        self.make = make
        super().__init__(
            {"a": In(signed(8)), "b": In(signed(8)), "c": In(signed(8)), "o": Out(unsigned(width))}
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.make(m, self.a, self.b, self.c))
        return m


def contents(make, width, family="xc7"):
    return elaborated(Block(make, width), family)


@pytest.mark.parametrize(
    "make, width, tables, positions",
    [
        (lambda m, a, b, c: a + b, 9, 8, 10),  # the last two positions add the same signs
        (lambda m, a, b, c: a + b, 5, 5, 6),  # what nothing reads is never built
        # 8 parities, 7 tables of them with a majority in a chain
        (lambda m, a, b, c: a + b + c, 8, 15, 8),
        (lambda m, a, b, c: (a + b)[:2], 2, 2, 0),  # short sums are gates
        (lambda m, a, b, c: a, 8, 0, 0),
    ],
)
def test_sums(make, width, tables, positions):
    made, carried = contents(make, width), contents(make, width, "ecp5")
    assert made.graph.cover(made.roots, 6) == tables and carried.chain == positions


def test_comparison_of_eight_bits():
    """Three groups of six inputs in a chain, two tables each, on xc7; a subtraction's carries on ecp5."""

    def less(m, a, b, c):
        return a < b

    made = contents(less, 1)
    assert made.graph.cover(made.roots, 6) == 6 and contents(less, 1, "ecp5").chain == 8


@pytest.mark.parametrize(
    "bound, positions, tables", [(100, 10, 0), (96, 6, 1), (128, 4, 1), (2048, 0, 0), (1000, 8, 1)]
)
def test_comparison_with_a_constant_on_ecp5(bound, positions, tables):
    """12 bits: those below the constant's lowest one decide nothing; an odd bit above the chain is a table,
    an inverter none. Carry cells as yosys makes them."""

    def below(m, a, b, c):
        wide = Signal(12)
        m.d.comb += wide.eq(Cat(a, b[:4]))
        return wide < bound

    made = contents(below, 1, "ecp5")
    assert (made.chain, made.graph.cover(made.roots, 4)) == (positions, tables)


@pytest.mark.parametrize(
    "make, width, positions",
    [
        (lambda m, a, b, c: (a + b)[:6] ^ Mux(c[0], a + b, 0)[:8], 8, 8),  # one sum read in two widths
        (lambda m, a, b, c: Mux(c[0], a + b, a)[:6], 6, 6),  # its upper bits reach nothing
        # compared and subtracted by one chain
        (lambda m, a, b, c: Mux(a < b, a - b, 0), 9, 10),
        (lambda m, a, b, c: Cat(a > b, a <= b), 2, 8),
        # nothing to add in the two lowest bits
        (lambda m, a, b, c: (a & ~3) + (b & ~3), 8, 6),
    ],
)
def test_chains_of_ecp5(make, width, positions):
    """Carry positions as yosys 0.70 makes CCU2C cells, two in each."""
    assert contents(make, width, "ecp5").chain == positions


@pytest.mark.parametrize(
    "compare, value",
    [
        (lambda a: a > 127, 0),  # the largest: never
        (lambda a: a <= 127, 1),
        (lambda a: a > 200, 0),  # out of reach, above and below
        (lambda a: a < 200, 1),
        (lambda a: a < -128, 0),
        (lambda a: a > -200, 1),
        (lambda a: 200 > a, 1),
        (lambda a: -200 >= a, 0),
    ],
)
def test_comparisons_that_a_constant_decides_on_ecp5(compare, value):
    """yosys 0.70 makes nothing of what a signed word of 8 bits always, or never, is."""
    made = contents(lambda m, a, b, c: compare(a), 1, "ecp5")
    assert made.roots == [value] and made.chain == 0
    assert contents(lambda m, a, b, c: Mux(a > 127, 127, a), 8, "ecp5").chain == 0


def test_equality_beside_a_comparison_on_ecp5():
    """a > b needs it, a >= b does not, nor does a limit: what is at the limit is the limit."""

    def count(make, width):
        made = contents(make, width, "ecp5")
        return made.graph.cover(made.roots, 4)

    assert count(lambda m, a, b, c: a > b, 1) > count(lambda m, a, b, c: a >= b, 1) + 3
    assert count(lambda m, a, b, c: Mux(a > 99, 99, a), 8) < count(lambda m, a, b, c: Mux(a > 99, 98, a), 8)


def test_equal_registers_are_one():
    def twice(m, a, b, c):
        one, two = Signal(8), Signal(8)
        m.d.sync += [one.eq(a ^ b), two.eq(a ^ b)]
        return one & (two << 0)

    def once(m, a, b, c):
        one = Signal(8)
        m.d.sync += one.eq(a ^ b)
        return one

    assert contents(twice, 8).registers == contents(once, 8).registers == 8


@pytest.mark.parametrize(
    "clear, add, tables",
    [
        (0, lambda acc, a: a, 1),  # the enable alone
        (0, lambda acc, a: acc ^ a, 9),
        (Signal(8, name="other"), lambda acc, a: a, 9),  # no constant: a table a bit
    ],
)
def test_a_register_that_a_condition_clears(clear, add, tables):
    """A constant that nothing overrides is the reset of the register's own."""

    def accumulate(m, a, b, c):
        acc = Signal(8, reset_less=True)
        if isinstance(clear, Signal):
            m.d.comb += clear.eq(b)
        with m.If(c[0]):
            m.d.sync += acc.eq(clear)
        with m.Elif(c[1]):
            m.d.sync += acc.eq(add(acc, a))
        return acc

    made = contents(accumulate, 8)
    assert made.registers == 8 and made.graph.cover(made.roots, 6) == tables


@pytest.mark.parametrize("depth, registers", [(2, 2), (4, 14)])
def test_equal_columns_of_wide_tables_are_one(depth, registers):
    """4 words have 14 different columns that are not constant, 2 words 2, however many bits they have."""
    rng = np.random.default_rng(3)
    columns = [int(column) for column in rng.integers(1, (1 << depth) - 1, 900)]
    words = [sum((column >> row & 1) << bit for bit, column in enumerate(columns)) for row in range(depth)]

    def read(m, a, b, c):
        rom, again = Rom(900, words), Signal(900)
        m.submodules += rom
        m.d.comb += [rom.addr.eq(a), rom.en.eq(1)]
        m.d.sync += again.eq(rom.data)
        return again

    for family in ("xc7", "ecp5"):
        assert contents(read, 900, family).registers == registers


def test_products_by_significant_bits():
    def product(m, a, b, c):
        return a * b[:3]

    assert contents(product, 11).products == [(8, 3, 11)]
