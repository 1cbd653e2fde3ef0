"""The arithmetic of other tools' requantisations, in integers and IEEE numbers, element for element as their
kernels compute.

Each function maps int64 accumulators ``x`` to int64 values *before* clipping. Which kernel rounds how was
checked against the kernels themselves: LiteRT's reference kernels (convolutions and sums round twice, dense
layers once, averages half away from zero) and onnxruntime's integer kernels (float32, ties to even).
"""

import math
from typing import Any

import numpy as np

__all__ = ["double_rounding", "fixed_point", "float32_scale", "half_away_division", "single_rounding"]


def fixed_point(scale: float) -> tuple[int, int]:
    """(q, exponent) with ``scale ~ q / 2^31 * 2^exponent``, 2^30 <= q < 2^31 (LiteRT's QuantizeMultiplier).
    ``scale`` is a float64."""
    if scale == 0:
        return 0, 0
    mantissa, exponent = math.frexp(scale)
    q = round(mantissa * (1 << 31))
    return (q // 2, exponent + 1) if q == 1 << 31 else (q, exponent)


def single_rounding(x: np.ndarray, q: Any, exponent: Any) -> np.ndarray:
    """``(x q + 2^(s-1)) >> s`` with s = 31 - exponent: LiteRT's dense layers. |x| < 2^31; broadcasts."""
    shift = 31 - np.asarray(exponent, np.int64)
    return (x * q + (np.int64(1) << (shift - 1))) >> shift


def double_rounding(x: np.ndarray, q: Any, exponent: Any) -> np.ndarray:
    """Rounding doubling high multiply by q, then a rounding shift, half away from zero: LiteRT's
    convolutions and sums. |x| < 2^31."""
    exponent = np.asarray(exponent, np.int64)
    left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
    high = ((x << left) * q + (1 << 30)) >> 31  # half up; gemmlowp's truncating form is the same number
    mask = (np.int64(1) << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def float32_scale(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """``rint(float32(x) * float32(scale))``, ties to even: onnxruntime's QLinearConv, QLinearMatMul,
    QLinearGlobalAveragePool."""
    return np.rint(x.astype(np.float32) * np.asarray(scale, np.float32)).astype(np.int64)


def half_away_division(x: np.ndarray, count: int) -> np.ndarray:
    """``x / count`` rounded half away from zero: LiteRT's AVERAGE_POOL_2D, on the sum."""
    half = count // 2
    return np.where(x > 0, (x + half) // count, -((-x + half) // count))
