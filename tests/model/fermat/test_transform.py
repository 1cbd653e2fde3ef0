"""Transforms against the definition in Python integers, circular convolution, and the residue path."""

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.number import Ring
from fermatnet.model.fermat.transform import (
    bit_reversal,
    fast_forward,
    fast_forward2d,
    fast_inverse,
    fast_inverse2d,
    fast_mul,
    forward,
    forward2d,
    inverse,
    inverse2d,
    reduce_balanced,
    root_of_order,
)

CASES = [
    (4, 2),
    (4, 8),
    (4, 16),
    (5, 2),
    (6, 4),
    (8, 16),
    (8, 32),
    (12, 8),
    (12, 16),
    (16, 16),
    (16, 64),
    (32, 16),
    (32, 128),
    (64, 16),
    (64, 256),
]


@pytest.mark.parametrize(("b", "n"), CASES)
def test_definition_and_round_trip(b: int, n: int) -> None:
    ring, root = Ring(b), root_of_order(b, n)
    w = root.value
    assert pow(w, n, ring.modulus) == 1 and pow(w, n // 2, ring.modulus) == ring.modulus - 1
    rng = np.random.default_rng(n)
    values = [[int(v) * 7919 % ring.modulus for v in rng.integers(0, 1 << 60, n)] for _ in range(3)]
    values[0] = [0] * n
    x = ring.from_residues(values)
    spectrum = forward(ring, x)
    powers = [pow(w, e, ring.modulus) for e in range(n)]
    order = bit_reversal(n)
    for row, got in zip(values, ring.residues(spectrum), strict=True):
        expected = [sum(v * powers[i * int(k) % n] for i, v in enumerate(row)) % ring.modulus for k in order]
        assert list(got) == expected
    assert np.all(inverse(ring, spectrum).same(x))
    unscaled = inverse(ring, spectrum, scale=False)
    assert list(ring.residues(unscaled)[1]) == [v * n % ring.modulus for v in values[1]]


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_smallest_ring_exhaustive_impulses(n: int) -> None:
    """Every scaled unit impulse at b = 4: with linearity (the adder is exhaustive elsewhere) the whole
    transform."""
    ring, root = Ring(4), root_of_order(4, n)
    for position in range(n):
        for value in range(17):
            x = np.zeros(n, int)
            x[position] = value
            got = ring.residues(forward(ring, ring.from_residues(x)))
            assert list(got) == [value * pow(root.value, position * int(k), 17) % 17 for k in bit_reversal(n)]


@pytest.mark.parametrize(("b", "n"), [(16, 8), (16, 32), (32, 16), (64, 16)])
def test_two_dimensional_convolution(b: int, n: int) -> None:
    ring = Ring(b)
    rng = np.random.default_rng(b)
    x, w = rng.integers(-7, 8, (n, n)), np.zeros((n, n), np.int64)
    w[:3, :3] = rng.integers(-7, 8, (3, 3))
    spectrum = ring.mul(forward2d(ring, ring.encode(x)), forward2d(ring, ring.encode(w)))
    expected = sum(w[i, j] * np.roll(x, (i, j), (0, 1)) for i in range(3) for j in range(3))
    assert np.array_equal(ring.decode(inverse2d(ring, spectrum)), expected)
    assert np.array_equal(
        ring.decode(ring.shift(inverse2d(ring, spectrum, scale=False), -2 * int(np.log2(n)))), expected
    )


@pytest.mark.parametrize(("b", "n"), [(4, 16), (8, 32), (16, 16), (16, 64), (32, 16), (32, 128)])
def test_fast_path_is_the_same(b: int, n: int) -> None:
    ring = Ring(b)
    half = 1 << (b - 1)
    x = np.random.default_rng(n).integers(-half, half + 1, (2, n, n))
    x[0, 0] = half
    x[0, 1] = -half
    assert np.array_equal(fast_forward(x, b), ring.decode(forward(ring, ring.encode(x))))
    assert np.array_equal(fast_inverse(x, b), ring.decode(inverse(ring, ring.encode(x))))
    small = x[:, : min(n, 16), : min(n, 16)]
    assert np.array_equal(fast_forward2d(small, b), ring.decode(forward2d(ring, ring.encode(small))))
    assert np.array_equal(fast_inverse2d(fast_forward2d(small, b), b), small)
    assert np.array_equal(
        fast_mul(x[0], x[1], b), ring.decode(ring.mul(ring.encode(x[0]), ring.encode(x[1])))
    )


@pytest.mark.parametrize("b", [2, 5, 8, 16, 31, 32])
def test_reduce_balanced(b: int) -> None:
    modulus, half = (1 << b) + 1, 1 << (b - 1)
    edge = np.array(
        [0, half, half + 1, -half, -half - 1, modulus, -modulus, 1 << 62, -(1 << 62), (1 << 62) - 1], np.int64
    )
    x = np.concatenate([edge, np.random.default_rng(b).integers(-(1 << 62), 1 << 62, 1000)])
    got = reduce_balanced(x, b)
    assert got.min() >= -half and got.max() <= half
    assert all((int(p) - int(q)) % modulus == 0 for p, q in zip(x, got, strict=True))


@pytest.mark.parametrize(
    ("b", "n", "message"),
    [
        (16, 128, "longest"),
        (6, 8, "longest power-of-two transform there is 4"),
        (5, 4, "no power of sqrt"),
        (16, 12, "power of two"),
        (16, 1, "at least 2"),
        (1, 2, "2 to 64"),
        (65, 2, "2 to 64"),
        (16, 8.0, "power of two"),
    ],
)
def test_bad_length(b: int, n: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        root_of_order(b, n)


def test_fast_path_refuses_wide_moduli() -> None:
    with pytest.raises(InputError, match="b <= 32"):
        fast_forward(np.zeros(16, np.int64), 64)
