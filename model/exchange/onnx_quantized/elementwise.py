"""Functions of one byte, of one byte a channel, or of two: tabulated by onnxruntime, then the cheapest layers
that equal the table."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.emit import requantized
from fermatnet.model.exchange.onnx_quantized import ask
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.pairs import any_pair, joined_sum
from fermatnet.model.exchange.requantize import rebuild, staircases
from fermatnet.model.network.nodes import Affine, Concat, Lookup, Multiply, Upsample

__all__ = ["concatenated", "pair", "tabulated", "unary"]

Nodes = Sequence[onnx.NodeProto]


def _bytes(dtype: str) -> np.ndarray:
    ends = np.iinfo(dtype)
    return np.arange(ends.min, ends.max + 1).astype(dtype)


def tabulated(g: Graph, x: Tensor, nodes: Nodes, leaf: str, wanted: str) -> np.ndarray:
    """int64 (C, T): what the elementwise ``nodes`` make of every value that x can have, a channel; C is 1
    where all channels do the same."""
    kind = g.type(x)
    values = np.arange(kind.lo, kind.hi + 1).astype(x.quantization.dtype)
    shape = (len(values), x.dims[0], *[1] * (len(x.dims) - 1))
    given = np.broadcast_to(values.reshape(-1, *[1] * (len(shape) - 1)), shape)
    made = ask.answer(
        nodes, g.values, g.source.model.opset_import, {leaf: np.ascontiguousarray(given)}, wanted
    )
    if made.shape != shape:
        raise InputError(
            f"{label(nodes[-1])}: a constant of the image's own shape is not read, one a channel is"
        )
    table = made.reshape(len(values), x.dims[0]).T
    return table[:1] if (table == table[:1]).all() else table


def unary(g: Graph, x: Tensor, nodes: Nodes, leaf: str, wanted: str, out: Quantization) -> Tensor:
    """An elementwise group of one tensor: no layer where it changes nothing, a multiplication where one
    does, else a table."""
    table = tabulated(g, x, nodes, leaf, wanted)
    kind, name = g.type(x), g.fresh()
    channels = kind.shape[0]
    if len(table) > 1:
        if channels != len(table):
            raise InputError(f"{label(nodes[-1])}: constants a channel after flattening are not read")
        steps = np.diff(table, axis=1)
        if not ((steps >= 0).all(axis=1) | (steps <= 0).all(axis=1)).all():
            return replace(x, name=_any_by_channel(g, x, name, table), quantization=out)
        return replace(x, name=_by_channel(g, x, name, table, out), quantization=out)
    row = table[0]
    if np.array_equal(row, np.arange(kind.lo, kind.hi + 1)):
        return replace(x, quantization=out)
    if (np.diff(row) >= 0).all():
        stairs = staircases(lambda k: row[k - kind.lo], np.array([kind.lo]), np.array([kind.hi]))
        found = rebuild(stairs, out.clip)
        if found.exact:
            multiplier, offset = (np.repeat(part, channels) for part in (found.multiplier, found.offset))
            layer = Affine(name, (x.name,), multiplier, offset, found.shift, *out.clip)
            return replace(x, name=g.builder.append(layer), quantization=out)
    return replace(x, name=g.builder.append(Lookup(name, (x.name,), row, kind.lo)), quantization=out)


def _by_channel(g: Graph, x: Tensor, name: str, table: np.ndarray, out: Quantization) -> str:
    """A rising or falling function a channel; falling ones of the value turned over."""
    kind = g.type(x)
    falls = table[:, 0] > table[:, -1]
    sign, source, low, high = np.where(falls, -1, 1), x.name, kind.lo, kind.hi
    if falls.any():
        none = np.zeros(len(sign), np.int64)
        ends = sorted((kind.lo, kind.hi, -kind.lo, -kind.hi))
        source = g.builder.append(Affine(f"{name}_turned", (source,), sign, none, 0, ends[0], ends[-1]))
    rows = np.arange(len(table))[:, None]
    least, most = np.where(falls, -high, low), np.where(falls, -low, high)

    def function(values: np.ndarray) -> np.ndarray:
        return table[rows, np.clip(values * sign[:, None], low, high) - low] - out.zero

    none = np.zeros(len(table), np.int64)
    return requantized(g.builder, name, source, function, (least, most), none, out.zero, out.clip)


def _any_by_channel(g: Graph, x: Tensor, name: str, table: np.ndarray) -> str:
    """Any function a channel: one table for all, a channel's part after the other."""
    kind, (channels, width) = g.type(x), table.shape
    if table.size > 1 << 16:
        raise InputError(
            f"layer {name!r}: {channels} functions that neither rise nor fall are too large a table"
        )
    ones, bound = np.ones(channels, np.int64), (1 << 31) - 1
    layer = Affine(f"{name}_place", (x.name,), ones, np.arange(channels) * width, 0, -bound - 1, bound)
    return g.builder.append(Lookup(name, (g.builder.append(layer),), table.reshape(-1), kind.lo))


