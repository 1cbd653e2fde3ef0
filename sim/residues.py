"""Operands for benches of diminished-1 blocks: corners first, then random numbers; every pair where there are
few."""

import random

import numpy as np

from fermatnet.model.fermat.number import Number, Ring

__all__ = ["corners", "draw", "pairs", "words"]

EXHAUSTIVE = 4


def corners(ring: Ring) -> list[int]:
    """Residues where carries, flags and signs turn: 0, 1, -1, and around half of the modulus."""
    half = ring.modulus // 2
    return sorted({value % ring.modulus for value in (0, 1, 2, -1, -2, half - 1, half, half + 1, half + 2)})


def draw(ring: Ring, count: int, seed: int) -> Number:
    """``count`` numbers: the corners, then random residues, a tenth of them zero."""
    chance = random.Random(seed)
    drawn = [0 if chance.random() < 0.1 else chance.randrange(ring.modulus) for _ in range(count)]
    return ring.from_residues((corners(ring) + drawn)[:count])


def pairs(ring: Ring, count: int, seed: int) -> tuple[Number, Number]:
    """All pairs of residues for b up to 4, else all pairs of corners and then ``count`` random ones."""
    values = list(range(ring.modulus)) if ring.b <= EXHAUSTIVE else corners(ring)
    x, y = [u for u in values for _ in values], [v for _ in values for v in values]
    if ring.b > EXHAUSTIVE:
        chance = random.Random(seed)
        x += [chance.randrange(ring.modulus) for _ in range(count)]
        y += [chance.randrange(ring.modulus) for _ in range(count)]
    return ring.from_residues(x), ring.from_residues(y)


def words(ring: Ring, x: Number) -> list[int]:
    """The ports' words: for (n,) numbers one each, for (n, points) all points in one word, point 0 lowest."""
    packed = ring.pack(x)
    if packed.ndim == 1:
        return [int(word) for word in packed]
    return [sum(int(word) << ((ring.b + 1) * at) for at, word in enumerate(np.ravel(row))) for row in packed]
