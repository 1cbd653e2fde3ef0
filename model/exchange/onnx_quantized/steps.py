"""What stands between a product and its quantizer, as functions of real numbers."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.onnx_quantized.graph import Graph

__all__ = ["STEPS", "steps"]

STEPS = frozenset({"Add", "BatchNormalization", "Clip", "Div", "Mul", "Relu", "Sub"})
Step = Callable[[np.ndarray], np.ndarray]


def steps(g: Graph, nodes: Sequence[onnx.NodeProto], channels: int) -> list[Step]:
    """Functions of float64 (C, K), one a node; InputError for a node that is none of `STEPS`."""
    return [_step(g, node, channels) for node in nodes]


def _column(g: Graph, node: onnx.NodeProto, place: int, channels: int) -> np.ndarray:
    """A constant as float64 (C, 1) or (1, 1)."""
    value = g.constant(node, place, "constant").astype(np.float64)
    shape = value.shape
    lone = [k for k, size in enumerate(shape) if size != 1]
    vector = value.ndim == 1 or (len(lone) == 1 and lone[0] == (1 if value.ndim in (2, 4) else 0))
    if value.size == 1 or (value.size == channels and vector):
        return value.reshape(-1, 1)
    raise InputError(f"{label(node)}: a constant of shape {shape} is not read, one number a channel is")


def _step(g: Graph, node: onnx.NodeProto, channels: int) -> Step:
    given, kind = g.take(node), node.op_type
    if kind == "Relu":
        return lambda y: np.maximum(y, 0.0)
    if kind == "Clip":
        low, high = (_bound(g, node, given, place) for place in (1, 2))
        return lambda y: np.clip(y, low, high)
    if kind == "BatchNormalization":
        gamma, beta, mean, variance = (
            g.constant(node, place, "constant").astype(np.float64).reshape(-1, 1) for place in (1, 2, 3, 4)
        )
        factor = gamma / np.sqrt(variance + given["epsilon"])
        return lambda y: (y - mean) * factor + beta
    if kind not in STEPS:
        raise InputError(
            f"{label(node)}: {kind} between a product and its quantizer is not read: quantize before it"
        )
    first = node.input[0] in g.values
    value = _column(g, node, 0 if first else 1, channels)
    functions: dict[str, Step] = {
        "Add": lambda y: y + value,
        "Sub": (lambda y: value - y) if first else (lambda y: y - value),
        "Mul": lambda y: y * value,
        "Div": lambda y: y / value,
    }
    if kind == "Div" and (first or not value.all()):
        raise InputError(f"{label(node)}: a division by a tensor or by zero is not read")
    return functions[kind]


def _bound(g: Graph, node: onnx.NodeProto, given: dict[str, float], place: int) -> float:
    key = ("min", "max")[place - 1]
    if key in given:
        return float(given[key])
    if place < len(node.input) and node.input[place]:
        return float(g.constant(node, place, "bound").reshape(-1)[0])
    return -np.inf if place == 1 else np.inf
