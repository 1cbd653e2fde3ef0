"""Layers that move values, as tables: where each pixel and each channel of the result comes from."""

import numpy as np

from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import Concat, DepthToSpace, Node, Pad, SelectChannels, Slice, Upsample

__all__ = ["moves_of"]

Axis = tuple[np.ndarray, np.ndarray]  # for each place of an axis: the input (-1: none), and the place in it


def moves_of(net: Network, node: Node) -> tuple[np.ndarray, np.ndarray, int]:
    """int64 (H * W, 4): number of the input (-1: none), row, column, and what is added to the channel; int64
    (C,): the channel that each channel comes from; the value of pixels that come from nowhere."""
    channels, height, width = net.types[node.name].shape
    rows, columns = _axis(net, node, 0, height), _axis(net, node, 1, width)
    moves = np.zeros((height, width, 4), np.int64)
    first, second = np.broadcast_arrays(rows[0][:, None], columns[0][None])
    # one of both axes says which input it is, the other says 0; either may say that there is none
    moves[..., 0] = np.where((first < 0) | (second < 0), -1, first + second)
    moves[..., 1], moves[..., 2] = rows[1][:, None], columns[1][None]
    order = np.arange(channels, dtype=np.int64)
    if isinstance(node, SelectChannels):
        order = node.order.astype(np.int64)
    if isinstance(node, DepthToSpace):
        y, x = np.indices((height, width)) % node.block
        moves[..., 3], order = y * node.block + x, order * node.block**2
    value = node.value if isinstance(node, Pad | Upsample) else 0
    return moves.reshape(-1, 4), order, value


def _axis(net: Network, node: Node, axis: int, size: int) -> Axis:
    """Rows (axis 0) or columns (1) of a result of that size."""
    place = np.arange(size)
    none = np.zeros(size, np.int64)
    if isinstance(node, Pad):
        extent = net.types[node.inputs[0]].shape[1 + axis]
        moved = place - node.pad[axis]
        return np.where((moved < 0) | (moved >= extent), -1, 0), moved
    if isinstance(node, Slice):
        return none, node.start[axis] + place * node.step[axis]
    if isinstance(node, Upsample):
        between = place % node.factor[axis] != 0
        return np.where(between & (node.mode == "insert"), -1, 0), place // node.factor[axis]
    if isinstance(node, DepthToSpace):
        return none, place // node.block
    if isinstance(node, Concat) and node.axis == axis + 2:
        sizes = [net.types[name].shape[1 + axis] for name in node.inputs]
        return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(n) for n in sizes])
    return none, place
