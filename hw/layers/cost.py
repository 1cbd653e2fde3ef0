"""What a layer costs, about: look-up tables by formulas, without elaborating anything, because the compiler
asks for thousands of folds. Multipliers cost what they would in tables: no device has as many hard ones as a
wide fold would ask for. (`fermatnet.hw.resources.predict` counts a finished block instead.)"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from fermatnet.hw.piecewise.forms import choose_form, estimate
from fermatnet.hw.resources.memory import column_tables, in_tables
from fermatnet.hw.rtl.rom import KEPT_FROM

__all__ = ["constant_matrix", "dot_product", "weight_memory", "window_control"]


@cache
def _dot(levels_w: bytes, levels_a: bytes, simd: int, pe: int, target: str) -> tuple[float, int]:
    w, a = np.frombuffer(levels_w, np.int64), np.frombuffer(levels_a, np.int64)
    form = choose_form(w, a, simd, pe, target)
    return estimate(form, simd, pe, target), form.weight_bits


def dot_product(
    levels_w: ArrayLike, levels_a: ArrayLike, simd: int, pe: int, target: str
) -> tuple[float, int]:
    """Tables of one output's piecewise dot product by the price of its terms, and bits of a weight in
    memory."""
    levels = np.asarray(levels_w, np.int64).tobytes(), np.asarray(levels_a, np.int64).tobytes()
    return _dot(*levels, simd, pe, target)


def weight_memory(words: int, width: int) -> float:
    """Tables of a weight memory of ``words`` words of ``width`` bits; none where it is block memory."""
    if not in_tables("xc7", words, width):
        return 0.0
    # equal columns of the smallest ones are shared
    return width * column_tables("xc7", words) * (1.0 if words > KEPT_FROM else 0.6)


# Of a constant matrix: tables a signed digit and bit of the input, and a digit whatever the bits. Counters of
# six inputs take in several bits a table; adders on carry chains one.
_DIGITS = {"lut6": (0.42, 0.2), "asic": (0.42, 0.2), "ecp5": (0.7, 1.3), "generic": (0.7, 1.3)}


def constant_matrix(matrix: np.ndarray, width: int, target: str, out: int) -> float:
    """Tables of a constant matrix by the signed digits of its weights, for inputs of ``width`` bits: what
    sharing leaves of them (fitted to drawn matrices of 16 x 27 to 32 x 288, weights of 2 to 8 bits). With
    what takes the sums of ``out`` bits, which come all at once, apart for narrower readers."""
    magnitude = np.abs(matrix).astype(np.uint64)
    digits = int(np.bitwise_count(magnitude ^ (3 * magnitude)).sum())
    slope, each = _DIGITS[target]
    return digits * (slope * width + each) + 1.7 * out * len(matrix)


def window_control(width: int, simd: int) -> float:
    """Tables of a sliding window of ``simd`` values of ``width`` bits a beat."""
    return 170 + 2.5 * width * simd**0.5
