"""The kernels of :mod:`fermatnet.model.nn.kernels` compiled by numba: one pass over memory each, threads as torch uses them."""

import numba
import numpy as np
import torch
from numba import njit, prange

__all__ = ["cell_sums", "cells", "quantize", "scale_by_cell"]

CHUNK = 4096      # elements a thread works on at once: codes and floats stay in the first-level cache
SMALL = 1 << 16   # below this many elements starting threads costs more than it saves


def _threads(size: int) -> int:
    count = 1 if size < SMALL else min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    numba.set_num_threads(count)
    return count


@njit(cache=True, nogil=True)
def _count(x, boundaries, count):
    # int32 counts beside float32 values: equal lane widths, so that the compiler compares whole vectors.
    one, zero = np.int32(1), np.int32(0)
    for e in range(x.size):
        count[e] = 0
    j = 0
    while j + 3 < boundaries.size:
        b0, b1, b2, b3 = boundaries[j], boundaries[j + 1], boundaries[j + 2], boundaries[j + 3]
        for e in range(x.size):
            v = x[e]
            count[e] += (one if v >= b0 else zero) + (one if v >= b1 else zero) + (one if v >= b2 else zero) + (one if v >= b3 else zero)
        j += 4
    while j < boundaries.size:
        b = boundaries[j]
        for e in range(x.size):
            count[e] += one if x[e] >= b else zero
        j += 1


@njit(cache=True, nogil=True, parallel=True)
def _cells(x, boundaries, cell):
    for chunk in prange((x.size + CHUNK - 1) // CHUNK):
        start = chunk * CHUNK
        stop = min(x.size, start + CHUNK)
        count = np.empty(stop - start, np.int32)
        _count(x[start:stop], boundaries, count)
        for e in range(stop - start):
            cell[start + e] = count[e]


@njit(cache=True, nogil=True, parallel=True)
def _quantize(x, boundaries, table, cell, out):
    for chunk in prange((x.size + CHUNK - 1) // CHUNK):
        start = chunk * CHUNK
        stop = min(x.size, start + CHUNK)
        count = np.empty(stop - start, np.int32)
        _count(x[start:stop], boundaries, count)
        for e in range(stop - start):
            cell[start + e] = count[e]
        for e in range(stop - start):
            out[start + e] = table[count[e]]


@njit(cache=True, nogil=True, parallel=True)
def _scale(g, cell, table, out):
    for chunk in prange((g.size + CHUNK - 1) // CHUNK):
        start = chunk * CHUNK
        for e in range(start, min(g.size, start + CHUNK)):
            out[e] = g[e] * table[cell[e]]


@njit(cache=True, nogil=True, parallel=True)
def _scale_and_sum(g, cell, table, out, threads):
    # Two interleaved sets of sums: neighbouring elements often share a cell, and one set would wait for its own last store.
    parts = np.zeros((threads, 2, max(64, table.size)), np.float64)
    size = (g.size + threads - 1) // threads
    for t in prange(threads):
        start = t * size
        stop = min(g.size, start + size)
        for e in range(start, stop - 1, 2):
            a, b = cell[e], cell[e + 1]
            out[e] = g[e] * table[a]
            out[e + 1] = g[e + 1] * table[b]
            parts[t, 0, a] += g[e]
            parts[t, 1, b] += g[e + 1]
        if stop > start and (stop - start) % 2:
            a = cell[stop - 1]
            out[stop - 1] = g[stop - 1] * table[a]
            parts[t, 0, a] += g[stop - 1]
    total = np.zeros(table.size, np.float64)
    for t in range(threads):
        for j in range(table.size):
            total[j] += parts[t, 0, j] + parts[t, 1, j]
    return total


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
    return total[0, 0] + total[1, 0], total[0, 1] + total[1, 1]


def cells(x: np.ndarray, boundaries: np.ndarray, cell: np.ndarray) -> None:
    """Write the number of boundaries <= x[e] to cell[e]."""
    _threads(x.size)
    _cells(x, boundaries, cell)


def quantize(x: np.ndarray, boundaries: np.ndarray, table: np.ndarray, cell: np.ndarray, out: np.ndarray) -> None:
    """Write cells, and table[cell] to ``out``."""
    _threads(x.size)
    _quantize(x, boundaries, table, cell, out)


def scale_by_cell(g: np.ndarray, cell: np.ndarray, table: np.ndarray, out: np.ndarray, sums: bool) -> np.ndarray | None:
    """Write g * table[cell] to ``out``; the sums of g by cell where asked for."""
    threads = _threads(g.size)
    if sums:
        return _scale_and_sum(g, cell, table, out, threads)
    _scale(g, cell, table, out)
    return None


def cell_sums(g: np.ndarray, cell: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of g and number of elements by cell."""
    return _cell_sums(g, cell, count)
