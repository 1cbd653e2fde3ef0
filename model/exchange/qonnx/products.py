"""Convolutions and dense layers, with their biases in the chain."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import WORD, Step, Value, Weights
from fermatnet.model.exchange.qonnx.windows import window
from fermatnet.model.network.nodes import Affine, Conv, Dense, PiecewiseConv
from fermatnet.model.network.rules import conv_shape

__all__ = ["biased", "conv", "gemm", "matmul", "transpose"]

PIECES = 16  # weight pieces up to which a layer becomes piecewise
_PARTS = 64  # integers between two pixels up to which an affine input is taken as integers


def _proportional(g: Graph, node: onnx.NodeProto, x: Value) -> Value:
    """x without its chain: real = integer * scale exactly, where the chain only scales, or shifts by whole
    steps."""
    if not x.chain:
        return x
    x = g.pooled(x, len(x.chain))
    if not x.affine:
        raise InputError(f"{label(node)}: its input is not quantized: put a Quant node before it")
    gain, offset = x.straight()
    steps = offset / np.where(gain == 0, 1, gain)
    parts = next((q for q in range(1, _PARTS + 1) if _whole(q * steps)), 0)
    if (gain == 0).any() or not parts:
        raise InputError(f"{label(node)}: its input is not quantized: put a Quant node before it")
    x = g.integers(x)
    shift = np.round(parts * steps).astype(np.int64)
    if parts == 1 and not shift.any():
        return replace(x, scale=gain, chain=())
    factor = np.full(len(gain), parts, np.int64)
    made = g.build.append(Affine(f"{x.name}_real", (x.name,), factor, shift, 0, -WORD, WORD))
    return replace(x, name=made, scale=gain / parts, chain=())


def _whole(value: np.ndarray) -> bool:
    return bool((np.abs(value - np.round(value)) <= 2.0**-40 * np.maximum(1, np.abs(value))).all())


def _group_scale(g: Graph, node: onnx.NodeProto, x: Value, group: int, outputs: int) -> np.ndarray:
    """(outputs,): the scale of the input channels that each output reads, which must be one."""
    if len(x.scale) % group or outputs % group:
        raise misfit(node, f"{group} groups for {len(x.scale)} channels in and {outputs} out")
    each = x.scale.reshape(group, -1)
    if (each != each[:, :1]).any():
        raise InputError(
            f"{label(node)}: its input channels have different scales: quantize them with one scale for all"
        )
    return np.repeat(each[:, 0], outputs // group)


def _output_scale(node: onnx.NodeProto, weights: Weights) -> np.ndarray:
    """(outputs,): the scale of each output's weights, which must not differ among the inputs."""
    full = np.broadcast_to(weights.scale, weights.integers.shape)
    first = full[(slice(None), *(slice(0, 1) for _ in full.shape[1:]))]
    if (full != first).any():
        raise InputError(
            f"{label(node)}: the scale of its weights, of shape {weights.scale.shape}, differs among the "
            "inputs of one output: "
            "the hardware takes one scale an output channel, or one for all"
        )
    return np.asarray(first.reshape(-1), np.float64)


def _product(
    g: Graph, node: onnx.NodeProto, weights: Weights, arguments: dict[str, Any] | None = None
) -> Value:
    """A piecewise layer where weights and activations have few levels, else an integer one; without
    ``arguments`` a dense one."""
    dense, arguments = arguments is None, arguments or {}
    x = _proportional(g, node, g.input(node))
    w, name = weights.integers, g.name(node)
    scale = _output_scale(node, weights) * _group_scale(g, node, x, arguments.get("group", 1), len(w))
    top = int(np.abs(w).max()) if w.size else 0
    few = x.levels is not None and x.levels[0] == 0 and x.levels[-1] <= 127 and 1 <= top and 2 * top <= PIECES
    if x.levels is not None and few:
        codes = (w + top).astype(np.uint8)
        codes = codes.reshape(-1, *g.build.types[x.name].shape) if dense else codes
        levels = np.arange(-top, top + 1, dtype=np.int64)
        made = g.build.append(PiecewiseConv(name, (x.name,), codes, levels, x.levels, **arguments))
    else:
        x = g.integers(x)
        bits = 8 if top <= 127 and _byte(g, x) else 16
        if top >= 1 << 15:
            raise InputError(f"{label(node)}: its weights reach {top}: 16 bits are supported")
        made = g.build.append(
            Dense(name, (x.name,), w, weight_bits=8 if top <= 127 else 16)
            if dense
            else Conv(name, (x.name,), w, bits, **arguments)
        )
    shape = g.build.types[made].shape
    return Value(made, scale, shape[:1] if dense else shape)


