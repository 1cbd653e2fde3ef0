"""The two backward passes of an integer convolution, themselves exact integer convolutions by Fermat
transforms.

(2.2): the gradient of the input is the output's gradient convolved with the kernels; with a stride, every
phase of the input is one such convolution with the kernel's taps of that phase, so the phases become output
channels. (2.3): the gradient of the weights is the output's gradient correlated with the input, summed over
the batch: there the batch takes the place of the channels, the gradient that of the kernel. A large gradient
map is cut into blocks, which are further channels, so that transforms stay short.

All arguments of `convolution.convolve` that choose backend, modulus, memory, threads pass through as
options.
"""

from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software.checks import check_integers, pair
from fermatnet.model.fermat.software.convolution import convolve
from fermatnet.model.fermat.software.phases import space_to_depth, taps_to_depth

__all__ = ["input_gradient", "weight_gradient"]


def _output_size(
    height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[int, int]:
    return (height + 2 * padding[0] - kernel[0]) // stride[0] + 1, (
        width + 2 * padding[1] - kernel[1]
    ) // stride[1] + 1


def _check(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    g: np.ndarray,
    stride: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
) -> None:
    if len(x_shape) != 4 or len(w_shape) != 4 or min(*x_shape, *w_shape) < 1:
        raise InputError(
            f"shapes must be (n, C, H, W) and (O, C / groups, kh, kw), all positive, not {tuple(x_shape)} "
            f"and {tuple(w_shape)}"
        )
    if groups < 1 or x_shape[1] != w_shape[1] * groups or w_shape[0] % groups:
        raise InputError(f"channels do not match: x {tuple(x_shape)}, w {tuple(w_shape)}, groups {groups}")
    expected = (
        x_shape[0],
        w_shape[0],
        *_output_size(x_shape[2], x_shape[3], (w_shape[2], w_shape[3]), stride, padding),
    )
    if tuple(g.shape) != expected:
        raise InputError(
            f"the output's gradient must have the output's shape {expected}, not {tuple(g.shape)}"
        )


def input_gradient(
    x_shape: tuple[int, ...],
    w: np.ndarray,
    g: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    **options: Any,
) -> np.ndarray:
    """(2.2): the gradient with respect to x (n, C, H, W), int64, of g (n, O, OH, OW) through kernels w (O, C
    / groups, kh, kw)."""
    check_integers("w", w, "OIhw")
    check_integers("the output's gradient", g, "nOHW")
    sides, pads = pair(stride, "stride", 1), pair(padding, "padding", 0)
    _check(tuple(x_shape), w.shape, g, sides, pads, groups)
    n, channels, height, width = x_shape
    phases = (min(sides[0], w.shape[2]), min(sides[1], w.shape[3]))
    # (O, C / groups * phases, th, tw): convolution instead of correlation
    taps = taps_to_depth(w, sides)[:, :, ::-1, ::-1]
    each = w.shape[0] // groups
    turned = np.concatenate([taps[k * each : (k + 1) * each].swapaxes(0, 1) for k in range(groups)])
    full = convolve(g, turned, 1, (taps.shape[2] - 1, taps.shape[3] - 1), groups, **options)
    full = full.reshape(n, channels, *phases, *full.shape[2:])
    padded = np.zeros((n, channels, height + 2 * pads[0], width + 2 * pads[1]), full.dtype)
    for r in range(phases[0]):
        for s in range(phases[1]):
            target = padded[:, :, r :: sides[0], s :: sides[1]][:, :, : full.shape[4], : full.shape[5]]
            target[...] = full[:, :, r, s, : target.shape[2], : target.shape[3]]
    return np.ascontiguousarray(padded[:, :, pads[0] : pads[0] + height, pads[1] : pads[1] + width])


def _block(size: int, taps: int) -> int:
    """Length of the blocks a gradient map of `size` is cut into: the fewest transform points in all."""
    best = min(
        (8, 16, 32), key=lambda n: (-(-size // max(1, n - taps + 1)) * n if n >= taps else 1 << 30, -n)
    )
    return min(size, max(1, best - taps + 1))


def weight_gradient(
    x: np.ndarray,
    w_shape: tuple[int, ...],
    g: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    **options: Any,
) -> np.ndarray:
    """(2.3): the gradient with respect to w (O, C / groups, kh, kw), int64, of g (n, O, OH, OW) through
    images x (n, C, H, W)."""
    check_integers("x", x, "nCHW")
    check_integers("the output's gradient", g, "nOHW")
    sides, pads = pair(stride, "stride", 1), pair(padding, "padding", 0)
    _check(x.shape, tuple(w_shape), g, sides, pads, groups)
    outputs, each_in, kh, kw = w_shape
    n, _, oh, ow = g.shape
    phases = (min(sides[0], kh), min(sides[1], kw))
    deep = space_to_depth(x, (kh, kw), sides, pads, (oh, ow))  # rows: oh + taps - 1
    taps = (deep.shape[2] - oh + 1, deep.shape[3] - ow + 1)
    block = (_block(oh, taps[0]), _block(ow, taps[1]))
    count = (-(-oh // block[0]), -(-ow // block[1]))
    images = np.zeros((n, *count, deep.shape[1], block[0] + taps[0] - 1, block[1] + taps[1] - 1), deep.dtype)
    kernels = np.zeros((n, *count, outputs, *block), g.dtype)
    for i in range(count[0]):
        for j in range(count[1]):
            part = deep[:, :, i * block[0] :, j * block[1] :][:, :, : images.shape[4], : images.shape[5]]
            images[:, i, j, :, : part.shape[2], : part.shape[3]] = part
            part = g[:, :, i * block[0] : (i + 1) * block[0], j * block[1] : (j + 1) * block[1]]
            kernels[:, i, j, :, : part.shape[2], : part.shape[3]] = part
    # (C * phases, n * blocks, ...)
    images = images.reshape(-1, deep.shape[1], *images.shape[4:]).swapaxes(0, 1)
    kernels = kernels.reshape(-1, outputs, *block).swapaxes(0, 1)
    gradient = np.zeros((outputs, each_in, kh, kw), np.int64)
    rows_in, rows_out = images.shape[0] // groups, outputs // groups
    for k in range(groups):
        part = convolve(
            images[k * rows_in : (k + 1) * rows_in],
            kernels[k * rows_out : (k + 1) * rows_out],
            1,
            0,
            1,
            cache=False,
            **options,
        )
        part = part.reshape(each_in, *phases, rows_out, *taps).transpose(3, 0, 1, 2, 4, 5)
        for r in range(phases[0]):
            for s in range(phases[1]):
                target = gradient[k * rows_out : (k + 1) * rows_out, :, r :: sides[0], s :: sides[1]]
                target[...] = part[:, :, r, s, : target.shape[2], : target.shape[3]]
    return gradient
