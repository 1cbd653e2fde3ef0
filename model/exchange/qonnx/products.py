"""Convolutions and dense layers, and the biases that follow them."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.graph import Graph, Value, Weights, per_channel
from fermatnet.model.exchange.qonnx.sums import summed
from fermatnet.model.network.nodes import Conv, Dense, PiecewiseConv

__all__ = ["add", "conv", "folded", "gemm", "matmul", "transpose"]

PIECES = 16  # weight pieces up to which a layer becomes piecewise


def _product(
    g: Graph,
    node: onnx.NodeProto,
    weights: Weights,
    codes_shape: tuple[int, ...] | None,
    window: dict[str, Any],
) -> Value:
    """A piecewise layer where weights and activations have few levels, else an integer one; ``codes_shape``:
    dense, of these inputs."""
    x = g.input(node)
    if x.chain:
        raise InputError(f"QONNX node {node.name!r}: its input is not quantized")
    if (x.scale != x.scale[0]).any():
        raise InputError(f"QONNX node {node.name!r}: its input channels have different scales")
    w, name = weights.integers, g.name(node)
    top = int(np.abs(w).max()) if w.size else 0
    out = np.broadcast_to(weights.scale.reshape(-1), (w.shape[0],)) * float(x.scale[0])
    few = x.levels is not None and x.levels[0] == 0 and x.levels[-1] <= 127 and 1 <= top and 2 * top <= PIECES
    if x.levels is not None and few:
        codes = (w + top).astype(np.uint8)
        codes = codes.reshape(-1, *codes_shape) if codes_shape else codes
        levels = np.arange(-top, top + 1, dtype=np.int64)
        made = g.build.append(PiecewiseConv(name, (x.name,), codes, levels, x.levels, **window))
        return Value(made, out)
    x = g.integers(x)
    bits = 8 if top <= 127 else 16
    if codes_shape:
        return Value(g.build.append(Dense(name, (x.name,), w, weight_bits=bits)), out)
    return Value(g.build.append(Conv(name, (x.name,), w, bits, **window)), out)


def conv(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Conv, with its bias in the chain."""
    if given.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise InputError(f"QONNX node {node.name!r}: auto_pad is not supported")
    window = {
        "stride": tuple(given.get("strides", (1, 1))),
        "pad": tuple(given.get("pads", (0, 0, 0, 0))),
        "dilation": tuple(given.get("dilations", (1, 1))),
        "group": given.get("group", 1),
    }
    out = _product(g, node, g.weights(node), None, window)
    return _biased(out, _bias(g, node, 2)) if len(node.input) > 2 else out


def _bias(g: Graph, node: onnx.NodeProto, place: int) -> np.ndarray:
    value = g.values.get(node.input[place])
    if isinstance(value, Weights):
        return value.integers * value.scale
    return np.asarray(g.constant(node, place, "bias"), np.float64)


def _biased(x: Value, bias: np.ndarray) -> Value:
    column = per_channel(bias)
    return replace(x, chain=(*x.chain, lambda y: y + column))


def _dense(g: Graph, node: onnx.NodeProto, weights: Weights) -> Value:
    return _product(g, node, weights, g.build.types[g.input(node).name].shape, {})


def gemm(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A dense layer."""
    if given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0 or given.get("transA", 0):
        raise InputError(f"QONNX node {node.name!r}: Gemm with alpha, beta or transA is not supported")
    weights = g.weights(node)
    out = _dense(g, node, weights if given.get("transB", 0) else _transposed(weights))
    return _add_bias(g, out, _bias(g, node, 2)) if len(node.input) > 2 else out


def _transposed(weights: Weights) -> Weights:
    return Weights(weights.integers.T.copy(), weights.scale.T if weights.scale.ndim == 2 else weights.scale)


def transpose(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """Of weights only."""
    value = g.values.get(node.input[0])
    if not isinstance(value, Weights) or list(given.get("perm", [1, 0])) != [1, 0]:
        raise InputError(f"QONNX node {node.name!r}: Transpose of activations is not supported")
    return _transposed(value)


def matmul(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A dense layer without bias."""
    return _dense(g, node, _transposed(g.weights(node)))


def add(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """The bias of a dense layer, or the sum of two activations."""
    known = isinstance(g.values.get(node.input[1]), Weights) or node.input[1] in g.constants
    return _add_bias(g, g.input(node), _bias(g, node, 1)) if known else summed(g, node)


def _add_bias(g: Graph, x: Value, bias: np.ndarray) -> Value:
    if not x.chain:
        g.biases[x.name] = bias
    return _biased(x, bias)


def folded(g: Graph, x: Value) -> Value:
    """The last layer with its bias in units of its accumulator."""
    made = next(item for item in g.build.nodes if item.name == x.name)
    if not isinstance(made, Dense) or (x.scale != x.scale[0]).any():
        raise InputError(
            "the last layer must be a dense layer of 8- or 16-bit weights with one scale for all outputs"
        )
    if g.biases[x.name].size not in (1, len(made.weight)):
        raise InputError(
            f"layer {made.name!r}: a bias of {g.biases[x.name].size} numbers for {len(made.weight)} outputs"
        )
    exact = np.broadcast_to(g.biases[x.name].reshape(-1), (made.weight.shape[0],)) / x.scale
    made.bias = np.round(exact).astype(np.int64)
    g.bias_error = float(np.abs(exact - made.bias).max() * x.scale[0])
    return replace(x, chain=())
