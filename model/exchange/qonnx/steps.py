"""Functions of one number a channel that wait for the next quantizer: arithmetic with constants, batch norm,
rectifiers."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.products import biased
from fermatnet.model.exchange.qonnx.sums import summed
from fermatnet.model.exchange.qonnx.values import Step, Value, per_channel

__all__ = ["add", "batchnormalization", "cast", "clip", "div", "dropout", "identity", "mul", "relu", "sub"]


def _scaled(x: Value, gain: np.ndarray, divide: bool = False) -> Value:
    """x times (``divide``: divided by) a constant; a division stays one, for its rounding is another."""
    apply = (lambda y: y / gain) if divide else (lambda y: y * gain)
    factor = 1.0 / gain if divide else gain
    return x.then(Step(apply, factor, np.zeros((1, 1, 1)), np.sign(factor)))


def _sides(g: Graph, node: onnx.NodeProto) -> tuple[int, int]:
    """(place of the activation, place of the other input) of a node of two inputs."""
    first = isinstance(g.values.get(node.input[0]), Value)
    return (0, 1) if first else (1, 0)


def _other(g: Graph, node: onnx.NodeProto) -> tuple[Value, np.ndarray, bool]:
    """(activation, column of the constant, whether the activation comes first)."""
    x, other = _sides(g, node)
    if not g.known(node, other):
        raise InputError(f"{label(node)}: {node.op_type} of two activations is not supported")
    value = g.input(node, x)
    return value, g.column(node, value, g.constant(node, other, "constant"), "constant"), x == 0


def add(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A constant added in either order, or the sum of two activations."""
    if not g.known(node, 0) and not g.known(node, 1):
        return summed(g, node)
    x, column, _ = _other(g, node)
    return biased(x, column)


def sub(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """x - constant, or constant - x."""
    x, column, first = _other(g, node)
    if first:
        return biased(x, -column)
    minus = np.full((1, 1, 1), -1.0)
    return x.then(Step(lambda y: column - y, minus, column, minus))


def mul(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """x times a constant."""
    x, column, _ = _other(g, node)
    return _scaled(x, column)


def div(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """x divided by a constant."""
    x, column, first = _other(g, node)
    if not first:
        raise InputError(f"{label(node)}: a constant divided by an activation is not supported")
    if (column == 0).any():
        raise InputError(f"{label(node)}: its constant holds a 0 to divide by")
    return _scaled(x, column, divide=True)


def batchnormalization(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, in the chain."""
    x = g.input(node)
    channels = x.shape[0]
    values = [np.asarray(g.constant(node, i, "parameters"), np.float64) for i in range(1, 5)]
    if any(value.shape != (channels,) for value in values) or (values[3] < 0).any():
        raise InputError(
            f"{label(node)}: its parameters must be {channels} numbers each, variances not negative"
        )
    if len(x.scale) != channels:
        raise InputError(
            f"{label(node)}: a norm of flattened maps is not supported: put it before the Flatten"
        )
    if not np.isfinite(given["epsilon"]) or (values[3] + given["epsilon"] <= 0).any():
        raise InputError(f"{label(node)}: its variances plus epsilon = {given['epsilon']} must be positive")
    gamma, beta, mean, var = (per_channel(value) for value in values)
    gain = gamma / np.sqrt(var + given["epsilon"])
    return x.then(Step(lambda y: (y - mean) * gain + beta, gain, beta - mean * gain, np.sign(gain)))


def relu(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """max(x, 0)."""
    return g.input(node).then(Step(lambda y: np.maximum(y, 0.0)))


def clip(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """min(max(x, low), high); a limit that is left out is none. ReLU6 and Hardtanh are written so."""
    limits = []
    for place, name, none in ((1, "min", -np.inf), (2, "max", np.inf)):
        value = np.asarray(
            g.constant(node, place, name) if g.given(node, place) else given.get(name, none), np.float64
        )
        if value.shape not in ((), (1,)):
            raise misfit(node, f"{name} of shape {value.shape} must be one number")
        limits.append(float(value.ravel()[0]))
    low, high = limits
    return g.input(node).then(Step(lambda y: np.minimum(np.maximum(y, low), high)))


def identity(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """What came in."""
    return g.values[node.input[0]]


def cast(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """A float to a float: the import computes with exact numbers."""
    return g.input(node)


def dropout(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """Nothing, out of training."""
    if g.given(node, 2) and np.any(g.constant(node, 2, "training mode")):
        raise InputError(
            f"{label(node)}: Dropout in training mode is not supported: export the model in evaluation mode"
        )
    return replace(g.input(node))
