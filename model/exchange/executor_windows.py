"""Convolution and pooling for the executor: windows over a padded map, as the ONNX standard counts them.

onnx.reference 1.23 convolves slowly and pools with unequal pads wrongly (``pads = [0, 0, 1, 1]`` changes the
map's shape), so these take its place; the tests hold them against onnxruntime.
"""

from math import ceil, floor
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

__all__ = ["AveragePool", "Conv", "MaxPool"]


def _padding(
    node: OpRun, shape: tuple[int, ...], kernel: list[int]
) -> tuple[list[int], list[int], list[tuple[int, int]], list[int]]:
    """(strides, dilations, (before, after) an axis, windows an axis) for a map of ``shape``."""
    axes = range(len(kernel))
    strides = list(getattr(node, "strides", None) or [1] * len(kernel))
    dilations = list(getattr(node, "dilations", None) or [1] * len(kernel))
    pads = list(getattr(node, "pads", None) or [0] * 2 * len(kernel))
    auto = getattr(node, "auto_pad", None) or "NOTSET"
    extents = [dilations[k] * (kernel[k] - 1) + 1 for k in axes]
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad {auto!r}")
    if auto.startswith("SAME"):
        counts = [ceil(shape[k] / strides[k]) for k in axes]
        totals = [max((counts[k] - 1) * strides[k] + extents[k] - shape[k], 0) for k in axes]
        least = [total // 2 if auto == "SAME_UPPER" else total - total // 2 for total in totals]
        return strides, dilations, [(least[k], totals[k] - least[k]) for k in axes], counts
    if auto == "VALID":
        pads = [0] * 2 * len(kernel)
    both = [(pads[k], pads[k + len(kernel)]) for k in axes]
    counts = []
    for k in axes:
        places = (shape[k] + sum(both[k]) - extents[k]) / strides[k]
        up = bool(getattr(node, "ceil_mode", 0))
        count = (ceil(places) if up else floor(places)) + 1
        if up and (count - 1) * strides[k] >= shape[k] + both[k][0]:  # starts in the padding after the map
            count -= 1
        counts.append(count)
    return strides, dilations, both, counts


def _view(
    node: OpRun, x: np.ndarray, kernel: list[int], fill: float, padded: list[tuple[int, int]] | None = None
) -> np.ndarray:
    """(n, C, OH, OW, kh, kw) of x (n, C, H, W), places outside the map and its padding filled too.

    ``padded``: the padding that x holds already.
    """
    if x.ndim != 4 or len(kernel) != 2:
        raise ValueError(f"windows of {len(kernel)} axes over {x.shape}")
    held = padded or [(0, 0), (0, 0)]
    strides, dilations, both, counts = _padding(
        node, tuple(n - sum(pad) for n, pad in zip(x.shape[2:], held, strict=True)), kernel
    )
    before = [0, 0] if padded else [pad[0] for pad in both]
    if min(counts) < 1:
        raise ValueError(f"a window {kernel} does not fit {x.shape}")
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    need = [(count - 1) * s + e for count, s, e in zip(counts, strides, extents, strict=True)]
    after = [max(need[k] - x.shape[2 + k] - before[k], 0) for k in (0, 1)]
    x = np.pad(x, ((0, 0), (0, 0), (before[0], after[0]), (before[1], after[1])), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=(2, 3))
    view = view[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    return view[:, :, : counts[0], : counts[1]]


class Conv(OpRun):
    """Convolution (cross-correlation) as a matrix product over windows."""

    def _run(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **_: Any
    ) -> tuple[np.ndarray, ...]:
        group = getattr(self, "group", None) or 1
        kernel = list(getattr(self, "kernel_shape", None) or w.shape[2:])
        if tuple(kernel) != w.shape[2:] or x.shape[1] != group * w.shape[1] or len(w) % group:
            raise ValueError(f"weights {w.shape} in {group} groups for a tensor {x.shape}")
        view = _view(self, x, kernel, 0.0)
        n, _channels, rows, columns = view.shape[:4]
        each, parts = w.shape[1], []
        for k, weights in enumerate(np.split(w, group)):
            taken = (
                view[:, k * each : (k + 1) * each].transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
            )
            parts.append(taken @ weights.reshape(len(weights), -1).T)
        y = np.concatenate(parts, axis=1).reshape(n, rows, columns, len(w)).transpose(0, 3, 1, 2)
        return (y if b is None else y + b.reshape(1, -1, 1, 1),)


class MaxPool(OpRun):
    """The largest of each window; padding never is."""

    kernel_shape: list[int]

    def _run(self, x: np.ndarray, **_: Any) -> tuple[np.ndarray, ...]:
        return (_view(self, x, list(self.kernel_shape), -np.inf).max(axis=(4, 5)),)


class AveragePool(OpRun):
    """The mean of each window: of the map's own numbers, or with count_include_pad of those and the padding's
    zeros."""

    kernel_shape: list[int]

    def _run(self, x: np.ndarray, **_: Any) -> tuple[np.ndarray, ...]:
        kernel = list(self.kernel_shape)
        inside = np.ones((1, 1, *x.shape[2:]), x.dtype)
        if getattr(self, "count_include_pad", 0):
            both = _padding(self, x.shape[2:], kernel)[2]
            inside = np.pad(inside, ((0, 0), (0, 0), *both), constant_values=1.0)
            counted = _view(self, inside, kernel, 0.0, padded=both)
        else:
            counted = _view(self, inside, kernel, 0.0)
        return (_view(self, x, kernel, 0.0).sum(axis=(4, 5)) / counted.sum(axis=(4, 5)),)