def pair(
    g: Graph,
    tensors: tuple[Tensor, Tensor],
    nodes: Nodes,
    leaves: tuple[str, str],
    wanted: str,
    out: Quantization,
) -> Tensor:
    """An elementwise group of two tensors: a sum of two scales, a product, or any function of both."""
    a, b = tensors
    values = [_bytes(x.quantization.dtype) for x in tensors]
    grids = [grid.reshape(-1) for grid in np.meshgrid(*values, indexing="ij")]
    made = ask.answer(
        nodes, g.values, g.source.model.opset_import, dict(zip(leaves, grids, strict=True)), wanted
    )
    if made.shape != (1 << 16,):
        raise InputError(f"{label(nodes[-1])}: constants a channel beside two tensors are not read")
    full = made.reshape(256, 256)
    (first, second), name = (g.type(x) for x in tensors), g.fresh()
    rows, columns = (
        slice(k.lo - int(v[0]), k.hi - int(v[0]) + 1) for k, v in zip((first, second), values, strict=True)
    )
    want = full[rows, columns]
    kinds = {node.op_type for node in nodes}
    scaled = [x.quantization.scale / out.scale for x in tensors]
    if kinds & {"Mul", "QLinearMul"}:
        return replace(a, name=_product(g, tensors, name, want, out), quantization=out)
    if first.shape != second.shape:
        raise InputError(f"{label(nodes[-1])}: {a.dims} and {b.dims} are added only where they are equal")
    if "Sub" in kinds:
        scaled[1] = -scaled[1]
    if kinds & {"Add", "Sub", "QLinearAdd"}:
        made_name = joined_sum(g.builder, name, (a.name, b.name), (scaled[0], scaled[1]), want, out.clip)
    else:
        made_name = any_pair(g.builder, name, (a.name, b.name), want)
    return replace(a, name=made_name, quantization=out)


def _product(g: Graph, tensors: tuple[Tensor, Tensor], name: str, want: np.ndarray, out: Quantization) -> str:
    """``(a - z_a)(b - z_b)`` requantised where the source's result is a rising function of it, else a table
    of all pairs."""
    a, b = tensors
    first, second = g.type(a), g.type(b)
    zeros = a.quantization.zero, b.quantization.zero
    x, y = np.arange(first.lo, first.hi + 1) - zeros[0], np.arange(second.lo, second.hi + 1) - zeros[1]
    flat, values = np.outer(x, y).reshape(-1), want.reshape(-1)
    order = np.lexsort((values, flat))
    places, starts = np.unique(flat[order], return_index=True)
    row = values[order][starts]
    clear = (row[np.searchsorted(places, flat)] == values).all() and (np.diff(row) >= 0).all()
    if clear:
        total = g.builder.append(Multiply(name, (a.name, b.name), zeros))
        kind, channels = g.builder.types[total], first.shape[0]

        unit = a.quantization.scale * b.quantization.scale / out.scale

        def function(k: np.ndarray) -> np.ndarray:
            """A straight line between the products that occur, which may go anywhere there."""
            before = np.maximum(np.searchsorted(places, k, side="right") - 1, 0)
            after = np.minimum(np.searchsorted(places, k, side="left"), len(places) - 1)
            return np.clip(np.rint(k * unit).astype(np.int64) + out.zero, row[before], row[after]) - out.zero

        ranges = np.full(channels, kind.lo), np.full(channels, kind.hi)
        none = np.zeros(channels, np.int64)
        return requantized(
            g.builder, f"{name}_requantized", total, function, ranges, none, out.zero, out.clip
        )
    other = b.name
    if first.shape != second.shape:
        if second.shape != (first.shape[0], 1, 1):
            raise InputError(f"shapes {a.dims} and {b.dims} cannot be multiplied")
        other = g.builder.append(Upsample(f"{name}_spread", (other,), first.shape[1:]))
    return any_pair(g.builder, name, (a.name, other), want)


def concatenated(g: Graph, node: onnx.NodeProto, tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Tensors of one quantization joined along ``axis`` of the file, the batch being axis 0."""
    first = tensors[0]
    if any(len(x.dims) != len(first.dims) for x in tensors):
        raise InputError(f"{label(node)}: tensors of different ranks cannot be joined")
    axis += len(first.dims) + 1 if axis < 0 else 0
    place = {1: {1: 1}, 2: {1: 1, 2: 3}, 3: {1: 1, 2: 2, 3: 3}}[len(first.dims)].get(axis)
    flattened = len(first.dims) == 1 and any(g.type(x).shape[1:] != (1, 1) for x in tensors)
    if place is None or flattened:
        raise InputError(
            f"{label(node)}: a concatenation along axis {axis} of {('batch', *first.dims)} is not read"
        )
    name = g.builder.append(Concat(g.fresh(), tuple(x.name for x in tensors), place))
    dims = list(first.dims)
    dims[axis - 1] = sum(x.dims[axis - 1] for x in tensors)
    return Tensor(name, tuple(dims), first.quantization)
