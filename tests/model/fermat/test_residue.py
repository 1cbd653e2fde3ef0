"""Mixed radix against the Chinese remainder theorem on python integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.candidates import SYSTEMS
from fermatnet.model.fermat.residue import check_widths, halving, mixed_radix_digits, modulus, reconstruct


def test_fermat_systems_need_no_multiplier():
    assert all(halving(widths) for widths in SYSTEMS)
    assert not halving((3, 4))


@pytest.mark.parametrize("widths", [(8,), (4, 8), (4, 8, 16), (16, 32), (8, 16, 32), (3, 4), (5, 10, 20)])
def test_both_ends_and_around_zero(widths):
    total = modulus(widths)
    for lo in (0, -total // 2, 1 - total):
        hi = lo + total - 1
        values = np.array([v for v in (lo, lo + 1, -1, 0, 1, hi - 1, hi) if lo <= v <= hi], object)
        assert list(reconstruct([values % (2**b + 1) for b in widths], widths, lo, hi)) == list(values)


@given(st.integers(-(2**47), 2**47))
def test_random_values(value):
    widths = (16, 32)
    assert reconstruct([np.array([value % (2**b + 1)]) for b in widths], widths, -(2**47), 2**47)[0] == value


@given(st.integers(0, 17 * 257 * 65537 - 1))
def test_digits_are_the_mixed_radix_digits(value):
    widths = (4, 8, 16)
    d0, d1, d2 = (
        int(d[0]) for d in mixed_radix_digits([np.array([value % (2**b + 1)]) for b in widths], widths)
    )
    assert (d0, d1, d2) == (value % 65537, value // 65537 % 257, value // 65537 // 257)


def test_a_range_too_wide():
    with pytest.raises(InputError, match="does not fit the 4369 values"):
        reconstruct([np.array([0]), np.array([0])], (4, 8), 0, 4369)
    with pytest.raises(InputError, match="at least one"):
        check_widths(())
