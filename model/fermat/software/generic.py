"""The steps of the software convolution in whole-array operations, for numpy and for torch alike.

Two uses: the fallback where no C++ compiler is (numpy), and the backend for tensors on a GPU (torch; int64
shifts and float64 products, which data centre GPUs do at full rate). Exactness is the same argument as in the
compiled part, with float64 in the role of the 32-bit sums: a product modulo F_3 or F_4 sums numbers below
2^30, so 2^22 channels stay below 2^53;
modulo F_5 the activations are cut into two limbs of 16 bits and 64 channels are summed at a time: 2^16 * 2^31
* 2^6 = 2^53; modulo 2^48+1 both sides are cut into limbs of 24 bits, and 64 products are below 2^52.
"""

from typing import Any

import numpy as np

from fermatnet.model.fermat.software.codegen import BITS
from fermatnet.model.fermat.software.plan import SoftwarePlan
from fermatnet.model.fermat.software.pricing import RESULT

__all__ = ["balance", "convolve", "transform"]

CHANNELS = {3: 1 << 22, 4: 1 << 22, 5: 64, 48: 64}  # summed exactly in float64


def balance(x: Any, b: int) -> Any:
    """The representative modulo 2**b + 1 in [-2**(b-1) - 1, 2**(b-1) + 1] of int64 x (numpy or torch)."""
    for _ in range(-(-63 // b)):
        h = (x + (1 << (b - 1))) >> b if b == 32 else (x >> b) + ((x >> (b - 1)) & 1)
        x = x - (h << b) - h
    return x


def _shift(x: Any, s: int, b: int) -> Any:
    """x * 2**s for balanced x, balanced."""
    s %= 2 * b
    if s >= b:
        return _shift(-x, s - b, b)
    if b > 32:  # x << s may leave 64 bits: the bits that would pass 2**b come back with the other sign
        return balance(((x & ((1 << (b - s)) - 1)) << s) - (x >> (b - s)), b)
    return balance(x << s, b)


def _times_root(x: Any, e: int, b: int) -> Any:
    """x * sqrt(2)**e, sqrt(2) = 2**(3b/4) - 2**(b/4)."""
    e %= 4 * b
    if e % 2 == 0:
        return _shift(x, e // 2, b) if e else x
    return balance(_shift(x, e // 2 + 3 * b // 4, b) - _shift(x, e // 2 + b // 4, b), b)


def transform(xp: Any, x: Any, b: int, inverse: bool = False) -> Any:
    """Transforms axis 0 of balanced int64 x, without 1/N: natural order in and bit-reversed out, or (inverse)
    the other way round."""
    n = x.shape[0]
    unit = 4 * b // n
    v = [x[i] for i in range(n)]
    half = n // 2 if not inverse else 1
    while 1 <= half < n:
        for start in range(0, n, 2 * half):
            for j in range(half):
                root = unit * j * (n // (2 * half))
                a, c = v[start + j], v[start + j + half]
                if inverse:
                    c = _times_root(c, -root, b)
                    v[start + j], v[start + j + half] = balance(a + c, b), balance(a - c, b)
                else:
                    v[start + j], v[start + j + half] = (
                        balance(a + c, b),
                        _times_root(balance(a - c, b), root, b),
                    )
        half = half * 2 if inverse else half // 2
    return xp.stack(v)


def _both(xp: Any, x: Any, b: int, inverse: bool = False) -> Any:
    """Axes 0 and 1."""
    x = transform(xp, x, b, inverse)
    return transform(xp, x.swapaxes(0, 1), b, inverse).swapaxes(0, 1)


def _double(xp: Any, x: Any) -> Any:
    return x.astype(np.float64) if xp is np else x.double()


def _whole(xp: Any, x: Any) -> Any:
    return x.astype(np.int64) if xp is np else x.long()


def _limbs(xp: Any, a: Any, w: Any) -> Any:
    """The product modulo 2^48+1, both sides in limbs of 24 bits; balanced."""
    cut = [((x + (1 << 23)) >> 24) for x in (a, w)]
    (ah, al), (wh, wl) = (
        tuple(_double(xp, limb) for limb in (h, x - (h << 24))) for h, x in zip(cut, (a, w), strict=True)
    )
    low, cross, high = (_whole(xp, part) for part in (al @ wl, al @ wh + ah @ wl, ah @ wh))
    return balance(balance(low - high, 48) + _shift(balance(cross, 48), 24, 48), 48)


def _product(xp: Any, a: Any, w: Any, t: int) -> Any:
    """(points, m, C) by (points, C, O), both balanced int64, modulo F_t; balanced (points, m, O)."""
    b, total = BITS[t], 0
    for start in range(0, a.shape[2], CHANNELS[t]):
        left, whole = a[:, :, start : start + CHANNELS[t]], w[:, start : start + CHANNELS[t]]
        if t == 48:
            total = balance(total + _limbs(xp, left, whole), b)
            continue
        right = _double(xp, whole)
        if t == 5:
            high = (left + (1 << 15)) >> 16
            low = left - (high << 16)
            part = balance(_whole(xp, _double(xp, low) @ right), b) + _shift(
                balance(_whole(xp, _double(xp, high) @ right), b), 16, b
            )
        else:
            part = _whole(xp, _double(xp, left) @ right)
        total = balance(total + balance(part, b), b)
    return total


def _garner(residues: list[tuple[int, Any]]) -> Any:
    """Joins residues of several F_t, given by t; the larger moduli are 2 modulo the smaller ones."""
    residues = sorted(residues, key=lambda item: -item[0])
    t0, y = residues[0]
    product, count = (1 << BITS[t0]) + 1, 1
    for t, r in residues[1:]:
        b = BITS[t]
        y = y + product * _shift(balance(r - y, b), -count, b)
        product, count = product * ((1 << b) + 1), count + 1
    half = product // 2
    return y - product * _sign(y > half) + product * _sign(y < -half)


def _sign(flags: Any) -> Any:
    return flags.astype(np.int64) if isinstance(flags, np.ndarray) else flags.long()


def _zeros(xp: Any, shape: tuple[int, ...], like: Any) -> Any:
    return np.zeros(shape, np.int64) if xp is np else xp.zeros(shape, dtype=xp.int64, device=like.device)


def convolve(x: Any, w: Any, padding: tuple[int, int], plan: SoftwarePlan, memory: int, xp: Any = np) -> Any:
    """One unstrided group: x (n, C, H, W), w (O, C, kh, kw) -> (n, O, OH, OW) int64, as the plan says; xp is
    numpy or torch."""
    images, channels, outputs, kh, kw, oh, ow = plan.shape
    (ny, nx), (tile_y, tile_x), (rows, columns) = plan.points, plan.tile, plan.tiles
    taps = _zeros(xp, (ny, nx, channels, outputs), x)
    for u in range(kh):
        for v in range(kw):
            taps[-u % ny, -v % nx] = _whole(xp, w[:, :, u, v]).T
    kernels = {
        t: _shift(_both(xp, balance(taps, BITS[t]), BITS[t]), -(ny * nx).bit_length() + 1, BITS[t]).reshape(
            ny * nx, channels, outputs
        )
        for t in plan.moduli
    }
    del taps
    out = _zeros(xp, (images, outputs, oh, ow), x)
    padded = _zeros(xp, (images, channels, (rows - 1) * tile_y + ny, (columns - 1) * tile_x + nx), x)
    height, width = (
        min(x.shape[2], padded.shape[2] - padding[0]),
        min(x.shape[3], padded.shape[3] - padding[1]),
    )
    padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = _whole(
        xp, x[:, :, :height, :width]
    )
    per_image = ny * nx * (channels * 40 + outputs * sum(RESULT[t] + 32 for t in plan.moduli))
    chunk = max(1, min(images, memory // per_image))
    for n in range(0, images, chunk):
        for i in range(rows):
            for j in range(columns):
                part = padded[n : n + chunk, :, i * tile_y : i * tile_y + ny, j * tile_x : j * tile_x + nx]
                part = part.transpose(2, 3, 0, 1) if xp is np else part.permute(2, 3, 0, 1)
                residues = []
                for t in plan.moduli:
                    a = _both(xp, balance(part, BITS[t]), BITS[t]).reshape(ny * nx, -1, channels)
                    y = _product(xp, a, kernels[t], t).reshape(ny, nx, -1, outputs)
                    residues.append((t, _both(xp, y, BITS[t], inverse=True)[:tile_y, :tile_x]))
                y = _garner(residues)
                y = y.transpose(2, 3, 0, 1) if xp is np else y.permute(2, 3, 0, 1)
                top, left = i * tile_y, j * tile_x
                target = out[n : n + chunk, :, top : top + tile_y, left : left + tile_x]
                target[...] = y[:, :, : target.shape[2], : target.shape[3]]
    return out
