"""The piecewise convolution as the hardware does it: AND and popcount of bit planes, then a weighted sum
(3.19).

``Conv(W, A) = sum_ij a_i b_j popcount(T_i AND V_j)``: T_i marks the weights of piece i, V_j the activations
of piece j. The planes are packed 64 to a word and counted with `numpy.bitwise_count`; no multiplication
touches a weight or an activation.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import check_levels

__all__ = ["convolve2d", "pack_plane", "windows"]

CHUNK = 4096  # window rows counted at a time: the (rows, outputs) temporaries stay in cache


def windows(
    x: NDArray[np.uint8],
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> NDArray[np.uint8]:
    """Windows of x (n, C, H, W) as (n, OH, OW, kh*kw*C), last axis ordered (ky, kx, c), zero padding (top,
    left, bottom, right)."""
    (kh, kw), (sy, sx), (dy, dx) = kernel, stride, dilation
    if min(kh, kw, sy, sx, dy, dx) < 1 or min(pad) < 0:
        raise InputError("kernel, stride and dilation must be positive, padding not negative")
    padded = np.pad(x, ((0, 0), (0, 0), (pad[0], pad[2]), (pad[1], pad[3])))
    n, channels, height, width = padded.shape
    out_h, out_w = (height - dy * (kh - 1) - 1) // sy + 1, (width - dx * (kw - 1) - 1) // sx + 1
    if out_h < 1 or out_w < 1:
        raise InputError(
            f"a {kh}x{kw} kernel with dilation {dy}x{dx} does not fit a padded map of {height}x{width}"
        )
    patches = np.empty((n, out_h, out_w, kh, kw, channels), x.dtype)
    for ky in range(kh):
        for kx in range(kw):
            part = padded[
                :,
                :,
                ky * dy : ky * dy + sy * (out_h - 1) + 1 : sy,
                kx * dx : kx * dx + sx * (out_w - 1) + 1 : sx,
            ]
            patches[:, :, :, ky, kx] = part.transpose(0, 2, 3, 1)
    return patches.reshape(n, out_h, out_w, kh * kw * channels)


def pack_plane(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack bool (rows, K) into uint64 words (ceil(K/64), rows), word-major; the padding bits are 0."""
    rows, length = bits.shape
    octets = np.zeros((rows, -(-length // 64) * 8), np.uint8)
    octets[:, : -(-length // 8)] = np.packbits(bits, axis=1)
    return np.ascontiguousarray(octets.view(np.uint64).T)


def _counts(t: NDArray[np.uint64], v: NDArray[np.uint64]) -> NDArray[np.int64]:
    """popcount(T AND V): t (words, O), v (words, rows) -> (rows, O)."""
    total = np.zeros((v.shape[1], t.shape[1]), np.int64)
    for t_word, v_word in zip(t, v, strict=True):
        total += np.bitwise_count(v_word[:, None] & t_word[None, :])
    return total


def convolve2d(
    index: ArrayLike,
    codes: ArrayLike,
    levels_w: ArrayLike,
    levels_a: ArrayLike,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    group: int = 1,
) -> NDArray[np.int64]:
    """Piece indices (n, C, H, W) uint8 to integer accumulators (n, O, OH, OW) int64.

    codes (O, C/group, kh, kw) 0..M picks from levels_w (M+1,), index 0..N from levels_a (N+1,); pad (top,
    left, bottom, right) with index 0. InputError when shapes, codes or indices do not fit.
    """
    picked, w, a = check_levels(codes, levels_w, levels_a)
    x = np.asarray(index)
    if x.ndim != 4 or picked.ndim != 4:
        raise InputError(f"indices and codes must have four axes, not {x.shape} and {picked.shape}")
    if x.size and (x.min() < 0 or x.max() >= a.size):
        raise InputError(f"piece indices must be 0..{a.size - 1}, not {int(x.min())}..{int(x.max())}")
    outputs, channels, kh, kw = picked.shape
    if group < 1 or outputs % group or x.shape[1] != channels * group:
        raise InputError(
            f"{outputs} outputs of {channels} channels in {group} groups do not fit {x.shape[1]} input "
            "channels"
        )
    share = outputs // group
    parts = []
    for g in range(group):
        cut = windows(
            x[:, g * channels : (g + 1) * channels].astype(np.uint8), (kh, kw), stride, pad, dilation
        )
        table = picked[g * share : (g + 1) * share].transpose(0, 2, 3, 1).reshape(share, -1)
        parts.append(
            _convolve_windows(cut.reshape(-1, cut.shape[-1]), table, w, a).reshape(*cut.shape[:3], share)
        )
    return np.ascontiguousarray(np.concatenate(parts, axis=3).transpose(0, 3, 1, 2))


def _convolve_windows(
    rows: NDArray[np.uint8], table: NDArray[np.uint8], w: NDArray[np.int64], a: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(rows, K) indices and (O, K) codes to (rows, O) sums."""
    t_planes = {i: pack_plane(table == i) for i in np.flatnonzero(w) if np.any(table == i)}
    sums = np.zeros((rows.shape[0], table.shape[0]), np.int64)
    for start in range(0, rows.shape[0], CHUNK):
        block = rows[start : start + CHUNK]
        for j in range(1, a.size):
            v_plane = pack_plane(block == j)
            for i, t_plane in t_planes.items():
                sums[start : start + CHUNK] += w[i] * a[j] * _counts(t_plane, v_plane)
    return sums
