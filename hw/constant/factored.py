"""Matrices of few different magnitudes: what shares an odd factor is added first and multiplied once."""

from collections.abc import Sequence

import numpy as np

from fermatnet.hw.constant.plan import MatrixPlan, plan_matrix
from fermatnet.model.piecewise.planes import digits

__all__ = ["odd_part", "plan_chain"]

WORTH = 0.9  # a factored plan is looked for where it has at most this share of the terms


def odd_part(value: int) -> tuple[int, int]:
    """(odd, signed power of two) of an integer that is not 0: it is their product, ``odd`` is positive."""
    power = value & -value
    return abs(value) // power, power if value > 0 else -power


def plan_chain(
    matrix: np.ndarray,
    bias: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    target: str,
    factors: Sequence[int] | None = None,
) -> tuple[MatrixPlan, ...]:
    """One plan, or two one after the other: first, for each output and each odd part of its weights, the sum
    of the inputs that have it, then these sums times the odd parts. The cheaper is taken.

    Parameters
    ----------
    matrix : (O, I) int
    bias : (O,) int
    low, high : (I,) int
        Inclusive range of each input.
    target : str
    factors : (I,) int or None
        Inputs whose columns are multiples of one number each are grouped by it: column i of ``matrix`` is a
        multiple of ``factors[i]``, and what is left of it decides the sum.
    """
    columns = np.ones(matrix.shape[1], np.int64) if factors is None else np.asarray(factors, np.int64)
    first, second = _factors(np.asarray(matrix, np.int64), columns)
    direct = sum(len(digits(int(value))) for value in np.ravel(matrix))
    split = np.count_nonzero(first) + sum(1.5 * len(digits(int(value))) for value in np.ravel(second))
    plain = None
    if split > WORTH * direct or len(columns) <= 8:
        return (plan_matrix(matrix, bias, low, high, target),)
    whole = [0] * len(first)
    sums = plan_matrix(first, whole, low, high, target)
    lows, highs = zip(*sums.ranges, strict=True)
    ranges = [_range(row, own, low, high) for row, own in zip(matrix, bias, strict=True)]
    chain = sums, plan_matrix(second, bias, lows, highs, target, ranges)
    if split > WORTH * direct / 2:  # not plain to see
        plain = plan_matrix(matrix, bias, low, high, target)
    return (plain,) if plain is not None and plain.cost < sum(plan.cost for plan in chain) else chain


def _factors(matrix: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, I) powers of two and (O, S) numbers whose product is ``matrix``."""
    first: list[np.ndarray] = []
    second: list[tuple[int, int]] = []
    for output, row in enumerate(matrix):
        kinds: dict[tuple[int, int], np.ndarray] = {}
        for place in np.flatnonzero(row):
            divisor = int(columns[place])
            odd, power = odd_part(int(row[place]) // divisor)
            own = kinds.setdefault((odd, divisor), np.zeros(len(columns), np.int64))
            own[place] = power
        for (odd, common), own in sorted(kinds.items()):
            first.append(own)
            second.append((output, odd * common))
    weights = np.zeros((len(matrix), max(1, len(second))), np.int64)
    for index, (output, value) in enumerate(second):
        weights[output, index] = value
    return np.array(first or [np.zeros(len(columns), np.int64)]), weights


def _range(row: np.ndarray, bias: int, low: Sequence[int], high: Sequence[int]) -> tuple[int, int]:
    ends = np.stack([row * np.asarray(low, np.int64), row * np.asarray(high, np.int64)])
    return int(ends.min(axis=0).sum()) + int(bias), int(ends.max(axis=0).sum()) + int(bias)
