"""Pooling and changes of shape."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import Step, Value
from fermatnet.model.exchange.qonnx.windows import ceiled, kernel, window
from fermatnet.model.network.nodes import Concat, SumPool
from fermatnet.model.network.rules import conv_shape

__all__ = [
    "averagepool",
    "concat",
    "flatten",
    "globalaveragepool",
    "maxpool",
    "reducemean",
    "reshape",
    "shape",
    "squeeze",
]


def _map(g: Graph, node: onnx.NodeProto) -> Value:
    x = g.input(node)
    if len(x.shape) != 3:
        raise misfit(node, f"a tensor {(g.batch, *x.shape)}: maps (batch, C, H, W) are supported")
    return x


def _list(g: Graph, node: onnx.NodeProto, what: str) -> list[int]:
    """The second input, whole numbers in a row."""
    value = g.constant(node, 1, what)
    if value.ndim != 1:
        raise misfit(node, f"its {what} of shape {value.shape} must be numbers in a row")
    return [int(number) for number in value]


def maxpool(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A layer, on indices or integers; after a chain it waits for the quantizer."""
    x, size = _map(g, node), kernel(node, given)
    stride, pad, _ = window(node, given, size, x.shape[1:])  # type: ignore[arg-type]
    if given.get("ceil_mode", 0):
        pad = ceiled(size, stride, pad, x.shape[1:])  # type: ignore[arg-type]
    shape = (x.shape[0], *conv_shape(x.shape[1], x.shape[2], size, stride, pad))
    if max(pad[0], pad[2]) >= size[0] or max(pad[1], pad[3]) >= size[1]:
        raise misfit(node, f"padding {pad} as large as the window {size}")
    ones = np.ones((1, 1, 1))
    x = replace(x, shape=shape).then(Step(lambda y: y, ones, 0 * ones, 1.0, (size, stride, pad)))
    direct = len(x.chain) == 1 and (x.scale > 0).all()
    return replace(g.pool(replace(x, chain=()), x.chain[0].pool), shape=shape) if direct else x  # type: ignore[arg-type]


def _averaged(g: Graph, node: onnx.NodeProto, x: Value, size: tuple[int, int]) -> Value:
    """The mean of disjoint windows as a sum: an affine chain passes through a mean, nothing else does."""
    if not x.affine:
        raise InputError(
            f"{label(node)}: {node.op_type} of unquantized values is not supported: put a Quant node before "
            "it"
        )
    x = g.pooled(x, len(x.chain)) if x.chain else x
    x = g.integers(x)
    rows, columns = g.build.types[x.name].shape[1:]
    if rows % size[0] or columns % size[1]:
        raise InputError(
            f"{label(node)}: the average of {size[0]}x{size[1]} windows that do not divide the map "
            f"{rows}x{columns} is not supported"
        )
    whole = size == (rows, columns)
    made = g.build.append(SumPool(g.name(node), (x.name,), (0, 0) if whole else size))
    return replace(x, name=made, scale=x.scale / (size[0] * size[1]), shape=g.build.types[made].shape)


