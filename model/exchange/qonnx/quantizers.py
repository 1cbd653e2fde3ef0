"""Quant nodes: integers of a weight, thresholds of an activation."""

from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.graph import Function, Graph, Value, Weights, per_channel
from fermatnet.model.network.nodes import Threshold

__all__ = ["bipolar", "quant"]


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + int(narrow), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - int(narrow)


def quant(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """`Weights` of a constant; of an activation, the `Value` of its thresholds."""
    scale, zero, bits = (
        np.asarray(g.constant(node, i, what), np.float64)
        for i, what in ((1, "scale"), (2, "zero point"), (3, "bit width"))
    )
    if given.get("rounding_mode", b"ROUND") not in (b"ROUND", b"HALF_EVEN"):
        raise InputError(
            f"QONNX node {node.name!r}: rounding mode {given['rounding_mode'].decode()} is not supported"
        )
    if (
        zero.any()
        or bits.size != 1
        or not float(bits.ravel()[0]).is_integer()
        or not 1 <= bits.ravel()[0] <= 32
    ):
        raise InputError(
            f"QONNX node {node.name!r}: only zero point 0 and one whole bit width of 1 to 32 are supported"
        )
    lo, hi = _range(int(bits.ravel()[0]), bool(given.get("signed", 1)), bool(given.get("narrow", 0)))
    if node.input[0] in g.constants:
        raw = g.constants[node.input[0]].astype(np.float64)
        return Weights(np.clip(np.round(raw / _positive(node, scale)), lo, hi).astype(np.int64), scale)
    if hi - lo > 255:
        raise InputError(f"QONNX node {node.name!r}: activations of more than 8 bits are not supported")
    return _activation(
        g, node, scale, np.arange(lo, hi + 1, dtype=np.int64), lambda y: np.clip(np.round(y), lo, hi) - lo
    )


def bipolar(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """+scale where x >= 0, else -scale: as `quant`, of two integers."""
    scale = np.asarray(g.constant(node, 1, "scale"), np.float64)
    if node.input[0] in g.constants:
        return Weights(
            np.where(g.constants[node.input[0]] >= 0, 1, -1).astype(np.int64), _positive(node, scale)
        )
    return _activation(g, node, scale, np.array([-1, 1], np.int64), lambda y: (y >= 0).astype(np.float64))


def _positive(node: onnx.NodeProto, scale: np.ndarray) -> np.ndarray:
    if not scale.size or not (scale > 0).all():
        raise InputError(f"QONNX node {node.name!r}: its scale must be positive")
    return scale


def _activation(
    g: Graph, node: onnx.NodeProto, scale: np.ndarray, levels: np.ndarray, place: Function
) -> Value:
    """One threshold of the accumulator for each step of the quantizer, found by bisection; ``place`` of y /
    scale among the ``levels``."""
    x = g.integers(g.input(node))
    if _positive(node, scale).size != 1:
        raise InputError(f"QONNX node {node.name!r}: an activation needs one scale")
    kind, unit = g.build.types[x.name], float(scale.ravel()[0])

    def index(n: np.ndarray) -> np.ndarray:
        y = n.astype(np.float64)[None] * per_channel(x.scale)
        for step in x.chain:
            y = step(y)
        return place(y / unit)[0].astype(np.int64)

    ends = index(np.tile(np.array([[kind.lo, kind.hi]], np.int64), (kind.shape[0], 1)))
    sign = np.where(ends[:, 0] > ends[:, 1], -1, 1).astype(np.int8)
    flip, steps = sign.astype(np.int64)[:, None], len(levels) - 1
    low = np.tile(np.where(flip > 0, kind.lo, -kind.hi), (1, steps))
    high = np.tile(np.where(flip > 0, kind.hi, -kind.lo) + 1, (1, steps))
    wanted = np.arange(1, steps + 1)[None]
    while (low < high).any():
        middle = (low + high) >> 1
        reached = index(flip * middle) >= wanted
        high, low = (
            np.where((low < high) & reached, middle, high),
            np.where((low < high) & ~reached, middle + 1, low),
        )
    made = g.build.append(Threshold(g.name(node), (x.name,), low, sign))
    return Value(made, np.full(kind.shape[0], unit), levels)
