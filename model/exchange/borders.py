"""Averages that count less at the border: each group of windows that reach over it alike is divided by a
number of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Concat, Slice, SumPool

__all__ = ["Bands", "banded", "bands", "beyond"]


@dataclass(frozen=True)
class Bands:
    """Runs of windows along one axis that meet equally many pixels: (first, after the last, pixels)."""

    runs: tuple[tuple[int, int, int], ...]

    @property
    def even(self) -> bool:
        """Whether all windows meet equally many."""
        return len(self.runs) == 1


def bands(size: int, kernel: int, stride: int, before: int, after: int) -> Bands:
    """Of an axis of ``size`` pixels padded by ``before`` and ``after``. InputError where a window meets
    none."""
    count = (size + before + after - kernel) // stride + 1
    starts = [place * stride - before for place in range(count)]
    met = [min(start + kernel, size) - max(start, 0) for start in starts]
    if min(met, default=0) < 1:
        raise InputError("a window of an average does not lie on the map: make it smaller, or its padding")
    runs, place = [], 0
    for pixels, group in groupby(met):
        length = len(list(group))
        runs.append((place, place + length, pixels))
        place += length
    return Bands(tuple(runs))


def beyond(side: int, kernel: int, stride: int, padding: int) -> int:
    """Pixels that the last window of a pool with ceil_mode reaches beyond its padded map: it begins inside
    the map or the padding before it."""
    left = side + 2 * padding - kernel
    count = -(-left // stride) + 1
    if (count - 1) * stride >= side + padding:
        count -= 1
    return max(0, (count - 1) * stride - left)


def banded(
    b: Builder,
    pool: SumPool,
    requantize: Callable[[str, str, int], str],
    count: int | None = None,
) -> str:
    """``pool`` (padded, its padding worth nothing) and the mean of the pixels that each window meets; the
    tensor's name.

    ``requantize(name, sums, count)`` appends the layer that divides sums by ``count`` pixels. ``count``: by
    which all are divided, padding or not. A map whose
    windows are not alike is cut into pieces that are, which are put together again: rows of pieces first,
    then the rows.
    """
    _, height, width = b.types[pool.inputs[0]].shape
    kernel, stride = pool.kernel, pool.stride or pool.kernel
    top, left, bottom, right = pool.pad
    rows = bands(height, kernel[0], stride[0], top, bottom)
    columns = bands(width, kernel[1], stride[1], left, right)
    sums = b.append(pool)
    if count is not None:
        return requantize(f"{sums}_mean", sums, count)
    if rows.even and columns.even:
        return requantize(f"{sums}_mean", sums, rows.runs[0][2] * columns.runs[0][2])
    lines = []
    for i, (upper, lower, high) in enumerate(rows.runs):
        line = []
        for j, (first, last, wide) in enumerate(columns.runs):
            piece = b.append(Slice(f"{sums}_piece{i}_{j}", (sums,), (upper, first), (lower, last)))
            line.append(requantize(f"{sums}_mean{i}_{j}", piece, high * wide))
        joined = Concat(f"{sums}_row{i}", tuple(line), 3)
        lines.append(b.append(joined) if len(line) > 1 else line[0])
    return b.append(Concat(f"{sums}_mean", tuple(lines), 2)) if len(lines) > 1 else lines[0]
