"""Pieces, codes and thresholds: how real weights and integer activations become small indices.

Pieces are half-open: a value equal to an end-point belongs to the piece on its right. Weights have M+1 pieces
(M even), the middle one stands for zero; activations have N+1, the first one stands for zero. Source: thesis
chapter 3, (3.6), (3.10).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fermatnet.model.errors import InputError

__all__ = [
    "WEIGHT_ENDPOINTS",
    "accumulator_range",
    "activation_steps",
    "apply_thresholds",
    "check_levels",
    "piece_index",
    "weight_endpoints",
]

# End-points of the positive half, in standard deviations. M = 8 is table 3.1; M = 2, 4 and 6 minimise the
# squared error on a unit Gaussian with symmetric end-points (M = 4: 0.0801 where Lloyd's optimum is 0.0800).
WEIGHT_ENDPOINTS: dict[int, tuple[float, ...]] = {
    2: (0.612,),
    4: (0.40, 1.25),
    6: (0.28, 0.88, 1.61),
    8: (0.25, 0.5, 1.0, 1.5),
}

# Step d of the activation levels beta_i = i d with end-points v_i = (i - 1/2) d, minimising the error on the
# positive half of a unit Gaussian.
ACTIVATION_STEP: dict[int, float] = {1: 1.22, 2: 0.845, 3: 0.65, 4: 0.535, 5: 0.455, 6: 0.395, 7: 0.355}


def weight_endpoints(pieces: int) -> NDArray[np.float64]:
    """The M end-points k_i in units of the standard deviation, ascending and symmetric. InputError when M has
    no default."""
    if pieces not in WEIGHT_ENDPOINTS:
        raise InputError(f"weight pieces must be one of {sorted(WEIGHT_ENDPOINTS)}, not {pieces}")
    half = np.array(WEIGHT_ENDPOINTS[pieces])
    return np.concatenate([-half[::-1], half])


def activation_steps(pieces: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(end-points v (N,), levels beta (N,)) for activations after batch norm."""
    if not 1 <= pieces <= 255:
        raise InputError(f"activation pieces must be 1..255, not {pieces}")
    last = max(ACTIVATION_STEP)
    # beyond the table the covered range grows slowly: hold it
    step = ACTIVATION_STEP[min(pieces, last)] * min(1.0, last / pieces)
    order = np.arange(1, pieces + 1, dtype=np.float64)
    return (order - 0.5) * step, order * step


def piece_index(values: ArrayLike, endpoints: ArrayLike) -> NDArray[np.uint8]:
    """Index 0..n of the half-open piece of each value; endpoints (n,) ascending. Any shape in, the same shape
    out, uint8."""
    ends = np.asarray(endpoints)
    if ends.ndim != 1 or ends.size > 255 or np.any(np.diff(ends) < 0):
        raise InputError("end-points must be one ascending row of at most 255 values")
    return np.searchsorted(ends, np.asarray(values), side="right").astype(np.uint8)


def apply_thresholds(x: ArrayLike, thresholds: ArrayLike, sign: ArrayLike) -> NDArray[np.uint8]:
    """``index[:, c] = sum_j (sign[c] * x[:, c] >= thresholds[c, j])``.

    x int64 (n, C, ...); thresholds int64 (C, N), rows ascending; sign (C,) of +1 or -1. Returns uint8 of x's
    shape.
    """
    values, rows, signs = (
        np.asarray(x, np.int64),
        np.asarray(thresholds, np.int64),
        np.asarray(sign, np.int64),
    )
    if rows.ndim != 2 or signs.shape != rows.shape[:1] or values.ndim < 2 or values.shape[1] != rows.shape[0]:
        raise InputError(f"thresholds {rows.shape} and sign {signs.shape} do not fit values {values.shape}")
    if np.any(np.abs(signs) != 1):
        raise InputError("sign must be +1 or -1 for every channel")
    if rows.shape[1] > 255 or np.any(np.diff(rows, axis=1) < 0):
        raise InputError("thresholds must be at most 255 a channel, each row ascending")
    index = np.empty(values.shape, np.uint8)
    for channel, (row, flip) in enumerate(zip(rows, signs, strict=True)):
        index[:, channel] = np.searchsorted(row, flip * values[:, channel], side="right")
    return index


def check_levels(
    codes: ArrayLike, levels_w: ArrayLike, levels_a: ArrayLike
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Check codes and levels of one layer and return them as uint8, int64, int64. InputError names what is
    wrong.

    Levels ascend strictly; the middle weight level and the first activation level are 0; every code has a
    level.
    """
    w, a, picked = np.asarray(levels_w, np.int64), np.asarray(levels_a, np.int64), np.asarray(codes)
    if w.ndim != 1 or w.size < 3 or w.size % 2 == 0 or w[w.size // 2] != 0:
        raise InputError("weight levels must be an odd number (M+1 >= 3) of integers with 0 in the middle")
    if a.ndim != 1 or a.size < 2 or a[0] != 0:
        raise InputError("activation levels must be N+1 >= 2 integers, the first one 0")
    for what, levels in (("weight", w), ("activation", a)):
        if np.any(np.diff(levels) <= 0):
            raise InputError(f"{what} levels must ascend, not {levels.tolist()}")
        if levels.size > 256:
            raise InputError(f"at most 256 {what} levels, not {levels.size}")
    if picked.size == 0 or picked.min() < 0 or picked.max() >= w.size:
        raise InputError(f"weight codes must be 0..{w.size - 1} and at least one")
    return picked.astype(np.uint8), w, a


def accumulator_range(codes: ArrayLike, levels_w: ArrayLike, levels_a: ArrayLike) -> tuple[int, int]:
    """Inclusive range of every partial and final sum, over all outputs; codes (O, ...) with one output on the
    first axis.

    Exact: activation levels start at 0 and ascend, so the extremes put the largest level under all positive,
    or all negative, weights.
    Zero padding and sums in any order stay inside.
    """
    picked, w, a = check_levels(codes, levels_w, levels_a)
    weight = w[picked.reshape(picked.shape[0], -1)]
    top = int(a[-1])
    return int(np.minimum(weight, 0).sum(axis=1).min()) * top, int(
        np.maximum(weight, 0).sum(axis=1).max()
    ) * top
