"""The five layers of table 2.2 of the thesis, INT8 and INT16: the reference against a direct convolution on whole layers, and the
generated engine, one full tile with all channels, in simulation with random stalls."""

import time
from typing import Any

import numpy as np

from fermatnet.bench.fermat_stream import play
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.convolution import convolve2d
from fermatnet.model.fermat.plan import Plan, choose

__all__ = ["LAYERS", "direct", "layer", "reference", "tile"]

LAYERS = ((11, 32, 3, 96), (7, 32, 96, 256), (5, 16, 256, 384), (5, 16, 384, 384), (3, 16, 384, 384))
"""(k, n + k - 1, f, f'): kernel, transform length, input and output channels; "same" padding, so n x n images of one tile."""


def layer(index: int, bits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, int, tuple[int, int, int, int]]:
    """(image (1, f, n, n), weight (f', f, k, k), n, padding) of random full-range integers."""
    k, points, channels, outputs = LAYERS[index]
    n, before = points - k + 1, (k - 1) // 2
    rng = np.random.default_rng(seed + 100 * index + bits)
    top = 1 << (bits - 1)
    x, w = rng.integers(-top, top, (1, channels, n, n)), rng.integers(-top, top, (outputs, channels, k, k))
    return x, w, n, (before, before, k - 1 - before, k - 1 - before)


def direct(x: np.ndarray, w: np.ndarray, pad: tuple[int, int, int, int]) -> np.ndarray:
    """The convolution by its definition in int64, one output channel at a time over all windows."""
    padded = np.pad(x, ((0, 0), (0, 0), pad[::2], pad[1::2]))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
    rows = np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, w[0].size)
    y = np.stack([rows @ kernel.ravel() for kernel in w], axis=1)
    return y.reshape(x.shape[0], *windows.shape[2:4], len(w)).transpose(0, 3, 1, 2)


def plan_of(index: int, bits: int, w: np.ndarray, n: int, pad: tuple[int, int, int, int], free: bool, spectra: str = "auto") -> Plan:
    top = 1 << (bits - 1)
    return choose(w, -top, top - 1, pad=pad, height=n, width=n, length=0 if free else LAYERS[index][1], spectra=spectra)


def reference(index: int, bits: int) -> dict[str, Any]:
    """Whole layer: outputs that differ between the reference, at the thesis' length and at the chosen one, and the direct convolution."""
    x, w, n, pad = layer(index, bits)
    want = direct(x, w, pad)
    row: dict[str, Any] = {"layer": LAYERS[index], "bits": bits, "outputs": int(want.size)}
    for name, free in (("thesis length", False), ("chosen", True)):
        plan = plan_of(index, bits, w, n, pad, free)
        start = time.perf_counter()
        found = convolve2d(x, w, plan, pad=pad)
        row[name] = {"widths": plan.widths, "lengths": plan.lengths, "mismatches": int((found != want).sum()),
                     "seconds": round(time.perf_counter() - start, 2)}
    return row


def tile(index: int, bits: int, products: int, spectra: str = "stored") -> dict[str, Any]:
    """One full tile, all channels, through the generated engine: without and with random stalls.

    Stored spectra simulate several times faster than computed ones.
    """
    x, w, n, pad = layer(index, bits)
    plan = plan_of(index, bits, w, n, pad, False, spectra)
    top = 1 << (bits - 1)
    block = Convolver(w, -top, top - 1, n, n, pad=pad, plan=plan, products=products)
    want = direct(x, w, pad)
    start = time.perf_counter()
    beats, expected = x.transpose(0, 2, 3, 1).reshape(-1, 1), want.transpose(0, 2, 3, 1).reshape(-1, 1)
    plain, stalled = play(block, beats, expected, bits_in=block.shape.width, bits_out=block.bits, images=1, seeds=(0, 7))
    return {
        "layer": LAYERS[index], "bits": bits, "widths": plan.widths, "lengths": plan.lengths, "spectra": plan.spectra, "products": products,
        "beats": plain.beats, "mismatches": plain.mismatches + abs(plain.beats - len(expected)),
        "stalled mismatches": stalled.mismatches + abs(stalled.beats - len(expected)), "unstable beats": plain.unstable + stalled.unstable,
        "cycles an image": block.cycles, "latency": plain.latency, "stated latency": block.latency,
        "seconds": round(time.perf_counter() - start, 1),
    }
