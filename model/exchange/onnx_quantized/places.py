"""Nodes that put values into another order: onnxruntime is asked what becomes of every place of the tensor.

So all their attributes are meant as onnxruntime means them; what comes out is an order of channels, rows and
columns with a border of one value, or a pixel shuffle, or is refused.
"""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.gathered import gathered
from fermatnet.model.exchange.onnx_quantized import ask
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Tensor
from fermatnet.model.network.nodes import Concat, DepthToSpace, SelectChannels, Slice

__all__ = ["PLACED", "keeps_zero", "placed"]

PLACED = frozenset({"DepthToSpace", "Pad", "Resize", "Slice", "SpaceToDepth", "Split"})
_COUNTED = 1 << 24  # places that float32 tells apart
_ZERO = frozenset({"Abs", "Elu", "Gelu", "HardSwish", "LeakyRelu", "Mish", "Neg", "PRelu", "Relu", "Tanh"})


def keeps_zero(node: onnx.NodeProto) -> bool:
    """Whether an elementwise function of one tensor makes zero of zero."""
    return node.op_type in _ZERO


def placed(g: Graph, node: onnx.NodeProto, x: Tensor) -> Tensor:
    """``x`` after a node of `PLACED`."""
    origin, output = g.part_of(node)
    given = g.take(origin)
    _, height, width = g.type(x).shape
    if len(x.dims) == 1 and height * width > 1:
        raise InputError(f"{label(node)}: {node.op_type} of a flattened map is not read: put it before")
    if node.op_type in ("Slice", "Split"):
        _of_samples(g, origin, given, x)
    if node.op_type in ("DepthToSpace", "SpaceToDepth"):
        return _shuffled(g, node, given, x)
    places = _places(g, origin, output, x)
    orders = _orders(places, g.type(x).shape)
    if orders is None:
        raise InputError(
            f"{label(node)}: it makes no order of channels, rows and columns: a nearest Resize by whole "
            "factors does"
        )
    value = _border(g, origin, x) if any(-1 in (one or ()) for one in orders) else 0
    name = x.name if orders == [None] * 3 else gathered(g.builder, g.fresh(), orders, x.name, value)
    return replace(x, name=name, dims=_dims(places, x))


def _dims(places: np.ndarray, x: Tensor) -> tuple[int, ...]:
    channels, height, width = places.shape
    return {1: (channels,), 2: (channels, width), 3: (channels, height, width)}[len(x.dims)]


def _of_samples(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> None:
    """InputError where a Slice or Split goes through the batch."""
    if node.op_type == "Split":
        axes = [int(given.get("axis", 0))]
    else:
        has = len(node.input) > 3 and node.input[3]
        count = g.constant(node, 1, "starts").size
        axes = [int(k) for k in g.constant(node, 3, "axes").reshape(-1)] if has else list(range(count))
    if any(axis % (len(x.dims) + 1) == 0 for axis in axes):
        raise InputError(f"{label(node)}: {node.op_type} of the batch is not read: the samples must stay")


def _places(g: Graph, node: onnx.NodeProto, output: str, x: Tensor) -> np.ndarray:
    """int64 (C', H', W'): the place in ``x`` of every value that comes out, -1 for a border."""
    batch = g.source.dims[0] if g.source.dims[0] > 0 else 2  # an open number may be any: samples must not mix
    count = prod(x.dims)
    if count > _COUNTED:
        raise InputError(f"{label(node)}: samples of {count:,} values are too large: at most {_COUNTED:,}")
    start = np.broadcast_to(np.arange(1, count + 1, dtype=np.float32).reshape(x.dims), (batch, *x.dims))
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    if node.op_type == "Pad" and len(node.input) > 2:
        plain.input[2] = ""  # the border is zero
    (leaf,) = {name for name in node.input if name and name not in g.values}
    made = ask.answer([plain], g.values, g.source.model.opset_import, {leaf: start.copy()}, output)
    if made.ndim != start.ndim or len(made) != batch or (made != made[:1]).any():
        raise InputError(f"{label(node)}: it changes the samples or the number of dimensions")
    one = made[0] - 1
    shape = {1: (*one.shape, 1, 1), 2: (one.shape[0], 1, one.shape[-1]), 3: one.shape}[one.ndim]
    return one.reshape(shape)


def _orders(places: np.ndarray, was: tuple[int, int, int]) -> list[list[int] | None] | None:
    """The order of channels, rows and columns that gives ``places``, None for one that stays; None where
    there is none."""
    _, height, width = was
    if not places.size or places.max(initial=0) >= prod(was):
        return None
    parts = (places // (height * width), places // width % height, places % width)
    found = []
    for axis, part in enumerate(parts):
        rows = np.moveaxis(np.where(places < 0, -1, part), axis, 0)
        found.append(rows.reshape(len(rows), -1).max(axis=1))
    channels, rows, columns = found[0][:, None, None], found[1][:, None], found[2]
    whole = (channels * height + rows) * width + columns
    if not np.array_equal(np.where((channels < 0) | (rows < 0) | (columns < 0), -1, whole), places):
        return None
    return [
        None if np.array_equal(one, np.arange(side)) else [int(k) for k in one]
        for one, side in zip(found, was, strict=True)
    ]


def _border(g: Graph, node: onnx.NodeProto, x: Tensor) -> int:
    """The integer that stands around a padded tensor: real zero, or what is given to integers."""
    given = np.zeros(1)
    if len(node.input) > 2 and node.input[2]:
        given = g.constant(node, 2, "value").reshape(-1)
    if node.input[0] in g.tensors:  # integers are padded, zero where nothing is given
        return int(given[0])
    if given[0] != 0:
        raise InputError(f"{label(node)}: it pads with {given[0]:g}: pad with zero, or quantize before it")
    return x.quantization.zero


def _shuffled(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> Tensor:
    if len(x.dims) != 3:
        raise InputError(f"{label(node)}: {node.op_type} of {('batch', *x.dims)} is not read, only of images")
    channels, height, width = x.dims
    b, block = g.builder, int(given["blocksize"])
    corners = [(i, j) for i in range(block) for j in range(block)]
    if node.op_type == "SpaceToDepth":
        if height % block or width % block:
            raise InputError(f"{label(node)}: blocks of {block} do not divide {height}x{width} pixels")
        step, end = (block, block), (height, width)
        parts = [b.append(Slice(g.fresh(), (x.name,), corner, end, step)) for corner in corners]
        name = b.append(Concat(g.fresh(), tuple(parts))) if len(parts) > 1 else parts[0]
        return replace(x, name=name, dims=b.types[name].shape)
    name = x.name
    if given.get("mode", b"DCR") == b"DCR" and channels % len(corners) == 0:
        own = channels // len(corners)  # channel (i b + j) own + c becomes pixel (i, j) of channel c
        order = np.arange(channels, dtype=np.int64).reshape(len(corners), own).T.reshape(-1)
        name = b.append(SelectChannels(g.fresh(), (name,), order))
    name = b.append(DepthToSpace(g.fresh(), (name,), block))
    return replace(x, name=name, dims=b.types[name].shape)
