"""Products in parts against Python's integers."""

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.sim import Simulator

from fermatnet.hw.rtl.wide_product import partial_factors, pieces, sum_at
from fermatnet.hw.rtl.words import shape_range


@pytest.mark.parametrize("width", [2, 3, 18])
@pytest.mark.parametrize(
    "shape", [unsigned(1), signed(1), unsigned(17), signed(18), signed(19), unsigned(48)]
)
def test_pieces_fit_and_join(shape, width):
    found = pieces(shape, width)
    assert [low for low, _ in found] == [0, *(high for _, high in found[:-1])] and found[-1][1] == shape.width
    sizes = [high - low for low, high in found]
    assert all(0 < size < width for size in sizes[:-1])
    assert 0 < sizes[-1] <= (width if shape.signed else width - 1)


def test_only_wide_values_are_cut():
    def count(a, b, target):
        return len(partial_factors(Signal(a), Signal(b), target))

    assert count(signed(18), signed(18), "ecp5") == count(unsigned(17), unsigned(17), "ecp5") == 1
    assert count(signed(21), signed(14), "ecp5") == count(signed(14), unsigned(18), "ecp5") == 2
    assert count(signed(21), signed(14), "lut6") == count(signed(18), signed(25), "lut6") == 1
    assert count(signed(40), signed(20), "ecp5") == 3 * 2 and count(signed(40), signed(20), "generic") == 1


@pytest.mark.parametrize("target", ["ecp5", "lut6", "generic"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (signed(18), signed(18)),
        (signed(21), signed(14)),
        (unsigned(18), signed(5)),
        (signed(40), unsigned(37)),
        (signed(3), unsigned(26)),
    ],
)
def test_parts_add_up(a, b, target):
    """To the product, for the ends of both ranges and what is drawn."""
    m = Module()
    x, y = Signal(a), Signal(b)
    parts = partial_factors(x, y, target)
    total = parts[0][0] * parts[0][1]
    for first, second, place in parts[1:]:
        total = sum_at(total, first * second, place)
    out = Signal(Shape(a.width + b.width, signed=True) if a.signed or b.signed else a.width + b.width)
    m.d.comb += out.eq(total)
    rng = np.random.default_rng(a.width)
    values = [[*shape_range(shape), -1 if shape.signed else 1, 0, *_drawn(rng, shape)] for shape in (a, b)]

    async def bench(ctx):
        for first in values[0]:
            for second in values[1]:
                ctx.set(x, first)
                ctx.set(y, second)
                assert ctx.get(out) == first * second

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def _drawn(rng, shape):
    low, high = shape_range(shape)
    return [int(value) for value in rng.integers(low, high, 6, endpoint=True)]
