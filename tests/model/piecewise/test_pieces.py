"""Piece indices, thresholds and bounds against plain comparisons and brute force."""

import itertools

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import (
    accumulator_range,
    activation_steps,
    apply_thresholds,
    piece_index,
    weight_endpoints,
)


def test_equal_to_an_endpoint_belongs_to_the_right():
    assert piece_index([-1.6, -1.5, -1.0, 0.0, 0.25, 1.49, 1.5], weight_endpoints(8)).tolist() == [
        0,
        1,
        2,
        4,
        5,
        7,
        8,
    ]


@pytest.mark.parametrize("n", [1, 3, 5, 7, 12])
def test_thresholds_are_plain_comparisons(n):
    rng = np.random.default_rng(n)
    x = rng.integers(-50, 50, (3, 4, 5, 6))
    thresholds = np.sort(rng.integers(-60, 60, (4, n)), axis=1)
    sign = np.array([1, -1, 1, -1])
    expected = sum(
        (sign[None, :, None, None] * x >= thresholds[None, :, j, None, None]).astype(int) for j in range(n)
    )
    np.testing.assert_array_equal(apply_thresholds(x, thresholds, sign), expected)


def test_accumulator_range_is_reached_and_never_left():
    rng = np.random.default_rng(2)
    levels_w, levels_a = np.array([-7, -2, 0, 3, 5]), np.array([0, 1, 4])
    codes = rng.integers(0, 5, (3, 6), dtype=np.uint8)
    sums = np.array(
        [levels_w[codes] @ levels_a[list(picked)] for picked in itertools.product(range(3), repeat=6)]
    )
    assert accumulator_range(codes, levels_w, levels_a) == (min(0, sums.min()), max(0, sums.max()))


@pytest.mark.parametrize("m", [2, 4, 6, 8])
def test_default_weight_endpoints_fit_a_gaussian(m):
    """Mean squared error of the pieces' means on a unit Gaussian, by quantiles: below the figures of the
    defaults' derivation."""
    from statistics import NormalDist

    sample = np.array([NormalDist().inv_cdf((k + 0.5) / 20000) for k in range(20000)])
    index = piece_index(sample, weight_endpoints(m))
    error = sum(
        float(((sample[index == i] - (0 if i == m // 2 else sample[index == i].mean())) ** 2).sum())
        for i in range(m + 1)
    )
    assert error / sample.size < {2: 0.191, 4: 0.0802, 6: 0.0446, 8: 0.0350}[m]


def test_default_activation_levels():
    endpoints, levels = activation_steps(5)
    np.testing.assert_allclose(levels, 0.455 * np.arange(1, 6))
    np.testing.assert_allclose(endpoints, levels - 0.455 / 2)
    assert activation_steps(12)[1][-1] == pytest.approx(0.355 * 7)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="one of"):
        weight_endpoints(5)
    with pytest.raises(InputError, match="ascending"):
        piece_index([0.0], [1.0, 0.0])
    with pytest.raises(InputError, match="sign"):
        apply_thresholds(np.zeros((1, 1, 1, 1)), [[1]], [2])
