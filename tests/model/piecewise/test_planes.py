"""Planes give back the levels exactly and are as few as promised."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.planes import digits, one_hot, short_planes


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-127, 127).filter(bool), min_size=1, max_size=8, unique=True))
def test_planes_give_the_levels(values):
    levels = np.sort(np.array([*values, 0]))
    for planes in (one_hot(levels), short_planes(levels)):
        np.testing.assert_array_equal(planes.levels(), levels)
    assert short_planes(levels).count <= one_hot(levels).count == len(values)


@pytest.mark.parametrize(
    ("levels", "count"),
    [
        ([-61, -23, 0, 23, 61], 3),
        ([-2, -1, 0, 1, 2], 3),
        ([0, 7, 14, 21, 28, 35], 3),
        ([0, 1, 2, 3, 4, 5, 6, 7], 3),
        ([-3, 0, 3], 2),
        ([0, 9], 1),
    ],
)
def test_promised_counts(levels, count):
    assert short_planes(levels).count == count


@given(st.integers(-(1 << 40), 1 << 40))
def test_digits(value):
    terms = digits(value)
    assert sum(sign << exponent for sign, exponent in terms) == value
    exponents = [exponent for _, exponent in terms]
    assert all(b - a >= 2 for a, b in itertools.pairwise(exponents))


def test_levels_without_zero_are_refused():
    with pytest.raises(InputError, match="hold 0"):
        short_planes([1, 2])
