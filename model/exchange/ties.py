"""Which side of a step a sum falls on when, in exact arithmetic, it lies on the step itself.

A quantizer rounds real numbers that float64 holds only to 53 bits: 0.1 * 3 / 0.2 is 1.5 exactly on paper and
1.5000000000000002 in float64, and Brevitas' own float32 errs sooner. Both the import and the executor that
judges it take a number within 2^-32 of a multiple of one half as that multiple, so the rounding mode decides
and not the order of a sum. Two different sums are never so close unless their scales are: the float32 scales
of a file differ by 2^-24 or not at all.
"""

import numpy as np

__all__ = ["settled"]

_NEAR = 2.0**-32


def settled(y: np.ndarray) -> np.ndarray:
    """float64 array y with every number that is within 2^-32 (relative above 1) of a multiple of 1/2 moved
    onto it."""
    half = np.round(2.0 * y) / 2.0
    return np.where(np.abs(y - half) <= _NEAR * np.maximum(1.0, np.abs(y)), half, y)
