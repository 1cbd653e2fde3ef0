"""Comparisons of every target are Python's, for all pairs of small values."""

import itertools

import pytest
from amaranth.hdl import Module, Shape, Signal
from amaranth.sim import Simulator

from fermatnet.hw.rtl.comparison import at_least
from fermatnet.hw.rtl.words import shape_range

SHAPES = [Shape(3), Shape(4, signed=True), Shape(1), Shape(2, signed=True)]


@pytest.mark.parametrize("target", ["ecp5", "lut6", "generic"])
def test_every_pair(target):
    m, cases = Module(), []
    for first, second in itertools.product(SHAPES, SHAPES):
        a, b, o = Signal(first), Signal(second), Signal()
        m.d.comb += o.eq(at_least(a, b, target))
        cases.append((a, b, o))

    async def bench(ctx):
        for a, b, o in cases:
            ranges = [range(lo, hi + 1) for lo, hi in map(shape_range, (a.shape(), b.shape()))]
            for one, other in itertools.product(*ranges):
                ctx.set(a, one)
                ctx.set(b, other)
                assert ctx.get(o) == (one >= other)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def test_one_bit():
    """What a comparison is joined with takes one bit, and its inverse is no -1."""
    assert at_least(Signal(Shape(5, signed=True)), Signal(4), "ecp5").shape() == Shape(1)
