"""What each layer requires of its inputs and promises of its output: one rule a node type."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    TensorType,
    Threshold,
)

__all__ = ["conv_shape", "infer", "is_index_output", "weighted_range"]

_LIMIT = 1 << 31  # accumulators and fixed-point values stay within int32
_WIDE = 1 << 62  # thresholds and products stay within int64


def _need(condition: Any, message: str) -> None:
    if not condition:
        raise InputError(message)


def _array(value: np.ndarray, ndim: int, what: str, lo: int, hi: int) -> None:
    _need(isinstance(value, np.ndarray) and value.dtype.kind in "iu", f"{what} must be an integer array")
    _need(
        value.ndim == ndim and value.size > 0,
        f"{what} must have {ndim} dimensions and not be empty, not shape {value.shape}",
    )
    low, high = int(value.min()), int(value.max())
    _need(lo <= low and high <= hi, f"{what} must lie within {lo}..{hi}, not {low}..{high}")


def _levels(levels: np.ndarray, what: str, zero_at: int, lo: int) -> None:
    _array(levels, 1, what, lo, 127)
    _need(bool((np.diff(levels.astype(np.int64)) > 0).all()), f"{what} must ascend, not {levels.tolist()}")
    _need(int(levels[zero_at]) == 0, f"{what} must hold 0 at place {zero_at}, not {int(levels[zero_at])}")


def _pair(value: tuple[int, int], what: str) -> None:
    _need(len(value) == 2 and min(value) >= 1, f"{what} must be two positive numbers, not {value}")


def conv_shape(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """Output height and width of a sliding window; InputError when the window does not fit."""
    _pair(kernel, "kernel")
    _pair(stride, "stride")
    _pair(dilation, "dilation")
    _need(len(pad) == 4 and min(pad) >= 0, f"pad must be four numbers >= 0, not {pad}")
    rows = height + pad[0] + pad[2] - dilation[0] * (kernel[0] - 1) - 1
    columns = width + pad[1] + pad[3] - dilation[1] * (kernel[1] - 1) - 1
    _need(
        rows >= 0 and columns >= 0,
        f"a {kernel[0]}x{kernel[1]} window (dilation {dilation}) does not fit {height}x{width} with pad "
        f"{pad}",
    )
    return rows // stride[0] + 1, columns // stride[1] + 1


def weighted_range(weight: np.ndarray, lo: int, hi: int, bias: np.ndarray | None = None) -> tuple[int, int]:
    """Range of ``sum w x + bias`` over outputs (first axis) for any x in [lo, hi] or left out by zero
    padding."""
    flat = weight.reshape(weight.shape[0], -1).astype(np.int64)
    positive = np.maximum(flat, 0).sum(axis=1)
    negative = np.minimum(flat, 0).sum(axis=1)
    offset = 0 if bias is None or bias.size == 0 else bias.astype(np.int64)
    low, high = min(lo, 0), max(hi, 0)
    return int((positive * low + negative * high + offset).min()), int(
        (positive * high + negative * low + offset).max()
    )


def _bounded(shape: tuple[int, int, int], lo: int, hi: int) -> TensorType:
    _need(-_LIMIT <= lo and hi < _LIMIT, f"its values {lo}..{hi} pass 32 bits; scale down before it")
    return TensorType(shape, lo, hi)


def _window(node: Any, x: TensorType, weight: np.ndarray) -> tuple[int, int, int]:
    out, per_group = weight.shape[:2]
    _need(
        node.group >= 1 and x.shape[0] % node.group == 0 and out % node.group == 0,
        f"{node.group} groups do not divide {x.shape[0]} input and {out} output channels",
    )
    _need(
        per_group * node.group == x.shape[0],
        f"weights for {per_group * node.group} input channels, the input has {x.shape[0]}",
    )
    return (out, *conv_shape(*x.shape[1:], weight.shape[2:], node.stride, node.pad, node.dilation))


def _conv(node: Conv, x: TensorType) -> TensorType:
    _need(node.weight_bits in (8, 16), f"weight_bits must be 8 or 16, not {node.weight_bits}")
    top = (1 << node.weight_bits - 1) - 1
    _array(node.weight, 4, "weight", -top, top)
    _need(
        node.engine in ("auto", "fermat", "direct"),
        f"engine must be auto, fermat or direct, not {node.engine!r}",
    )
    fits8 = (x.lo >= 0 and x.hi <= 255) or (x.lo >= -128 and x.hi <= 127)
    fits16 = x.lo >= -(1 << 15) and x.hi < 1 << 15
    _need(
        fits8 or (node.weight_bits == 16 and fits16),
        f"its input {x.lo}..{x.hi} does not fit {node.weight_bits} bits; requantise before it",
    )
    lo, hi = weighted_range(node.weight, x.lo, x.hi)
    shape = _window(node, x, node.weight)
    return TensorType(shape, lo, hi) if node.weight_bits == 16 else _bounded(shape, lo, hi)


def _piecewise(node: PiecewiseConv, x: TensorType) -> TensorType:
    _need(
        len(node.levels_w) % 2 == 1 and len(node.levels_w) >= 3,
        f"weight levels must be M + 1 with M even, not {len(node.levels_w)}",
    )
    _levels(node.levels_w, "weight levels", len(node.levels_w) // 2, -127)
    _need(len(node.levels_a) >= 2, "activation levels must be N + 1 with N at least 1")
    _levels(node.levels_a, "activation levels", 0, 0)
    _array(node.codes, 4, "codes", 0, len(node.levels_w) - 1)
    _need(
        x.hi <= len(node.levels_a) - 1,
        f"indices up to {x.hi} come in, activation levels go to {len(node.levels_a) - 1}",
    )
    levels_w = node.levels_w.astype(np.int64)
    lo, hi = weighted_range(levels_w[node.codes], 0, int(node.levels_a[: x.hi + 1].max()))
    return _bounded(_window(node, x, node.codes), lo, hi)


def _threshold(node: Threshold, x: TensorType) -> TensorType:
    channels = x.shape[0]
    _array(node.thresholds, 2, "thresholds", -_WIDE, _WIDE)
    _need(
        node.thresholds.shape[0] == channels,
        f"thresholds for {node.thresholds.shape[0]} channels, the input has {channels}",
    )
    _need(
        node.thresholds.shape[1] <= 255, f"at most 255 thresholds a channel, not {node.thresholds.shape[1]}"
    )
    steps = np.diff(node.thresholds.astype(np.int64), axis=1)
    _need(
        bool((steps >= 0).all()),
        f"thresholds of channel {int(np.argwhere(steps < 0)[0][0]) if (steps < 0).any() else 0} are not "
        "ascending",
    )
    _need(
        node.sign.shape == (channels,) and bool(np.isin(node.sign, (-1, 1)).all()),
        "sign must be +1 or -1 for each channel",
    )
    return TensorType(x.shape, 0, node.thresholds.shape[1])


def _affine(node: Affine, x: TensorType) -> TensorType:
    channels = x.shape[0]
    _array(node.multiplier, 1, "multiplier", -(1 << 17) + 1, (1 << 17) - 1)
    _array(node.offset, 1, "offset", -_WIDE, _WIDE)
    _need(
        node.multiplier.shape == (channels,) and node.offset.shape == (channels,),
        f"multiplier and offset must be of {channels} channels",
    )
    _need(0 <= node.shift <= 40, f"shift must be 0..40, not {node.shift}")
    _need(
        -_LIMIT <= node.lo <= node.hi < _LIMIT,
        f"clip range {node.lo}..{node.hi} is not within 32 bits or not in order",
    )
    ends = np.stack(
        [node.multiplier.astype(object) * end + node.offset.astype(object) for end in (x.lo, x.hi)]
    )
    _need(abs(ends).max() < _WIDE, "its products pass 62 bits")
    low, high = int(ends.min()) >> node.shift, int(ends.max()) >> node.shift
    return TensorType(x.shape, min(max(low, node.lo), node.hi), min(max(high, node.lo), node.hi))


def _levels_rule(node: Levels, x: TensorType) -> TensorType:
    _array(node.levels, 1, "levels", -_LIMIT, _LIMIT - 1)
    _need(x.hi < len(node.levels), f"indices up to {x.hi} come in, the table goes to {len(node.levels) - 1}")
    return TensorType(x.shape, int(node.levels[: x.hi + 1].min()), int(node.levels[: x.hi + 1].max()))


def _maxpool(node: MaxPool, x: TensorType) -> TensorType:
    rows, columns = conv_shape(*x.shape[1:], node.kernel, node.stride, node.pad)
    _need(
        max(node.pad[0], node.pad[2]) < node.kernel[0] and max(node.pad[1], node.pad[3]) < node.kernel[1],
        f"pad {node.pad} must be smaller than the kernel {node.kernel}",
    )
    return TensorType((x.shape[0], rows, columns), x.lo, x.hi)


def sum_kernel(node: SumPool, x: TensorType) -> tuple[int, int]:
    """The window a SumPool really has: (0, 0) stands for the whole map."""
    return tuple(node.kernel) if tuple(node.kernel) != (0, 0) else x.shape[1:]  # type: ignore[return-value]


def _sumpool(node: SumPool, x: TensorType) -> TensorType:
    kernel = sum_kernel(node, x)
    _pair(kernel, "kernel")
    _need(
        x.shape[1] % kernel[0] == 0 and x.shape[2] % kernel[1] == 0,
        f"a {kernel[0]}x{kernel[1]} window does not divide {x.shape[1]}x{x.shape[2]}",
    )
    area = kernel[0] * kernel[1]
    return _bounded((x.shape[0], x.shape[1] // kernel[0], x.shape[2] // kernel[1]), x.lo * area, x.hi * area)


def _add(node: Add, a: TensorType, b: TensorType) -> TensorType:
    _need(a.shape == b.shape, f"shapes {a.shape} and {b.shape} cannot be added")
    return _bounded(a.shape, a.lo + b.lo, a.hi + b.hi)


def _concat(node: Concat, *xs: TensorType) -> TensorType:
    _need(
        len({x.shape[1:] for x in xs}) == 1,
        f"maps of {', '.join(str(x.shape[1:]) for x in xs)} cannot be joined",
    )
    return TensorType(
        (sum(x.shape[0] for x in xs), *xs[0].shape[1:]), min(x.lo for x in xs), max(x.hi for x in xs)
    )


def _dense(node: Dense, x: TensorType) -> TensorType:
    top = (1 << node.weight_bits - 1) - 1
    _array(node.weight, 2, "weight", -top, top)
    size = x.shape[0] * x.shape[1] * x.shape[2]
    _need(node.weight.shape[1] == size, f"weights for {node.weight.shape[1]} inputs, the input has {size}")
    _need(
        node.bias.size == 0 or node.bias.shape == node.weight.shape[:1],
        f"bias must be empty or of {node.weight.shape[0]} outputs",
    )
    if node.bias.size:
        _array(node.bias, 1, "bias", -_LIMIT, _LIMIT - 1)
    return _bounded((node.weight.shape[0], 1, 1), *weighted_range(node.weight, x.lo, x.hi, node.bias))


def _argmax(node: ArgMax, x: TensorType) -> TensorType:
    _need(x.shape[1:] == (1, 1), f"takes shape (K, 1, 1), not {x.shape}")
    return TensorType((1, 1, 1), 0, x.shape[0] - 1)


# node type: rule, number of inputs (None: two or more), takes indices (True), integers (False) or either
# (None)
_RULES: dict[type[Node], tuple[Callable[..., TensorType], int | None, bool | None]] = {
    Conv: (_conv, 1, False),
    PiecewiseConv: (_piecewise, 1, True),
    Threshold: (_threshold, 1, False),
    Affine: (_affine, 1, False),
    Levels: (_levels_rule, 1, True),
    MaxPool: (_maxpool, 1, None),
    SumPool: (_sumpool, 1, False),
    Add: (_add, 2, False),
    Concat: (_concat, None, None),
    Dense: (_dense, 1, False),
    ArgMax: (_argmax, 1, False),
}


def infer(node: Node, inputs: list[TensorType], index: list[bool]) -> TensorType:
    """Type of a node's output; InputError (without the node's name) when a requirement is not met."""
    if type(node) not in _RULES:
        raise InputError(f"unknown layer type {type(node).__name__}")
    rule, count, wants_index = _RULES[type(node)]
    _need(
        len(inputs) == count if count else len(inputs) >= 2,
        f"a {type(node).__name__} does not take {len(inputs)} inputs",
    )
    _need(len(set(index)) == 1, "cannot mix piece indices and integers")
    if wants_index is not None:
        words = {True: "piece indices", False: "integers"}
        _need(
            index[0] == wants_index,
            f"a {type(node).__name__} takes {words[wants_index]}, not {words[not wants_index]}",
        )
    return rule(node, *inputs)


def is_index_output(node: Node, index: list[bool]) -> bool:
    """Whether a node writes piece indices: thresholds do, pooling and joining pass them on."""
    return isinstance(node, Threshold) or (isinstance(node, MaxPool | Concat) and index[0])
