"""Checks that every layer makes of its arrays and geometry, and the ranges that follow from weights; each
refusal is one line."""

from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.types import TensorType

__all__ = [
    "LIMIT",
    "WIDE",
    "bounded",
    "check_array",
    "check_levels",
    "check_pair",
    "check_weight",
    "conv_shape",
    "require",
    "weighted_range",
    "window_type",
]

LIMIT = 1 << 31  # accumulators and fixed-point values stay within int32
WIDE = 1 << 62  # thresholds and products stay within int64


def require(condition: Any, message: str) -> None:
    """InputError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise InputError(message)


def check_array(value: np.ndarray, ndim: int, what: str, lo: int, hi: int) -> None:
    """``value`` is an integer array of ``ndim`` dimensions, not empty, within lo..hi."""
    require(isinstance(value, np.ndarray) and value.dtype.kind in "iu", f"{what} must be an integer array")
    require(
        value.ndim == ndim and value.size > 0,
        f"{what} must have {ndim} dimensions and not be empty, not shape {value.shape}",
    )
    low, high = int(value.min()), int(value.max())
    require(lo <= low and high <= hi, f"{what} must lie within {lo}..{hi}, not {low}..{high}")


def check_weight(weight: np.ndarray, ndim: int, bits: int) -> None:
    """Weights are symmetric: |w| < 2^(bits-1)."""
    top = (1 << bits - 1) - 1
    check_array(weight, ndim, "weight", -top, top)


def check_levels(levels: np.ndarray, what: str, zero_at: int, lo: int) -> None:
    """``levels`` ascend within lo..127 and hold 0 at place ``zero_at``."""
    check_array(levels, 1, what, lo, 127)
    require(bool((np.diff(levels.astype(np.int64)) > 0).all()), f"{what} must ascend, not {levels.tolist()}")
    require(int(levels[zero_at]) == 0, f"{what} must hold 0 at place {zero_at}, not {int(levels[zero_at])}")


def check_pair(value: tuple[int, int], what: str) -> None:
    """Two positive numbers."""
    require(len(value) == 2 and min(value) >= 1, f"{what} must be two positive numbers, not {value}")


def conv_shape(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """Output height and width of a sliding window; InputError when the window does not fit."""
    check_pair(kernel, "kernel")
    check_pair(stride, "stride")
    check_pair(dilation, "dilation")
    require(len(pad) == 4 and min(pad) >= 0, f"pad must be four numbers >= 0, not {pad}")
    rows = height + pad[0] + pad[2] - dilation[0] * (kernel[0] - 1) - 1
    columns = width + pad[1] + pad[3] - dilation[1] * (kernel[1] - 1) - 1
    require(
        rows >= 0 and columns >= 0,
        f"a {kernel[0]}x{kernel[1]} window (dilation {dilation}) does not fit {height}x{width} with pad "
        f"{pad}",
    )
    return rows // stride[0] + 1, columns // stride[1] + 1


def weighted_range(
    weight: np.ndarray, lo: int, hi: int, bias: np.ndarray | None = None, pad_value: int = 0
) -> tuple[int, int]:
    """Range of ``sum w x + bias`` over outputs (first axis) for any x in [lo, hi], or padding, which is
    ``pad_value``."""
    flat = weight.reshape(weight.shape[0], -1).astype(np.int64)
    positive = np.maximum(flat, 0).sum(axis=1)
    negative = np.minimum(flat, 0).sum(axis=1)
    offset = 0 if bias is None or bias.size == 0 else bias.astype(np.int64)
    low, high = min(lo, pad_value), max(hi, pad_value)
    least = positive * low + negative * high + offset
    most = positive * high + negative * low + offset
    return int(least.min()), int(most.max())


def bounded(shape: tuple[int, int, int], lo: int, hi: int) -> TensorType:
    """The type, or InputError where the range passes 32 bits."""
    require(-LIMIT <= lo and hi < LIMIT, f"its values {lo}..{hi} pass 32 bits; scale down before it")
    return TensorType(shape, lo, hi)


def window_type(node: Any, x: TensorType, weight: np.ndarray) -> tuple[int, int, int]:
    """Output shape of a convolution ``node`` (stride, pad, dilation, group) of ``weight`` (O, I/group, kh,
    kw) over ``x``."""
    out, per_group = weight.shape[:2]
    require(
        node.group >= 1 and x.shape[0] % node.group == 0 and out % node.group == 0,
        f"{node.group} groups do not divide {x.shape[0]} input and {out} output channels",
    )
    inputs = per_group * node.group
    require(inputs == x.shape[0], f"weights for {inputs} input channels, the input has {x.shape[0]}")
    return (out, *conv_shape(*x.shape[1:], weight.shape[2:], node.stride, node.pad, node.dilation))
