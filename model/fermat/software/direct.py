"""The direct loops, compiled beside the transforms: what a convolution runs that is too small for those."""

import numpy as np

from fermatnet.model.fermat.software.build import library
from fermatnet.model.fermat.software.weights import address

__all__ = ["direct", "loop_bits"]


def direct(
    x: np.ndarray,
    w: np.ndarray,
    padding: tuple[int, int] = (0, 0),
    threads: int = 1,
    bits: int = 64,
    groups: int = 1,
) -> np.ndarray:
    """The direct loops, compiled the same way: x (n, C, H, W), w (O, C / groups, kh, kw) -> (n, O, OH, OW) in
    int64 or int32; the caller knows that every sum fits."""
    kind = np.int64 if bits == 64 else np.int32
    n, channels, height, width = x.shape
    outputs, _, kh, kw = w.shape
    oh, ow = height + 2 * padding[0] - kh + 1, width + 2 * padding[1] - kw + 1
    span = -(-ow // 16) * 16 + kw - 1  # rows end in zeros that the last vector may read
    padded = np.zeros((n, channels, height + 2 * padding[0], max(span, width + 2 * padding[1])), kind)
    padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = x
    taps = np.ascontiguousarray(w, kind)
    out = np.empty((n, outputs, oh, ow), kind)
    loops = getattr(library(), f"direct_planes{bits}")
    loops(
        address(padded),
        address(taps),
        address(out),
        n,
        groups,
        channels // groups,
        *padded.shape[2:],
        outputs,
        kh,
        kw,
        ow,
        threads,
    )
    return out


def loop_bits(x_range: tuple[int, int], reach: int, w: np.ndarray) -> int:
    """32 where the input, the kernels and every sum (up to `reach`, which bounds the partial ones too) fit 32
    bits, else 64."""
    inside = max(-x_range[0], x_range[1], int(w.max()), -int(w.min()), reach)
    return 32 if inside <= 0x7FFFFFFF else 64
