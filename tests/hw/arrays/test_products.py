"""Every way to multiply gives the true sums, at all corners of its operands."""

import numpy as np
import pytest
from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.products.choice import Operands, choose, make, prices
from fermatnet.hw.arrays.products.packed import Packing, packing_for
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.clock import Clock
from fermatnet.model.errors import InputError
from fermatnet.synth.flow import cells

from .test_piecewise import check

CASES = [
    # weights, values, way, target, outputs, lanes, outputs and lanes of a beat
    ((-9, 4), signed(3), "packed", "generic", 3, 4, 3, 2),
    ((-7, 7), unsigned(4), "packed", "lut6", 8, 8, 8, 4),
    ((-7, 7), signed(4), "packed", "lut6", 6, 5, 6, 5),
    ((-8, 7), unsigned(4), "packed", "lut6", 3, 12, 3, 12),
    ((-7, 7), unsigned(4), "packed", "ecp5", 5, 6, 5, 3),
    ((-127, 127), signed(8), "packed", "lut6", 4, 10, 4, 5),
    ((-127, 127), unsigned(8), "packed", "lut6", 3, 4, 3, 4),
    ((-128, 127), signed(8), "packed", "lut6", 2, 3, 2, 1),
    ((-128, 127), signed(8), "packed", "lut6", 2, 4, 2, 4),
    ((-3, 4), signed(6), "packed", "lut6", 4, 2, 4, 2),
    ((0, 3), unsigned(2), "packed", "lut6", 5, 3, 5, 3),
    ((-127, 127), signed(8), "counted", "lut6", 2, 6, 2, 3),
    ((-128, 127), unsigned(8), "counted", "ecp5", 2, 4, 1, 2),
    ((-7, 7), unsigned(4), "counted", "generic", 4, 6, 2, 3),
    ((-8, 7), signed(4), "counted", "lut6", 3, 4, 3, 4),
    ((0, 5), unsigned(3), "counted", "lut6", 2, 4, 1, 2),
    ((-1, 0), unsigned(1), "counted", "ecp5", 2, 4, 2, 4),
    ((-7, 7), unsigned(4), "multiplied", "lut6", 2, 4, 2, 2),
]


@pytest.mark.parametrize(("ends", "x_shape", "way", "target", "outputs", "inputs", "pe", "simd"), CASES)
def test_sums_are_true(ends, x_shape, way, target, outputs, inputs, pe, simd, drive):
    """Random operands, and all lanes at each of the four corners."""
    rng = np.random.default_rng(outputs * inputs)
    weight = rng.integers(ends[0], ends[1] + 1, (outputs, inputs))
    weight[0], weight[-1] = ends
    low, high = -(1 << x_shape.width - 1) * x_shape.signed, (1 << x_shape.width - x_shape.signed) - 1
    x = rng.integers(low, high + 1, (5, inputs))
    x[0], x[1] = low, high
    bias = rng.integers(-99, 100, outputs)
    block = IntegerArray(weight, bias, x_shape, pe=pe, simd=simd, clock=Clock(150.0, target), products=way)
    check(block, x, x @ weight.T + bias, drive, None)


@pytest.mark.parametrize(
    ("ends", "x_shape", "target", "packing"),
    [
        ((-127, 127), signed(8), "lut6", Packing(2, 17, 4, False)),
        ((-127, 127), unsigned(8), "lut6", Packing(2, 17, 2, False)),
        ((-7, 7), unsigned(4), "lut6", Packing(4, 7, 1, True)),
        ((-8, 7), unsigned(4), "lut6", Packing(3, 10, 4, False)),
        ((-7, 7), signed(4), "ecp5", Packing(3, 7, 1, False)),
        # nearly one field more: its least product, less what the field below takes, or its digit is too wide
        ((-3, 4), signed(6), "lut6", Packing(3, 10, 2, False)),
        ((-63, 63), unsigned(1), "lut6", Packing(3, 9, 4, False)),
        # the sum of two is as wide as the field, but for the sign of the one below
        ((-128, 127), signed(8), "lut6", Packing(2, 16, 1, False)),
        ((-127, 127), signed(8), "ecp5", None),
        ((-127, 127), signed(16), "ecp5", None),
    ],
)
def test_as_many_as_a_multiplier_takes(ends, x_shape, target, packing):
    assert packing_for(ends, x_shape, target) == packing


def test_all_words_of_four_bits():
    """Every word of four weights times every value comes apart, by Python's integers."""
    weights = np.stack(np.meshgrid(*[np.arange(-7, 8)] * 4, indexing="ij"), -1).reshape(-1, 4)
    block = make(Operands((-7, 7), unsigned(4), 1, 4), Clock(target="lut6"), "packed")
    digits = block.encoded(weights[:, :, None])[:, :, 0]
    assert digits.min() >= -8 and digits.max() <= 7
    spacing = block.packing.spacing
    words = sum((digits[:, f] % (1 << spacing)) << spacing * f for f in range(3)) + (
        digits[:, 3] << spacing * 3
    )
    assert np.array_equal(words, (weights << spacing * np.arange(4)).sum(axis=1))


def test_the_cheapest_way_is_taken():
    """Small products go into counters or three by three into a multiplier, large ones two by two or one by
    one."""
    small, large = Operands((-7, 7), unsigned(4), 8, 8), Operands((-127, 127), signed(8), 8, 8)
    assert [choose(small, target) for target in ("lut6", "ecp5")] == ["counted", "packed"]
    assert [choose(large, target) for target in ("lut6", "ecp5", "generic")] == [
        "packed",
        "multiplied",
        "multiplied",
    ]
    lone = Operands((-127, 127), signed(8), 8, 1)
    assert [choose(lone, target) for target in ("lut6", "ecp5")] == ["multiplied", "multiplied"]
    assert prices(large, "lut6")["packed"][1] == 32 and prices(large, "lut6")["multiplied"][1] == 64


class Products(wiring.Component):
    """Products by a weight of four bits and of five."""

    def __init__(self):
        super().__init__({"v": In(signed(4)), "w": In(signed(5)), "x": In(4), "o": Out(8), "p": Out(9)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.o.eq(self.v * self.x), self.p.eq(self.w * self.x)]
        return m


def test_products_that_yosys_takes_multipliers_for(tmp_path):
    for top, hard in ((7, 0), (15, 6)):
        assert prices(Operands((-top, top), unsigned(4), 2, 3), "lut6")["multiplied"][1] == hard
    verilog.emit(Products(), "products", tmp_path)
    assert cells(tmp_path / "products.v", "products", "xc7")["dsps"] == 1


def test_a_multiplier_takes_in_a_sum():
    """Of two products on xc7 the adder is the multiplier's own; a third one needs tables."""
    two, three = (
        prices(Operands((-127, 127), signed(8), lanes, 3), "lut6")["multiplied"][0] for lanes in (2, 3)
    )
    assert two == 0 < three and prices(Operands((-127, 127), signed(8), 2, 3), "ecp5")["multiplied"][0] > 0


def test_a_way_that_there_is_not():
    with pytest.raises(InputError, match="do not fit a multiplier of ecp5"):
        make(Operands((-127, 127), signed(8), 2, 2), Clock(target="ecp5"), "packed")
    with pytest.raises(InputError, match="auto or one of multiplied, packed, counted"):
        make(Operands((-1, 1), signed(8), 2, 2), Clock(), "dsp")
