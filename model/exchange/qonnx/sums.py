"""Sums of two activations: exact where one scale is a power of two times the other (Brevitas shares a
quantizer before a residual add)."""

from dataclasses import replace

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import WORD, Value
from fermatnet.model.network.nodes import Add, Affine

__all__ = ["summed"]

FURTHEST = 16  # powers of two between the scales of the two


def summed(g: Graph, node: onnx.NodeProto) -> Value:
    """Both in the finer of their scales, channel by channel, and an integer sum."""
    a, b = (g.integers(g.input(node, place)) for place in (0, 1))
    if a.chain or b.chain:
        raise InputError(f"{label(node)}: Add of two activations needs a quantizer before each of them")
    if a.shape != b.shape:
        raise InputError(
            f"{label(node)}: Add of shapes {(g.batch, *a.shape)} and {(g.batch, *b.shape)} is not "
            "supported, only of equal ones"
        )
    channels = g.build.channels(a.name)
    left, right = (np.broadcast_to(x.scale.reshape(-1), (channels,)) for x in (a, b))
    if (np.minimum(left, right) <= 0).any():
        raise InputError(
            f"{label(node)}: Add of an activation with a negative scale needs a quantizer before it"
        )
    shift = np.round(np.log2(left / right)).astype(np.int64)  # a = 2^shift b
    if (left != right * np.exp2(shift.astype(np.float64))).any() or np.abs(shift).max() > FURTHEST:
        raise InputError(
            f"{label(node)}: Add of two activations is supported where one scale is a power of two times "
            "the other, "
            f"not {float(left[0]):.6g} and {float(right[0]):.6g}"
        )
    a, b = _finer(g, a, np.maximum(shift, 0)), _finer(g, b, np.maximum(-shift, 0))
    return Value(g.build.append(Add(g.name(node), (a.name, b.name))), np.minimum(left, right), a.shape)


def _finer(g: Graph, x: Value, shift: np.ndarray) -> Value:
    if not shift.any():
        return x
    return replace(
        x,
        name=g.build.append(
            Affine(f"{x.name}_align", (x.name,), np.int64(1) << shift, np.zeros_like(shift), 0, -WORD, WORD)
        ),
    )
