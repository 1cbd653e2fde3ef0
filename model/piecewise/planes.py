"""Bit planes for a set of levels: as few as any binary code of the pieces allows, shared between levels.

One-hot planes (T_i, V_j of (3.16), (3.18)) need one plane a level. Any other choice of 0/1 planes with
coefficients that give the same levels is as exact:
``levels[piece] = sum_k coefficients[k] * members[piece, k]``. Levels that are subset sums of r numbers need r
planes: symmetric levels -b, -a, 0, a, b are the subset sums of {-b, b-a, a}, whatever a and b;
equally spaced ones are binary numbers.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fermatnet.model.errors import InputError

__all__ = ["Planes", "digits", "one_hot", "short_planes"]

# subsets tried for one number of planes; the search is skipped, never wrong, beyond it
MAX_CANDIDATES = 200_000


@dataclass(frozen=True)
class Planes:
    """``levels[p] = sum_k coefficients[k] * members[p][k]``; members: tuple of 0/1 rows, one a piece."""

    coefficients: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """Number of planes."""
        return len(self.coefficients)

    @property
    def table(self) -> NDArray[np.uint8]:
        """(pieces, planes) 0/1."""
        return np.array(self.members, np.uint8).reshape(len(self.members), self.count)

    def levels(self) -> NDArray[np.int64]:
        """Level of each code, as the sum of its planes' coefficients."""
        return self.table.astype(np.int64) @ np.array(self.coefficients, np.int64)


def digits(value: int) -> list[tuple[int, int]]:
    """(sign, exponent) of the non-adjacent form of an integer: the fewest signed powers of two."""
    terms, exponent, rest = [], 0, int(value)
    while rest:
        if rest & 1:
            sign = 2 - (rest & 3)
            terms.append((sign, exponent))
            rest -= sign
        rest >>= 1
        exponent += 1
    return terms


def one_hot(levels: ArrayLike) -> Planes:
    """One plane for each level that is not zero: M (or N) planes."""
    values = [int(level) for level in np.asarray(levels)]
    kept = [k for k, value in enumerate(values) if value]
    return Planes(
        tuple(values[k] for k in kept),
        tuple(tuple(int(piece == k) for k in kept) for piece in range(len(values))),
    )


def short_planes(levels: ArrayLike, powers: bool = False) -> Planes:
    """The fewest planes found for these levels; among equals the ones whose coefficients have the fewest
    signed digits.

    Candidates for coefficients are differences of levels and (signed) powers of two: optimal for symmetric
    and for equally spaced levels. Falls back to one-hot planes. ``powers``: only signed powers of two, in
    two's complement where nothing shorter is found.
    """
    values = tuple(int(level) for level in np.asarray(levels))
    if not values or values.count(0) == 0:
        raise InputError("levels must hold 0")
    return _search(values, powers)


@lru_cache(maxsize=256)
def _search(values: tuple[int, ...], only_powers: bool) -> Planes:
    wanted = sorted(set(values))
    if wanted == [0]:
        return Planes((), tuple(() for _ in values))
    differences = {a - b for a, b in itertools.permutations(wanted, 2)}
    top = max(abs(value) for value in wanted).bit_length()
    powers = {sign << exponent for exponent in range(top + 1) for sign in (1, -1)}
    useful = sorted(powers if only_powers else differences | powers, key=lambda c: (abs(c), c))
    complement = tuple(1 << k for k in range(top)) + ((-1 << top,) if wanted[0] < 0 else ())
    last = len(complement) if only_powers else len(wanted) - 1
    for count in range((len(wanted) - 1).bit_length(), last):
        if _choose(len(useful), count) > MAX_CANDIDATES:
            break
        coefficients = _best(wanted, useful, count)
        if coefficients:
            return _members(values, coefficients)
    return _members(values, complement) if only_powers else one_hot(values)


def _choose(n: int, k: int) -> int:
    count = 1
    for step in range(k):
        count = count * (n + k - 1 - step) // (step + 1)
    return count


def _best(wanted: list[int], useful: list[int], count: int) -> tuple[int, ...] | None:
    """The cheapest multiset of ``count`` coefficients whose subset sums hold every wanted level."""
    sets = np.array(list(itertools.combinations_with_replacement(useful, count)), np.int64)
    picks = np.array(list(itertools.product((0, 1), repeat=count)), np.int64)
    sums = sets @ picks.T
    fits = np.all([np.any(sums == level, axis=1) for level in wanted], axis=0)
    if not np.any(fits):
        return None
    cost = {c: len(digits(c)) for c in useful}
    best = min(
        (tuple(int(c) for c in row) for row in sets[fits]),
        key=lambda row: (sum(cost[c] for c in row), sum(map(abs, row)), row),
    )
    return best


def _members(values: tuple[int, ...], coefficients: tuple[int, ...]) -> Planes:
    rows: dict[int, tuple[int, ...]] = {}
    for picked in itertools.product((0, 1), repeat=len(coefficients)):
        total = sum(c for c, bit in zip(coefficients, picked, strict=True) if bit)
        if total not in rows or sum(picked) < sum(rows[total]):
            rows[total] = picked
    return Planes(coefficients, tuple(rows[value] for value in values))
