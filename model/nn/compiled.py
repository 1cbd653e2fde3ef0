"""The kernels of :mod:`fermatnet.model.nn.kernels` compiled by numba: one pass over memory each, slices on as
many threads as torch uses.

The threads are our own, not numba's: its pools wait by spinning, which on a busy machine costs far more than
the kernels.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import njit

__all__ = [
    "cell_sums",
    "cells",
    "look_up",
    "mask",
    "quantize",
    "round_clip",
    "scale_by_cell",
    "weight_pieces",
]

CHUNK = 4096  # elements worked on at once: counts and floats stay in the first-level cache
SPLIT = 1 << 18  # below this many elements a second thread costs more than it saves


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernel")


def _slices(size: int) -> list[slice]:
    threads = max(1, min(torch.get_num_threads(), size // SPLIT))
    step = max(1, -(-size // threads))
    return [slice(start, min(size, start + step)) for start in range(0, max(1, size), step)]


def _spread(size: int, work: Callable[[slice], Any]) -> list[Any]:
    """``work`` on every slice; the kernels release the interpreter's lock."""
    parts = _slices(size)
    if len(parts) == 1:
        return [work(parts[0])]
    others = _pool(len(parts) - 1).map(work, parts[1:])
    return [work(parts[0]), *others]  # this thread is awake: it takes a slice itself


# Boundaries and tables are taken four at a time, in registers, over a chunk in the first-level cache;
# int32 cells beside float32 values have lanes of one width, so that whole vectors are compared.


