"""Strides: every phase of a strided convolution becomes a channel of one with stride 1. For numpy and torch
arrays alike."""

from typing import Any

import numpy as np

__all__ = ["space_to_depth", "taps_to_depth"]


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_zeros(shape)


def space_to_depth(
    x: Any, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], out: tuple[int, int]
) -> Any:
    """(n, C * phases, rows, columns): phase (r, s) of channel c holds pixels (stride * i + r, stride * j + s)
    of the padded image."""
    n, channels = x.shape[:2]
    phases = (min(stride[0], kernel[0]), min(stride[1], kernel[1]))
    taps = (-(-kernel[0] // stride[0]), -(-kernel[1] // stride[1]))
    rows, columns = out[0] + taps[0] - 1, out[1] + taps[1] - 1
    deep = _zeros(x, (n, channels, *phases, rows, columns))
    for r in range(phases[0]):
        first_row = max(0, -((r - padding[0]) // stride[0]))  # first i with stride * i + r - padding >= 0
        source_row = stride[0] * first_row + r - padding[0]
        for s in range(phases[1]):
            first_column = max(0, -((s - padding[1]) // stride[1]))
            source_column = stride[1] * first_column + s - padding[1]
            part = x[:, :, source_row :: stride[0], source_column :: stride[1]][
                :, :, : rows - first_row, : columns - first_column
            ]
            deep[
                :, :, r, s, first_row : first_row + part.shape[2], first_column : first_column + part.shape[3]
            ] = part
    return deep.reshape(n, channels * phases[0] * phases[1], rows, columns)


def taps_to_depth(w: Any, stride: tuple[int, int]) -> Any:
    """(O, C * phases, taps, taps): the kernel's side of `space_to_depth`."""
    outputs, channels, kh, kw = w.shape
    phases = (min(stride[0], kh), min(stride[1], kw))
    taps = (-(-kh // stride[0]), -(-kw // stride[1]))
    deep = _zeros(w, (outputs, channels, *phases, *taps))
    for r in range(phases[0]):
        for s in range(phases[1]):
            part = w[:, :, r :: stride[0], s :: stride[1]]
            deep[:, :, r, s, : part.shape[2], : part.shape[3]] = part
    return deep.reshape(outputs, channels * phases[0] * phases[1], *taps)
