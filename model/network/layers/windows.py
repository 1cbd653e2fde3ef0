"""Sliding windows over tensors, for the reference of convolutions and pooling, and their attributes in the
file."""

from typing import Any

import numpy as np

__all__ = ["padded", "read_window", "window_attributes", "windows"]


def windows(
    x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """View (n, C, OH, OW, kh, kw) of a padded tensor (n, C, H, W)."""
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def padded(x: np.ndarray, pad: tuple[int, int, int, int], value: int = 0) -> np.ndarray:
    """``x`` (n, C, H, W) with ``pad`` = (top, left, bottom, right) rows and columns of ``value`` around
    it."""
    return np.pad(x, ((0, 0), (0, 0), (pad[0], pad[2]), (pad[1], pad[3])), constant_values=value)


def window_attributes(node: Any) -> dict[str, Any]:
    """Attributes of a convolution's window in the file."""
    return {
        "strides": list(node.stride),
        "pads": list(node.pad),
        "dilations": list(node.dilation),
        "group": node.group,
    }


def read_window(attributes: dict[str, Any]) -> dict[str, Any]:
    """The fields of a convolution's window from the file's attributes."""
    return {
        "stride": tuple(attributes["strides"]),
        "pad": tuple(attributes["pads"]),
        "dilation": tuple(attributes["dilations"]),
        "group": attributes["group"],
    }
