"""Changes of shape and maxima, which work on integers as they are; averages, which are requantised sums."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.borders import banded
from fermatnet.model.exchange.emit import requantized
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.onnx_quantized.places import PLACED, placed
from fermatnet.model.exchange.onnx_quantized.products import Step, rowed
from fermatnet.model.exchange.qonnx.windows import ceiled, kernel, window
from fermatnet.model.exchange.requantize.sources import float32_scale
from fermatnet.model.exchange.ties import settled
from fermatnet.model.network.nodes import MaxPool, SumPool

__all__ = ["AVERAGES", "MOVES", "average", "moved"]

MOVES = PLACED | {"Dropout", "Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Unsqueeze"}
AVERAGES = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})
_WINDOWED = ("AveragePool", "QLinearAveragePool")
Pair = tuple[int, int]


def moved(g: Graph, node: onnx.NodeProto, x: Tensor) -> Tensor:
    """``x`` after a node of `MOVES`."""
    if node.op_type in PLACED:
        return placed(g, node, x)
    given = g.take(node)
    if node.op_type == "Dropout" and any(node.input[2:]) and g.constant(node, 2, "training mode").any():
        raise InputError(
            f"{label(node)}: Dropout in training mode drops values at random: export the model in evaluation "
            "mode"
        )
    if node.op_type in ("Identity", "Dropout"):
        return x
    if node.op_type == "MaxPool":
        return _maximum(g, node, given, x)
    return _relabelled(g, node, x, _new_dims(g, node, given, x))


def _new_dims(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> tuple[int, ...]:
    if node.op_type == "Flatten":
        if given["axis"] != 1:
            raise InputError(f"{label(node)}: Flatten with axis = {given['axis']} is not read, only 1")
        return (prod(x.dims),)
    if node.op_type == "Reshape":
        return _reshaped(g, node, given, x)
    axes = list(given.get("axes", []))
    if len(node.input) > 1 and node.input[1]:
        axes = [int(k) for k in g.constant(node, 1, "axes").reshape(-1)]
    full = [0, *x.dims]  # the batch is never 1 here
    if node.op_type == "Unsqueeze":
        rank = len(full) + len(axes)
        for axis in sorted(k + rank if k < 0 else k for k in axes):
            full.insert(axis, 1)
    else:
        places = {k + len(full) if k < 0 else k for k in axes} or {k for k, d in enumerate(full) if d == 1}
        if any(not 0 <= k < len(full) or full[k] != 1 for k in places):
            raise misfit(node, f"axes {axes} of {('batch', *x.dims)}")
        full = [d for k, d in enumerate(full) if k not in places]
    if full[:1] != [0]:
        raise InputError(f"{label(node)}: {node.op_type} of the batch is not read")
    return tuple(full[1:])


def _reshaped(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> tuple[int, ...]:
    batch = max(g.source.dims[0], 1)
    old, new = [batch, *x.dims], [int(k) for k in g.constant(node, 1, "shape").reshape(-1)]
    if not given.get("allowzero", 0):
        new = [old[k] if size == 0 and k < len(old) else size for k, size in enumerate(new)]
    if new.count(-1) > 1 or min(new, default=0) < -1 or 0 in new:
        raise misfit(node, f"shape {new}")
    if -1 in new:
        new[new.index(-1)] = prod(old) // max(prod(size for size in new if size > 0), 1)
    if prod(new) != prod(old) or new[0] != batch or len(new) < 2:
        raise InputError(f"{label(node)}: a reshape of {old} to {new} is not read: the batch must stay")
    return tuple(new[1:])


def _relabelled(g: Graph, node: onnx.NodeProto, x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The same values under another shape, which must lie in the network as they do already."""
    lies = {1: lambda: (dims[0], 1, 1), 2: lambda: (dims[0], 1, dims[1]), 3: lambda: dims}.get(len(dims))
    if lies is None or (len(dims) > 1 and lies() != g.type(x).shape):
        raise InputError(f"{label(node)}: a reshape of {x.dims} to {dims} is not read, only flattening")
    return replace(x, dims=dims)