def _byte(g: Graph, x: Value) -> bool:
    kind = g.build.types[x.name]
    return (kind.lo >= 0 and kind.hi <= 255) or (kind.lo >= -128 and kind.hi <= 127)


def conv(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Conv, with its bias in the chain."""
    x, weights = g.input(node), g.weights(node)
    if len(x.shape) != 3 or weights.integers.ndim != 4:
        raise misfit(
            node,
            f"weights of shape {weights.integers.shape} for a tensor {(g.batch, *x.shape)}: 2-D "
            "convolutions are supported",
        )
    size = weights.integers.shape[2:]
    if tuple(given.get("kernel_shape", size)) != size:
        raise misfit(
            node, f"kernel_shape = {given['kernel_shape']} for weights of shape {weights.integers.shape}"
        )
    stride, pad, dilation = window(node, given, size, x.shape[1:])  # type: ignore[arg-type]
    conv_shape(*x.shape[1:], size, stride, pad, dilation)  # type: ignore[misc, arg-type]
    out = _product(
        g, node, weights, {"stride": stride, "pad": pad, "dilation": dilation, "group": given["group"]}
    )
    if not g.given(node, 2):
        return out
    bias = np.asarray(g.constant(node, 2, "bias"), np.float64)
    if bias.shape != out.shape[:1]:
        raise misfit(node, f"a bias of {bias.size} numbers for {out.shape[0]} outputs")
    return biased(out, bias.reshape(1, -1, 1))


def biased(x: Value, column: np.ndarray) -> Value:
    """The value with a constant a channel, float64 (C, 1, 1), added."""
    return x.then(Step(lambda y: y + column, np.ones((1, 1, 1)), column))


def _dense(g: Graph, node: onnx.NodeProto, weights: Weights) -> Value:
    x = g.input(node)
    if len(x.shape) != 1 or weights.integers.ndim != 2 or weights.integers.shape[1] != x.shape[0]:
        raise misfit(node, f"weights of shape {weights.integers.shape} for a tensor {(g.batch, *x.shape)}")
    return _product(g, node, weights)


def gemm(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A dense layer."""
    weights = g.weights(node)
    out = _dense(g, node, weights if given["transB"] else _transposed(weights))
    if not g.given(node, 2):
        return out
    bias = np.asarray(g.constant(node, 2, "bias"), np.float64)
    if bias.size not in (1, *out.shape):
        raise misfit(node, f"layer {out.name!r}: a bias of {bias.size} numbers for {out.shape[0]} outputs")
    return biased(out, g.column(node, out, bias, "bias"))


def _transposed(weights: Weights) -> Weights:
    return Weights(weights.integers.T.copy(), np.broadcast_to(weights.scale, weights.integers.shape).T)


def transpose(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """Of weights only."""
    value = g.values.get(node.input[0])
    if not isinstance(value, Weights):
        raise InputError(f"{label(node)}: Transpose of activations is not supported")
    if value.integers.ndim != 2 or list(given.get("perm", [1, 0])) != [1, 0]:
        raise InputError(
            f"{label(node)}: Transpose of weights {value.integers.shape} by {given.get('perm')} is not "
            "supported"
        )
    return _transposed(value)


def matmul(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A dense layer without bias."""
    weights = g.weights(node)
    if weights.integers.ndim != 2:
        raise misfit(node, f"weights of shape {weights.integers.shape}")
    return _dense(g, node, _transposed(weights))
