"""The diminished-1 reference against Python integers: exhaustively where the ring is small, directed and
random elsewhere."""

import galois
import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.number import Number, Ring

SMALL = range(2, 9)
ZERO_DIVISORS = {5: (3, 11), 6: (5, 13), 7: (3, 43), 32: (641, 6700417), 64: (274177, 67280421310721)}


def everything(ring: Ring) -> tuple[np.ndarray, Number]:
    """All residues, from the definition rather than from the code under test."""
    v = np.arange(ring.modulus)
    return v, Number(np.maximum(v - 1, 0).astype(np.uint64), v == 0)


def pairs(ring: Ring) -> tuple[np.ndarray, np.ndarray, Number, Number]:
    v, x = everything(ring)
    a, b = (m.ravel() for m in np.meshgrid(v, v, indexing="ij"))
    return a, b, x[a], x[b]


def assert_is(ring: Ring, x: Number, residues: object) -> None:
    expected = np.array(residues, dtype=object)
    assert np.array_equal(ring.residues(x), expected)
    assert not np.any(x.value[x.zero]), "a zero carries code bits"
    assert not np.any(x.value & ~ring.mask), "code wider than b bits"


@pytest.mark.parametrize("b", SMALL)
def test_pairs_exhaustively(b: int) -> None:
    ring = Ring(b)
    a, c, x, y = pairs(ring)
    assert_is(ring, ring.add(x, y), (a + c) % ring.modulus)
    assert_is(ring, ring.sub(x, y), (a - c) % ring.modulus)
    assert_is(ring, ring.mul(x, y), (a * c) % ring.modulus)


@pytest.mark.parametrize("b", SMALL)
def test_unary_exhaustively(b: int) -> None:
    ring = Ring(b)
    v, x = everything(ring)
    assert_is(ring, ring.neg(x), -v % ring.modulus)
    for k in range(-2 * b, 4 * b + 1):
        assert_is(ring, ring.shift(x, k), v * pow(2, k, ring.modulus) % ring.modulus)
    amounts = np.arange(ring.modulus) % (2 * b)
    assert_is(
        ring,
        ring.shift(x, amounts),
        [n * 2**s % ring.modulus for n, s in zip(v.tolist(), amounts.tolist(), strict=True)],
    )
    half = 1 << (b - 1)
    signed = np.arange(-half, half + 1)
    assert_is(ring, ring.encode(signed), signed % ring.modulus)
    assert np.array_equal(ring.decode(ring.encode(signed)), signed)
    if b % 4 == 0:
        twice = ring.sqrt2(ring.sqrt2(x))
        assert_is(ring, twice, 2 * v % ring.modulus)
        assert np.all(ring.half_shift(x, -3).same(ring.shift(ring.sqrt2(x), -2)))


@pytest.mark.parametrize("b", [11, 16, 24, 31, 32, 33, 47, 48, 62, 63, 64])
def test_wide_against_python_integers(b: int) -> None:
    ring = Ring(b)
    rng = np.random.default_rng(b)
    edge = [0, 1, 2, 3, (1 << b) - 1, 1 << b, 1 << (b - 1), (1 << (b - 1)) + 1]
    a = edge * len(edge) + [int(rng.integers(0, 1 << 63)) * 3 % ring.modulus for _ in range(500)]
    c = [e for e in edge for _ in edge] + [
        int(rng.integers(0, 1 << 63)) * 5 % ring.modulus for _ in range(500)
    ]
    x, y = ring.from_residues(a), ring.from_residues(c)
    assert_is(ring, x, a)
    assert_is(ring, ring.add(x, y), [(p + q) % ring.modulus for p, q in zip(a, c, strict=True)])
    assert_is(ring, ring.sub(x, y), [(p - q) % ring.modulus for p, q in zip(a, c, strict=True)])
    assert_is(ring, ring.mul(x, y), [p * q % ring.modulus for p, q in zip(a, c, strict=True)])
    assert_is(ring, ring.neg(x), [-p % ring.modulus for p in a])
    for k in (0, 1, b - 1, b, b + 1, 2 * b - 1, -1):
        assert_is(ring, ring.shift(x, k), [p * pow(2, k, ring.modulus) % ring.modulus for p in a])
    words = ring.pack(x)
    assert all(w == ((1 << b) if p == 0 else p - 1) for w, p in zip(words, a, strict=True))
    assert np.all(ring.unpack(words).same(x))
    half = 1 << (b - 1)
    signed = np.array([-half, -half + 1, -1, 0, 1, half - 1], np.int64)
    assert np.array_equal(ring.decode(ring.encode(signed)), signed)


@pytest.mark.parametrize("b", ZERO_DIVISORS)
def test_zero_divisors(b: int) -> None:
    ring = Ring(b)
    p, q = ZERO_DIVISORS[b]
    assert ring.modulus % (p * q) == 0
    assert p * q % ring.modulus == 0 or b in (5, 6, 7)
    cofactor = ring.modulus // p
    a = [p * m for m in range(1, 30) if p * m < ring.modulus]
    c = [cofactor * m % ring.modulus for m in range(1, len(a) + 1)]
    x, y = ring.from_residues(a), ring.from_residues(c)
    product = ring.mul(x, y)
    assert_is(ring, product, [0] * len(a))
    if b <= 7:
        v, w, x, y = pairs(ring)
        count = int(np.sum(ring.mul(x, y).zero & (v > 0) & (w > 0)))
        assert count == {5: 40, 6: 96, 7: 168}[b]


@pytest.mark.parametrize("b", [8, 16])
def test_against_galois(b: int) -> None:
    """F_3 and F_4 are prime: an independent finite-field library agrees."""
    ring = Ring(b)
    field = galois.GF(ring.modulus)
    rng = np.random.default_rng(b)
    a, c = rng.integers(0, ring.modulus, (2, 5000))
    x, y, fa, fc = ring.from_residues(a), ring.from_residues(c), field(a), field(c)
    for ours, theirs in (
        (ring.add(x, y), fa + fc),
        (ring.sub(x, y), fa - fc),
        (ring.mul(x, y), fa * fc),
        (ring.neg(x), -fa),
    ):
        assert_is(ring, ours, [int(v) for v in theirs])


def test_sum_is_an_adder_tree() -> None:
    ring = Ring(16)
    values = np.random.default_rng(0).integers(-3000, 3000, (7, 5))
    assert np.array_equal(ring.decode(ring.sum(ring.encode(values), axis=0)), values.sum(0))


@pytest.mark.parametrize("b", [1, 0, 65, -4, 8.0, True, "8"])
def test_bad_width(b: object) -> None:
    with pytest.raises(InputError, match="2 to 64"):
        Ring(b)  # type: ignore[arg-type]


def test_bad_values() -> None:
    with pytest.raises(InputError, match="do not fit"):
        Ring(8).encode(129)
    with pytest.raises(InputError, match="int64"):
        Ring(64).decode(Ring(64).from_residues([1 << 63]))
    with pytest.raises(InputError, match="multiple of 4"):
        Ring(6).sqrt2(Ring(6).encode(1))