def _window(
    g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor
) -> tuple[Pair, Pair, tuple[int, int, int, int]]:
    """(kernel, stride, padding) of a pooling node."""
    if len(x.dims) < 2:
        raise misfit(node, f"pooling of {('batch', *x.dims)}")
    flat = {**given, **(rowed(given) if len(x.dims) == 2 else {})}
    flat = {key: value for key, value in flat.items() if value != []}
    size = kernel(node, flat)
    _, height, width = g.type(x).shape
    stride, pad, _ = window(node, flat, size, (height, width))
    if given.get("ceil_mode", 0):
        pad = ceiled(size, stride, pad, (height, width))
    return size, stride, pad


def _dims(g: Graph, x: Tensor, name: str) -> tuple[int, ...]:
    channels, height, width = g.builder.types[name].shape
    return (channels, width) if len(x.dims) == 2 else (channels, height, width)


def _maximum(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> Tensor:
    if len(node.output) > 1 and node.output[1]:
        raise InputError(f"{label(node)}: the places of the maxima are not read")
    name = g.builder.append(MaxPool(g.fresh(), (x.name,), *_window(g, node, given, x)))
    return replace(x, name=name, dims=_dims(g, x, name))


def average(
    g: Graph,
    node: onnx.NodeProto,
    x: Tensor,
    out: Quantization,
    tail: Sequence[Step] = (),
    exact: bool = False,
) -> Tensor:
    """A mean over windows or the whole map, requantised.

    ``exact``: by onnxruntime's integer kernel of global averages, ``rint(float32(sum - n z_x) (s_x / (s_y
    n)))`` in float32; else the mean itself, rounded half to even.
    """
    given = g.take(node)
    zero, unit, channels = x.quantization.zero, np.float32(x.quantization.scale), g.type(x).shape[0]
    pool, full = _sum_pool(g, node, given, x)
    dims = None if node.op_type in _WINDOWED else _kept_dims(g, node, given, x)

    def divided(name: str, sums: str, count: int) -> str:
        kind, factor = g.builder.types[sums], unit / (np.float32(out.scale) * np.float32(count))

        def rounding(values: np.ndarray) -> np.ndarray:
            if exact:
                return float32_scale(values, np.asarray(factor))
            mean = values * float(unit) / count
            for step in tail:
                mean = step(mean)
            return np.rint(settled(mean / out.scale)).astype(np.int64)

        constant = np.full(channels, -prod(pool.kernel) * zero, np.int64)  # what is padded is zero too
        ranges = np.full(channels, kind.lo), np.full(channels, kind.hi)
        return requantized(g.builder, name, sums, rounding, ranges, constant, out.zero, out.clip)

    made = banded(g.builder, pool, divided, full)
    return Tensor(made, dims or _dims(g, x, made), out)


def _sum_pool(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> tuple[SumPool, int | None]:
    """The sums of an average, padded with the zero point; and by what all are divided, None where padding
    does not count."""
    _, height, width = g.type(x).shape
    if node.op_type not in _WINDOWED:
        return SumPool(g.fresh(), (x.name,), (height, width)), height * width
    size, stride, pad = _window(g, node, given, x)
    counted = bool(given.get("count_include_pad", 0))
    if counted and given.get("ceil_mode", 0) and any(pad):
        raise InputError(
            f"{label(node)}: an average that rounds its size up and counts its padding is not read: leave "
            "count_include_pad out, or pad the map before"
        )
    disjoint = stride == size and not any(pad)
    pool = SumPool(g.fresh(), (x.name,), size, None if disjoint else stride, pad, x.quantization.zero)
    return pool, prod(size) if counted else None


def _kept_dims(g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor) -> tuple[int, ...]:
    """The file's shape of a mean over the whole map."""
    if len(x.dims) < 2:
        raise misfit(node, f"a mean of {('batch', *x.dims)}")
    ones = [1] * (len(x.dims) - 1)
    if node.op_type != "ReduceMean":
        return (x.dims[0], *ones)
    axes = list(given.get("axes", []))
    if len(node.input) > 1 and node.input[1]:
        axes = [int(k) for k in g.constant(node, 1, "axes").reshape(-1)]
    rank = len(x.dims) + 1
    if sorted(k % rank for k in axes) != list(range(2, rank)):
        raise InputError(f"{label(node)}: a mean along axes {axes} is not read, only over height and width")
    return (x.dims[0], *ones) if given.get("keepdims", 1) else (x.dims[0],)
