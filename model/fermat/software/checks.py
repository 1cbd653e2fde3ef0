"""What the software convolution takes: integer types, shapes, strides and paddings that go together, and the
range of the data."""

from typing import Any

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["DTYPES", "check_convolution", "check_integers", "input_range", "pair"]

DTYPES = {"int8": 0, "uint8": 1, "int16": 2, "int32": 3, "int64": 4}  # by the numbers they have in the C++


def pair(value: object, name: str, least: int) -> tuple[int, int]:
    """An int or two of them as (vertical, horizontal), each at least `least`."""
    both = (
        (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, (tuple, list)) else ()
    )
    if len(both) != 2 or not all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in both):
        raise InputError(f"{name} must be an integer of at least {least}, or two of them, not {value!r}")
    return both


def check_integers(name: str, a: Any, axes: str) -> Any:
    """a (numpy or torch), if it has a supported integer type and as many axes as `axes` has letters, none of
    them empty."""
    kind = str(a.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        raise InputError(
            f"{name} must hold integers (int8, uint8, int16, int32 or int64), not {kind}: quantise it first"
        )
    if a.ndim != len(axes):
        raise InputError(f"{name} must have {len(axes)} axes ({', '.join(axes)}), not shape {tuple(a.shape)}")
    if 0 in a.shape:
        raise InputError(f"{name} is empty: shape {tuple(a.shape)}")
    return a


def check_convolution(
    x: Any, w: Any, stride: object, padding: object, groups: int
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(stride, padding, output size) as pairs, or InputError when the arrays (numpy or torch) and settings do
    not go together."""
    check_integers("x", x, "nCHW")
    check_integers("w", w, "OIhw")
    sides, pads = pair(stride, "stride", 1), pair(padding, "padding", 0)
    if not isinstance(groups, int) or groups < 1 or x.shape[1] % groups or w.shape[0] % groups:
        raise InputError(
            f"groups must divide the input's {x.shape[1]} and the output's {w.shape[0]} channels, not "
            f"{groups!r}"
        )
    if w.shape[1] * groups != x.shape[1]:
        raise InputError(
            f"channels do not match: x has {x.shape[1]}, w takes {w.shape[1]} in each of {groups} group(s)"
        )
    height, width = x.shape[2] + 2 * pads[0], x.shape[3] + 2 * pads[1]
    if height < w.shape[2] or width < w.shape[3]:
        raise InputError(
            f"a {w.shape[2]}x{w.shape[3]} kernel is larger than the padded {height}x{width} image"
        )
    return sides, pads, ((height - w.shape[2]) // sides[0] + 1, (width - w.shape[3]) // sides[1] + 1)


def input_range(x: np.ndarray) -> tuple[int, int]:
    """The data's range, widened to whole bits so that batches of one layer get one plan; exact ends where the
    widening is out of int64."""
    low, high = int(x.min()), int(x.max())
    bits = max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0)
    return (0 if low >= 0 else -(1 << bits)), (1 << bits) - 1
