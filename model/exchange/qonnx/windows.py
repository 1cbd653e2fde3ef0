"""Sliding windows: kernel, stride and padding of a node in full, automatic padding and rounded-up sizes
worked out."""

from typing import Any

import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit

__all__ = ["ceiled", "kernel", "window"]

Pair = tuple[int, int]


def kernel(node: onnx.NodeProto, given: dict[str, Any]) -> Pair:
    """The attribute ``kernel_shape``, which must be two positive numbers."""
    return _pair(node, "kernel_shape", given["kernel_shape"])


def _pair(node: onnx.NodeProto, name: str, value: Any) -> Pair:
    if len(value) != 2 or min(value) < 1:
        raise misfit(
            node,
            f"{name} = {list(value)}, not two positive numbers: windows over height and width are supported",
        )
    return int(value[0]), int(value[1])


def window(
    node: onnx.NodeProto, given: dict[str, Any], size: Pair, shape: Pair
) -> tuple[Pair, tuple[int, int, int, int], Pair]:
    """(stride, (top, left, bottom, right), dilation) of a window of ``size`` over a map of ``shape``."""
    stride = _pair(node, "strides", given.get("strides", (1, 1)))
    dilation = _pair(node, "dilations", given.get("dilations", (1, 1)))
    mode = given["auto_pad"].decode("ascii", "replace")
    pads = given.get("pads", [0, 0, 0, 0])
    if len(pads) != 4 or min(pads) < 0:
        raise misfit(node, f"pads = {list(pads)}, not four numbers of at least 0")
    if mode == "NOTSET":
        return stride, tuple(int(pad) for pad in pads), dilation  # type: ignore[return-value]
    if any(pads):
        raise InputError(
            f"{label(node)}: auto_pad = {mode} and pads = {list(pads)} exclude each other: leave one out"
        )
    if mode == "VALID":
        return stride, (0, 0, 0, 0), dilation
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise misfit(node, f"auto_pad = {mode!r}")
    halves = []
    for n, s, k, d in zip(shape, stride, size, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        small = total // 2
        halves.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return stride, (halves[0][0], halves[1][0], halves[0][1], halves[1][1]), dilation


def ceiled(
    size: Pair, stride: Pair, pad: tuple[int, int, int, int], shape: Pair
) -> tuple[int, int, int, int]:
    """Padding with which a window counted by rounding down meets as many places as one counted by rounding up
    (ceil_mode).

    A window that would start in the padding after the map is left out, as ONNX says.
    """
    more = list(pad)
    for axis in (0, 1):
        n, k, s = shape[axis], size[axis], stride[axis]
        before, after = pad[axis], pad[axis + 2]
        count = -(-(n + before + after - k) // s) + 1
        if (count - 1) * s >= n + before:
            count -= 1
        more[axis + 2] = after + max((count - 1) * s + k - (n + before + after), 0)
    return more[0], more[1], more[2], more[3]
