"""The direct multiply-accumulate engine, which the Fermat engine is compared with: its parts and memories."""

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from amaranth.hdl import signed

from fermatnet.bench.fermat.parts import Bare, Part
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.layers.windowed import WindowedArray
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.hw.stream.window_plan import ring_rows

__all__ = ["Direct", "direct_engine", "direct_memories", "direct_parts", "whole_direct"]


@dataclass(frozen=True)
class Direct:
    """A direct engine: window and array, ``pe`` outputs by ``simd`` channels a cycle."""

    pe: int
    simd: int
    cycles: int

    @property
    def products(self) -> int:
        """Products a cycle."""
        return self.pe * self.simd


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def direct_engine(outputs: int, channels: int, k: int, out: int, cycles: int) -> Direct:
    """The smallest array that is no more than two per cent slower than ``cycles`` an image; or the fastest
    there is."""
    options = [
        Direct(pe, simd, out * out * (outputs // pe) * (channels // simd) * k * k)
        for pe, simd in product(_divisors(outputs), _divisors(channels))
    ]
    fast = [d for d in options if d.cycles <= 1.02 * cycles]
    return (
        min(fast, key=lambda d: (d.products, abs(d.simd - 16), d.cycles))
        if fast
        else min(options, key=lambda d: d.cycles)
    )


def _window(w: np.ndarray, bits: int, size: int, d: Direct) -> SlidingWindow:
    outputs, channels, k, _ = w.shape
    return SlidingWindow(
        signed(bits),
        channels,
        size,
        size,
        kernel=(k, k),
        pad=(k // 2,) * 4,
        lanes=d.simd,
        repeats=outputs // d.pe,
    )


def _array(w: np.ndarray, bits: int, d: Direct) -> IntegerArray:
    matrix = w.transpose(0, 2, 3, 1).reshape(len(w), -1)
    return IntegerArray(matrix, np.zeros(0, np.int64), signed(bits), pe=d.pe, simd=d.simd)


def _bare_array(w: np.ndarray, bits: int, d: Direct) -> Bare:
    array = _array(w, bits, d)
    return Bare(array, array.weight_width)


def direct_parts(d: Direct, w: np.ndarray, bits: int, size: int) -> list[Part]:
    """Window and array of a layer with the weights ``w`` (or with fewer channels, for one with more)."""
    k, channels = w.shape[2], w.shape[1]
    return [
        (
            1,
            f"window {bits} bits, k {k}, image {size}, {channels} channels by {d.simd}",
            partial(_window, w, bits, size, d),
        ),
        (
            1,
            f"array {bits} bits, {d.pe}x{d.simd}, k {k}, {channels} channels",
            partial(_bare_array, w, bits, d),
        ),
    ]


def direct_memories(d: Direct, w: np.ndarray, bits: int, size: int) -> list[tuple[int, int]]:
    """Ring of rows and weights."""
    channels, k = w.shape[1], w.shape[2]
    rows = ring_rows(size, (k, k), (1, 1), (k // 2,) * 4, (1, 1), size)
    return [(bits * d.simd, rows * size * channels // d.simd), (bits * d.products, w.size // d.products)]


def whole_direct(w: np.ndarray, bits: int, size: int, d: Direct) -> WindowedArray:
    """A complete direct engine with its memories."""
    return WindowedArray(_window(w, bits, size, d), _array(w, bits, d))
