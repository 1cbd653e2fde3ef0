"""How large an output of a convolution can become, exactly: the true form of the bound (2.11).

The thesis bounds every output by ``max|x| * sum|w| <= F/2``. Known weights and a known input range give the
interval that is really reached: a positive weight is worst at one end of the input range, a negative weight
at the other.
"""

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["channel_ranges", "output_range", "symmetric_bound"]


def _checked(weight: np.ndarray, lo: int, hi: int, group: int) -> np.ndarray:
    weight = np.asarray(weight)
    if weight.ndim != 4 or weight.size == 0 or weight.dtype.kind not in "iu":
        raise InputError(
            f"weight must be a non-empty integer array (O, I/group, kh, kw), not {weight.dtype} "
            f"{weight.shape}"
        )
    if lo > hi:
        raise InputError(f"input range [{lo}, {hi}] is empty")
    if group < 1 or weight.shape[0] % group:
        raise InputError(f"{weight.shape[0]} output channels do not split into {group} groups")
    return weight


def channel_ranges(weight: np.ndarray, lo: int, hi: int) -> tuple[list[int], list[int]]:
    """Smallest and largest value of each output channel for inputs in [lo, hi] or zero (padding): python
    integers, exact."""
    weight = _checked(weight, lo, hi, 1)
    low, high = min(int(lo), 0), max(int(hi), 0)
    flat = weight.reshape(weight.shape[0], -1)
    exact = max(abs(int(flat.min())), abs(int(flat.max()))) * flat.shape[1] * max(-low, high) < 2**62
    flat = flat.astype(np.int64 if exact else object)
    positive = np.where(flat > 0, flat, 0).sum(axis=1)
    negative = np.where(flat < 0, flat, 0).sum(axis=1)
    return [int(v) for v in positive * low + negative * high], [
        int(v) for v in positive * high + negative * low
    ]


def output_range(weight: np.ndarray, lo: int, hi: int, group: int = 1) -> tuple[int, int]:
    """Smallest and largest value any output can take, zero padding included.

    weight: integer (O, I/group, kh, kw); inputs lie in [lo, hi]. Both ends are reached by some input of that
    range (a padded one counts as zero), so no narrower interval is right. Always contains 0. ``group`` only
    has to divide O:
    the range of an output depends on its own weights alone.
    """
    weight = _checked(weight, lo, hi, group)
    lows, highs = channel_ranges(weight, lo, hi)
    return min(lows), max(highs)


def symmetric_bound(weight: np.ndarray, lo: int, hi: int) -> int:
    """The plainer bound of (2.11), max|x| times the largest sum|w|: what a symmetric residue range has to
    hold."""
    weight = _checked(weight, lo, hi, 1)
    sums = np.abs(weight.astype(object)).reshape(weight.shape[0], -1).sum(axis=1)
    return max(abs(int(lo)), abs(int(hi))) * int(max(sums))
