"""Moves of the twin (`fermatnet.model.nn.moves`) as layers of the network file, and zeros around a map folded
into the window that reads it."""

from collections.abc import Sequence

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import (
    Affine,
    Concat,
    Conv,
    DepthToSpace,
    Node,
    Pad,
    PiecewiseConv,
    SelectChannels,
    Slice,
    SumPool,
    Upsample,
)
from fermatnet.model.nn.moves import Gather, Insert, Move, PixelShuffle, PixelUnshuffle

__all__ = ["as_vector", "folded_pads", "moved"]

_PIECES = 64  # parts that a map is cut into and joined again
_WORD = (1 << 31) - 1


def moved(b: Builder, name: str, move: Move, source: str) -> str:
    """Layers that do to the tensor ``source`` what ``move`` does; returns the last one's name. InputError
    where the file has none."""
    if isinstance(move, Gather):
        return _gathered(b, name, move, source)
    if isinstance(move, Insert):
        return b.append(Upsample(name, (source,), move.factor, "insert"))
    if isinstance(move, PixelShuffle):
        return b.append(DepthToSpace(name, (source,), move.block))
    if isinstance(move, PixelUnshuffle):
        return _unshuffled(b, name, move.block, source)
    raise InputError(f"layer {name!r}: the hardware has no {type(move).__name__}")


def _gathered(b: Builder, name: str, move: Gather, source: str) -> str:
    order, rows, columns = move.places
    if order is not None:
        source = _selected(b, name, np.array(order, np.int64), source)
    _, height, width = b.types[source].shape
    vertical, horizontal = _Axis(rows, height), _Axis(columns, width)
    if vertical.factor * horizontal.factor > 1:
        cut = [one.reduced for one in (vertical, horizontal)]
        source = _cut(b, name, cut, source)
        source = b.append(Upsample(name, (source,), (vertical.factor, horizontal.factor)))
    else:
        source = _cut(b, name, [vertical.reduced, horizontal.reduced], source)
    pad = (vertical.before, horizontal.before, vertical.after, horizontal.after)
    return b.append(Pad(name, (source,), pad)) if any(pad) else source


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
    if len(runs[0]) * len(runs[1]) > _PIECES:
        raise InputError(
            f"layer {name!r}: its order of rows and columns would be put together from "
            f"{len(runs[0]) * len(runs[1])} pieces, more than {_PIECES}: keep the order of the pixels"
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


def _selected(b: Builder, name: str, order: np.ndarray, source: str) -> str:
    """Channels in that order, zeros for -1."""
    source = b.append(SelectChannels(name, (source,), np.maximum(order, 0)))
    if order.min() >= 0:
        return source
    kept = (order >= 0).astype(np.int64)
    return b.append(Affine(name, (source,), kept, 0 * kept, 0, -_WORD, _WORD))


def _unshuffled(b: Builder, name: str, block: int, source: str) -> str:
    channels, height, width = b.types[source].shape
    corners = [(i, j) for i in range(block) for j in range(block)]
    if len(corners) > _PIECES:
        raise InputError(f"layer {name!r}: blocks of {block}x{block} are too large: unshuffle in two steps")
    step, end = (block, block), (height, width)
    parts = [b.append(Slice(name, (source,), corner, end, step)) for corner in corners]
    joined = b.append(Concat(name, tuple(parts)))
    order = np.arange(len(parts) * channels).reshape(len(parts), channels).T.flatten()
    return b.append(SelectChannels(name, (joined,), order))


def as_vector(b: Builder, name: str, source: str) -> str:
    """The map ``source`` (C, H, W) as a vector (C*H*W, 1, 1), in torch's order."""
    channels, height, width = b.types[source].shape
    area = height * width
    if area == 1:
        return source
    if area > _PIECES:
        raise InputError(
            f"layer {name!r}: a flattened map of {height}x{width} pixels goes into a dense layer only; pool "
            "it first, or join maps before they are flattened"
        )
    places = [(i, j) for i in range(height) for j in range(width)]
    parts = [b.append(Slice(f"{name}_pixel", (source,), (i, j), (i + 1, j + 1))) for i, j in places]
    joined = b.append(Concat(f"{name}_pixels", tuple(parts)))
    order = np.arange(area * channels).reshape(area, channels).T.flatten()
    return b.append(SelectChannels(f"{name}_vector", (joined,), order))


def folded_pads(nodes: list[Node], outputs: Sequence[str]) -> list[Node]:
    """The same network with zeros around a map as the padding of the convolutions and sums that read it."""
    pads = {node.name: node for node in nodes if isinstance(node, Pad) and node.value == 0}
    for node in nodes:
        pad = pads.get(node.inputs[0])
        if pad is None or not isinstance(node, Conv | PiecewiseConv | SumPool):
            continue
        if getattr(node, "pad_value", 0) or (isinstance(node, SumPool) and tuple(node.kernel) == (0, 0)):
            continue
        if isinstance(node, SumPool):
            node.stride = node.stride or node.kernel
        node.pad = tuple(a + c for a, c in zip(node.pad, pad.pad, strict=True))  # type: ignore[assignment]
        node.inputs = pad.inputs
    read = {name for node in nodes for name in node.inputs} | set(outputs)
    return [node for node in nodes if node.name not in pads or node.name in read]
