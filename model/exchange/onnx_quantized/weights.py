"""Constant weights and biases as integers, wherever the file quantizes them."""

from dataclasses import dataclass

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.onnx_quantized.graph import Graph

__all__ = ["Weight", "by_output", "dequantized", "linear", "stored_bits"]

_NARROW = ("int8", "uint8", "int32", "int4", "uint4", "int2", "uint2")


@dataclass(frozen=True, eq=False)
class Weight:
    """integers int64 (O, ...), zero points taken off; scale float32 (O,)."""

    integers: np.ndarray
    scale: np.ndarray


def stored_bits(weight: np.ndarray) -> int:
    """8 where the symmetric range of an int8 weight holds it, else 16 (-128, or a zero point taken off)."""
    return 8 if np.abs(weight).max(initial=0) <= 127 else 16


def _spread(node: onnx.NodeProto, value: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """One number, or one along ``axis``, for every element of ``shape``."""
    value = value.reshape(-1)
    if len(value) == 1:
        return np.broadcast_to(value[0], shape)
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis < len(shape) or shape[axis] != len(value):
        raise misfit(node, f"{len(value)} scales along axis {axis} of {shape}")
    return np.broadcast_to(value.reshape([-1 if k == axis else 1 for k in range(len(shape))]), shape)


def dequantized(g: Graph, name: str, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray]:
    """(integers int64 without their zero points, float32 scale of each) of a constant that a DequantizeLinear
    writes, also through Transpose, Reshape or Identity. InputError names ``node`` where there is none."""
    maker = g.producer.get(name)
    if maker is None or name not in g.values:
        raise InputError(f"{label(node)}: its weights {name!r} must be quantized constants")
    if maker.op_type == "DequantizeLinear":
        axis = g.take(maker).get("axis", 1)
        integers = g.constant(maker, 0, "integers")
        if integers.dtype.name not in _NARROW:
            raise InputError(
                f"{label(maker)}: weights of {integers.dtype.name} are not read: quantize to int8"
            )
        scale = _spread(maker, g.scale(maker, 1), integers.shape, axis)
        whole = integers.astype(np.int64)
        if len(maker.input) > 2 and maker.input[2]:
            zero = g.constant(maker, 2, "zero point")
            whole = whole - _spread(maker, zero.astype(np.int64), integers.shape, axis)
        return whole, scale
    if maker.op_type in ("Transpose", "Reshape", "Identity"):
        whole, scale = dequantized(g, maker.input[0], node)
        if maker.op_type == "Transpose":
            order = next((list(item.ints) for item in maker.attribute if item.name == "perm"), None)
            return whole.transpose(order), scale.transpose(order)
        shape = g.values[name].shape
        return whole.reshape(shape), scale.reshape(shape)
    raise InputError(
        f"{label(node)}: its weights {name!r} come from {maker.op_type}, not from DequantizeLinear"
    )


def by_output(node: onnx.NodeProto, whole: np.ndarray, scale: np.ndarray) -> Weight:
    """Weights (O, ...) whose scale is one number, or one an output; InputError for a single number."""
    if whole.ndim < 2:
        raise misfit(node, f"weights of shape {whole.shape}")
    rows = scale.reshape(len(scale), -1)
    if (rows != rows[:, :1]).any():
        raise InputError(
            f"{label(node)}: its weights have scales along an input axis: quantize by output channel"
        )
    return Weight(whole, rows[:, 0].copy())


def linear(g: Graph, node: onnx.NodeProto, places: tuple[int, int, int], transposed: bool) -> Weight:
    """The weights that a QLinear operator takes at ``places`` (integers, scale, zero point); ``transposed``:
    outputs are the last axis."""
    integers = g.constant(node, places[0], "weights")
    scale, zero = g.scale(node, places[1]), g.constant(node, places[2], "zero point").astype(np.int64)
    if integers.dtype.name not in ("int8", "uint8") or integers.ndim < 2:
        raise InputError(f"{label(node)}: weights of {integers.dtype.name} {integers.shape} are not read")
    axis = integers.ndim - 1 if transposed else 0
    whole = integers.astype(np.int64) - _spread(node, zero, integers.shape, axis)
    full = _spread(node, scale, integers.shape, axis)
    if transposed:
        whole, full = np.moveaxis(whole, -1, 0), np.moveaxis(full, -1, 0)
    return by_output(node, whole, full)
