"""Moves of the twin (`fermatnet.model.nn.moves`) as layers of the network file, and zeros around a map folded
into the window that reads it."""

from collections.abc import Sequence

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.gathered import PIECES, gathered
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import (
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


def moved(b: Builder, name: str, move: Move, source: str) -> str:
    """Layers that do to the tensor ``source`` what ``move`` does; returns the last one's name. InputError
    where the file has none."""
    if isinstance(move, Gather):
        return gathered(b, name, move.places, source)
    if isinstance(move, Insert):
        return b.append(Upsample(name, (source,), move.factor, "insert"))
    if isinstance(move, PixelShuffle):
        return b.append(DepthToSpace(name, (source,), move.block))
    if isinstance(move, PixelUnshuffle):
        return _unshuffled(b, name, move.block, source)
    raise InputError(f"layer {name!r}: the hardware has no {type(move).__name__}")


def _unshuffled(b: Builder, name: str, block: int, source: str) -> str:
    channels, height, width = b.types[source].shape
    corners = [(i, j) for i in range(block) for j in range(block)]
    if len(corners) > PIECES:
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
    if area > PIECES:
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