def globalaveragepool(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A sum, its scale divided by the area."""
    x = _map(g, node)
    return _averaged(g, node, x, x.shape[1:])  # type: ignore[arg-type]


def averagepool(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Disjoint windows that cover the map, or one window that is the map."""
    x, size = _map(g, node), kernel(node, given)
    stride, pad, _ = window(node, given, size, x.shape[1:])  # type: ignore[arg-type]
    whole = size == x.shape[1:]
    if any(pad) or (stride != size and not whole):
        raise InputError(
            f"{label(node)}: AveragePool with overlapping or padded windows (stride {stride}, pads {pad}) "
            "is not supported: "
            f"use strides = {list(size)} without padding, or a convolution"
        )
    return _averaged(g, node, x, size)


def reducemean(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """The mean over height and width, as GlobalAveragePool; over other axes refused."""
    x = _map(g, node)
    axes = _list(g, node, "axes") if g.given(node, 1) else list(given.get("axes", []))
    if sorted(axis % 4 if -4 <= axis < 4 else axis for axis in axes) != [2, 3]:
        raise InputError(
            f"{label(node)}: ReduceMean over the axes {axes or 'of all'} is not supported, only over height "
            "and width (2, 3)"
        )
    out = _averaged(g, node, x, x.shape[1:])  # type: ignore[arg-type]
    return out if given["keepdims"] else replace(out, shape=out.shape[:1])


def flatten(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Nothing: the dense layer after it takes the map."""
    x = g.input(node)
    rank = len(x.shape) + 1
    if given["axis"] not in (1, 1 - rank):
        raise InputError(f"{label(node)}: Flatten at axis {given['axis']} is not supported, only at axis 1")
    return g.reshaped(node, x, (int(np.prod(x.shape)),))


def reshape(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """As `flatten`, where it says the same."""
    x, wanted = g.input(node), _list(g, node, "shape")
    sizes, old = list(wanted), (g.batch, *x.shape)
    for place, size in enumerate(sizes):
        if size == 0 and not given.get("allowzero", 0) and place < len(old):
            sizes[place] = old[place]
    rest = int(np.prod([size for size in sizes if size != -1]))
    if sizes.count(-1) > 1 or rest < 1 or int(np.prod(old)) % rest:
        raise misfit(node, f"{old} cannot become {wanted}")
    sizes = [int(np.prod(old)) // rest if size == -1 else size for size in sizes]
    if len(sizes) < 2 or sizes[0] != g.batch:
        raise InputError(f"{label(node)}: Reshape to {wanted} is not supported, only to (batch, -1)")
    return g.reshaped(node, x, tuple(sizes[1:]))


def squeeze(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Of height and width of 1."""
    x = _map(g, node)
    axes = _list(g, node, "axes") if g.given(node, 1) else list(given.get("axes", []))
    if sorted(axis % 4 if -4 <= axis < 4 else axis for axis in axes) != [2, 3]:
        raise InputError(
            f"{label(node)}: Squeeze of the axes {axes or 'of size 1'} is not supported, only of height and "
            "width (2, 3)"
        )
    if x.shape[1:] != (1, 1):
        raise misfit(node, f"a tensor {(g.batch, *x.shape)} has no axes 2 and 3 of size 1")
    return g.reshaped(node, x, x.shape[:1])


def shape(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> None:
    """The sizes of a tensor, a constant from here on."""
    x = g.input(node)
    sizes = np.array((g.batch, *x.shape), np.int64)
    g.constants[node.output[0]] = sizes[given.get("start", 0) : given.get("end", len(sizes))]


def concat(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Channels one after the other: indices where all hold the same levels, else integers, each channel with
    its scale."""
    parts = [g.input(node, place) for place in range(len(node.input))]
    rank = len(parts[0].shape) + 1
    if given["axis"] not in (1, 1 - rank):
        raise InputError(
            f"{label(node)}: Concat along axis {given['axis']} is not supported, only along the channels "
            "(axis 1)"
        )
    if len(parts) == 1:
        return parts[0]
    if any(part.chain for part in parts):
        raise InputError(f"{label(node)}: Concat needs a quantizer before each of its inputs")
    if any(len(part.shape) != rank - 1 or part.shape[1:] != parts[0].shape[1:] for part in parts):
        raise misfit(node, f"shapes {', '.join(str(part.shape) for part in parts)}")
    if rank == 2 and any(len(part.scale) != part.shape[0] for part in parts):
        raise InputError(
            f"{label(node)}: Concat of flattened maps is not supported: join the maps before the Flatten"
        )
    first = parts[0].levels
    if any(part.levels is None or first is None or not np.array_equal(part.levels, first) for part in parts):
        parts = [g.integers(part) for part in parts]
    made = g.build.append(Concat(g.name(node), tuple(part.name for part in parts)))
    total = sum(part.shape[0] for part in parts)
    return Value(
        made, np.concatenate([part.scale for part in parts]), (total, *parts[0].shape[1:]), parts[0].levels
    )