def _fours(values: np.ndarray, filling: float) -> np.ndarray:
    """``values`` and as much of ``filling`` as makes their number a multiple of four."""
    filled = np.full(-(-values.size // 4) * 4, filling, values.dtype)
    filled[: values.size] = values
    return filled


@njit(cache=True, nogil=True)
def _count(x, boundaries, j, count):
    one, zero = np.int32(1), np.int32(0)
    b0, b1, b2, b3 = boundaries[j], boundaries[j + 1], boundaries[j + 2], boundaries[j + 3]
    for e in range(x.size):
        v = x[e]
        count[e] = (
            (count[e] if j else zero)
            + (one if v >= b0 else zero)
            + (one if v >= b1 else zero)
            + (one if v >= b2 else zero)
            + (one if v >= b3 else zero)
        )


@njit(cache=True, nogil=True)
def _levels(x, boundaries, table, j, out):
    b0, b1, b2, b3 = boundaries[j], boundaries[j + 1], boundaries[j + 2], boundaries[j + 3]
    low, t0, t1, t2, t3 = table[0], table[j + 1], table[j + 2], table[j + 3], table[j + 4]
    for e in range(x.size):
        v = x[e]
        level = out[e] if j else low
        level = t0 if v >= b0 else level
        level = t1 if v >= b1 else level
        level = t2 if v >= b2 else level
        out[e] = t3 if v >= b3 else level


@njit(cache=True, nogil=True)
def _cells(x, boundaries, cell):
    count = np.zeros(CHUNK, np.int32)
    for start in range(0, x.size, CHUNK):
        size = min(CHUNK, x.size - start)
        for j in range(0, boundaries.size, 4):
            _count(x[start : start + size], boundaries, j, count)
        cells = cell[start : start + size]
        for e in range(size):
            cells[e] = count[e]


@njit(cache=True, nogil=True)
def _quantize(x, boundaries, table, cell, out):
    count = np.zeros(CHUNK, np.int32)
    for start in range(0, x.size, CHUNK):
        size = min(CHUNK, x.size - start)
        xs, cells, outs = (
            x[start : start + size],
            cell[start : start + size],
            out[start : start + size],
        )
        for j in range(0, boundaries.size, 4):
            _count(xs, boundaries, j, count)
            _levels(xs, boundaries, table, j, outs)
        for e in range(size):
            cells[e] = count[e]


@njit(cache=True, nogil=True)
def _scale(g, cell, table, out):
    for e in range(g.size):
        out[e] = g[e] * table[cell[e]]


# reassoc: sums by vectors, in another order
@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _scale_four(g, cell, table, j, out, sums):
    zero, s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    c0, c1, c2, c3 = np.int32(j), np.int32(j + 1), np.int32(j + 2), np.int32(j + 3)
    t0, t1, t2, t3 = table[j], table[j + 1], table[j + 2], table[j + 3]
    for e in range(g.size):
        v, c = g[e], cell[e]
        s0 += v if c == c0 else zero
        s1 += v if c == c1 else zero
        s2 += v if c == c2 else zero
        s3 += v if c == c3 else zero
        scaled = out[e] if j else zero
        scaled = v * t0 if c == c0 else scaled
        scaled = v * t1 if c == c1 else scaled
        scaled = v * t2 if c == c2 else scaled
        out[e] = v * t3 if c == c3 else scaled
    sums[j] += s0
    sums[j + 1] += s1
    sums[j + 2] += s2
    sums[j + 3] += s3


@njit(cache=True, nogil=True)
def _scale_and_sum(g, cell, table, out):
    sums, wide = np.zeros(table.size, np.float64), np.empty(CHUNK, np.int32)
    for start in range(0, g.size, CHUNK):
        size = min(CHUNK, g.size - start)
        cells = cell[start : start + size]
        for e in range(size):
            wide[e] = cells[e]
        for j in range(0, table.size, 4):
            _scale_four(g[start : start + size], wide, table, j, out[start : start + size], sums)
    return sums


@njit(cache=True, nogil=True)
def _round_clip(x, inverse, step, lo, hi, out, inside):
    for e in range(x.size):
        r = x[e] * inverse
        q = np.floor(r + np.float32(0.5))
        inside[e] = (r >= lo) & (r <= hi)
        out[e] = min(max(q, lo), hi) * step


@njit(cache=True, nogil=True)
def _mask(g, inside, out):
    for e in range(g.size):
        out[e] = g[e] if inside[e] else np.float32(0)


@njit(cache=True, nogil=True)
def _cell_sums(g, cell, count):
    total = np.zeros((2, 2, count), np.float64)
    for e in range(0, g.size - 1, 2):
        a, b = cell[e], cell[e + 1]
        total[0, 0, a] += g[e]
        total[1, 0, b] += g[e + 1]
        total[0, 1, a] += 1.0
        total[1, 1, b] += 1.0
    if g.size % 2:
        total[0, 0, cell[g.size - 1]] += g[g.size - 1]
        total[0, 1, cell[g.size - 1]] += 1.0
    return total[:, 0].sum(0), total[:, 1].sum(0)


@njit(cache=True, nogil=True)
def _look_up(cell, table, out):
    for e in range(cell.size):
        out[e] = table[cell[e]]


@njit(cache=True, nogil=True)
def _weight_pieces(w, k, cell):
    total = 0.0
    for e in range(w.size):
        total += w[e]
    mean = total / w.size
    square = 0.0
    for e in range(w.size):
        square += (w[e] - mean) * (w[e] - mean)
    std = np.sqrt(square / w.size)
    m = k.size
    u = np.empty(m, np.float32)
    merged = np.empty(2 * m - 1, np.float32)
    for i in range(m):
        u[i] = mean + k[i] * std
        merged[2 * i] = u[i]
        if i:
            merged[2 * i - 1] = (u[i - 1] + u[i]) / np.float32(2)
    fours = np.full((2 * m + 2) // 4 * 4, np.nan, np.float32)
    fours[: 2 * m - 1] = merged
    _cells(w, fours, cell)
    sums, counts = _cell_sums(w, cell, 2 * m)
    levels = np.zeros(m + 1, np.float32)
    for i in range(m + 1):
        # cells 2i-1 and 2i make piece i
        number, value = counts[2 * i] if i < m else 0.0, sums[2 * i] if i < m else 0.0
        if i:
            number, value = number + counts[2 * i - 1], value + sums[2 * i - 1]
        level = (
            value / number
            if number > 0
            else np.float64(u[i] if i < m // 2 else u[i - 1] if i > m // 2 else 0.0)
        )
        levels[i] = min(level, -1e-30) if i < m // 2 else max(level, 1e-30) if i > m // 2 else 0.0
    return levels, u


def look_up(cell: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """Write table[cell]."""
    _spread(cell.size, lambda s: _look_up(cell[s], table, out[s]))


def weight_pieces(w: np.ndarray, k: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the cells of the weights; (levels (M+1,), end-points (M,)) float32 (3.6, 3.7, 3.9)."""
    return _weight_pieces(w, k, cell)


def cells(x: np.ndarray, boundaries: np.ndarray, cell: np.ndarray) -> None:
    """Write the number of boundaries <= x[e] to cell[e]."""
    four = _fours(boundaries, np.nan)  # which nothing reaches
    _spread(x.size, lambda s: _cells(x[s], four, cell[s]))


def quantize(
    x: np.ndarray, boundaries: np.ndarray, table: np.ndarray, cell: np.ndarray, out: np.ndarray
) -> None:
    """Write cells, and table[cell] to ``out``."""
    four = _fours(boundaries, np.nan)
    levels = np.append(table[:1], _fours(table[1:], 0))
    _spread(x.size, lambda s: _quantize(x[s], four, levels, cell[s], out[s]))


def scale_by_cell(
    g: np.ndarray, cell: np.ndarray, table: np.ndarray, out: np.ndarray, sums: bool
) -> np.ndarray | None:
    """Write g * table[cell] to ``out``; the sums of g by cell where asked for."""
    if sums:
        four = _fours(table, 0)
        parts = _spread(g.size, lambda s: _scale_and_sum(g[s], cell[s], four, out[s]))
        return np.sum(parts, axis=0)[: table.size]
    _spread(g.size, lambda s: _scale(g[s], cell[s], table, out[s]))
    return None


def round_clip(x: np.ndarray, step: float, lo: int, hi: int, out: np.ndarray, inside: np.ndarray) -> None:
    """Write clip(floor(x/step + 1/2), lo, hi) * step and whether x/step lies within; step a power of two."""
    inverse, unit, low, high = np.float32(1 / step), np.float32(step), np.float32(lo), np.float32(hi)
    _spread(x.size, lambda s: _round_clip(x[s], inverse, unit, low, high, out[s], inside[s]))


def mask(g: np.ndarray, inside: np.ndarray, out: np.ndarray) -> None:
    """Write g where inside, else 0."""
    _spread(g.size, lambda s: _mask(g[s], inside[s], out[s]))


def cell_sums(g: np.ndarray, cell: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of g and number of elements by cell."""
    return _cell_sums(g, cell, count)
