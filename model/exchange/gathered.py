"""Any order of channels, rows and columns, values of a border among them, as layers of the network file."""

from collections.abc import Sequence

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Affine, Concat, Pad, SelectChannels, Slice, Upsample

__all__ = ["PIECES", "gathered"]

PIECES = 64
"""Parts that a map is cut into and joined again, at most."""
_WORD = (1 << 31) - 1


def gathered(
    b: Builder, name: str, places: Sequence[Sequence[int] | None], source: str, value: int = 0
) -> str:
    """Layers that put together the tensor ``source`` in the order of its channels, rows and columns
    (``places``; None: as they are), with ``value`` where a place is -1; the last one's name. InputError for
    orders that would need too many pieces."""
    order, rows, columns = places
    if order is not None:
        source = _selected(b, name, np.array(order, np.int64), source, value)
    _, height, width = b.types[source].shape
    vertical, horizontal = _Axis(rows, height), _Axis(columns, width)
    if vertical.factor * horizontal.factor > 1:
        cut = [one.reduced for one in (vertical, horizontal)]
        source = _cut(b, name, cut, source)
        source = b.append(Upsample(name, (source,), (vertical.factor, horizontal.factor)))
    else:
        source = _cut(b, name, [vertical.reduced, horizontal.reduced], source)
    pad = (vertical.before, horizontal.before, vertical.after, horizontal.after)
    return b.append(Pad(name, (source,), pad, value)) if any(pad) else source


class _Axis:
    """Places of one direction: ``before`` and ``after`` zeros around ``reduced`` places, each ``factor``
    times; ``reduced`` is None where all stay."""

    def __init__(self, places: Sequence[int] | None, extent: int):
        self.before = self.after = 0
        self.factor = 1
        self.reduced: list[int] | None = None
        if places is None:
            return
        inner = list(places)
        while inner and inner[0] < 0:
            self.before, inner = self.before + 1, inner[1:]
        while inner and inner[-1] < 0:
            self.after, inner = self.after + 1, inner[:-1]
        if not inner or -1 in inner:
            raise InputError("zeros between rows or columns: use nn.ConvTranspose2d, or zeros around the map")
        for factor in range(len(inner), 1, -1):
            groups = [inner[i : i + factor] for i in range(0, len(inner), factor)]
            if len(inner) % factor == 0 and all(len(set(group)) == 1 for group in groups):
                self.factor, inner = factor, [group[0] for group in groups]
                break
        self.reduced = None if inner == list(range(extent)) else inner


def _runs(places: list[int]) -> list[tuple[int, int, int]]:
    """Slices (start, stop, step), steps positive, that give the places one after the other."""
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(places):
        step = places[at + 1] - places[at] if at + 1 < len(places) else 1
        end = at + 1
        while end < len(places) and step > 0 and places[end] - places[end - 1] == step:
            end += 1
        found.append((places[at], places[end - 1] + 1, max(step, 1)))
        at = end
    return found


def _cut(b: Builder, name: str, cut: list[list[int] | None], source: str) -> str:
    """Rows and columns of these places (None: all)."""
    _, height, width = b.types[source].shape
    runs = [
        [(0, side, 1)] if one is None else _runs(one) for one, side in zip(cut, (height, width), strict=True)
    ]
    if len(runs[0]) * len(runs[1]) > PIECES:
        raise InputError(
            f"layer {name!r}: its order of rows and columns would be put together from "
            f"{len(runs[0]) * len(runs[1])} pieces, more than {PIECES}: keep the order of the pixels"
        )
    bands = []
    for row in runs[0]:
        parts = [_part(b, name, row, column, source) for column in runs[1]]
        bands.append(parts[0] if len(parts) == 1 else b.append(Concat(name, tuple(parts), 3)))
    return bands[0] if len(bands) == 1 else b.append(Concat(name, tuple(bands), 2))


def _part(b: Builder, name: str, row: tuple[int, ...], column: tuple[int, ...], source: str) -> str:
    _, height, width = b.types[source].shape
    if row == (0, height, 1) and column == (0, width, 1):
        return source
    (top, bottom, down), (left, right, across) = row, column
    return b.append(Slice(name, (source,), (top, left), (bottom, right), (down, across)))


def _selected(b: Builder, name: str, order: np.ndarray, source: str, value: int) -> str:
    """Channels in that order, ``value`` for -1."""
    source = b.append(SelectChannels(name, (source,), np.maximum(order, 0)))
    if order.min() >= 0:
        return source
    kept = (order >= 0).astype(np.int64)
    return b.append(Affine(name, (source,), kept, (1 - kept) * value, 0, -_WORD, _WORD))
