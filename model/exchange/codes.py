"""Activations of many codes as one multiplier, offset and shift a channel, where that is the same
function."""

import numpy as np

from fermatnet.model.exchange.requantize import Staircase, exactly
from fermatnet.model.network.nodes import Affine

__all__ = ["as_affine"]

_FEW = 15
"""Thresholds a channel up to which they cost less than a multiplier: codes of 4 bits."""


def as_affine(
    name: str, source: str, thresholds: np.ndarray, sign: np.ndarray, limits: tuple[int, int]
) -> Affine | None:
    """The layer with the codes ``#{j : sign[c] x >= thresholds[c, j]}`` for all x of ``limits``; None where
    there are few thresholds, or none is exact.

    thresholds : int64 (C, N), ascending;  sign : (C,) +1 or -1;  limits : (lo, hi) of the accumulators.
    """
    top = thresholds.shape[1]
    if top <= _FEW:
        return None
    stairs = []
    for row, flip in zip(thresholds, sign, strict=True):
        lo, hi = limits if flip > 0 else (-limits[1], -limits[0])
        stairs.append(Staircase(lo, hi, int((row <= lo).sum()), row[(row > lo) & (row <= hi)]))
    # a rectifier that saturates stops at a lower code
    top = max(one.last for one in stairs)
    found = exactly(stairs, (0, top))
    if found is None:
        return None
    return Affine(name, (source,), found.multiplier * sign, found.offset, found.shift, 0, top)
