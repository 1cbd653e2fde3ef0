"""Prices by formula beside counted blocks."""

import numpy as np
import pytest
from amaranth.hdl import Shape

from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.layers import cost
from fermatnet.hw.resources import predict


@pytest.mark.parametrize(("target", "family"), [("lut6", "xc7"), ("ecp5", "ecp5"), ("generic", "ecp5")])
@pytest.mark.parametrize(("bits", "width"), [(2, 1), (2, 4), (4, 2), (8, 8)])
def test_constant_matrices(target, family, bits, width):
    """Half as much or twice as much would choose the wrong form."""
    top = (1 << bits - 1) - 1
    weight = np.random.default_rng(bits).normal(0, max(top / 3, 0.7), (16, 27)).round().clip(-top, top)
    counted = predict(ConstantMatrix(weight.astype(int), [], Shape(width), target=target), family).luts
    priced = cost.constant_matrix(weight.astype(int), width, target, 0)
    assert 0.75 < priced / counted < 1.25
