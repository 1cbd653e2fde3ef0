"""Operators for onnx's reference evaluator: QONNX's own, from their published definitions, and those in which
it is wrong or slow.

QONNX: Pappalardo et al., "QONNX: Representing Arbitrary-Precision Quantized Neural Networks" (2022),
operators Quant, BipolarQuant and Trunc, and the rounding modes of their documentation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.reference.op_run import OpRun

from fermatnet.model.exchange.executor_windows import AveragePool, Conv, MaxPool
from fermatnet.model.exchange.source_file import CUSTOM_DOMAINS
from fermatnet.model.exchange.ties import settled

__all__ = ["SINGLE", "operators"]

SINGLE = "quantizes_float32"  # marks a quantizer of a float32 constant

_ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "UP": lambda y: np.copysign(np.ceil(np.abs(y)), y),
    "HALF_UP": lambda y: np.copysign(np.floor(np.abs(y) + 0.5), y),
    "HALF_DOWN": lambda y: np.copysign(np.ceil(np.abs(y) - 0.5), y),
}


def _given(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def _limits(bits: np.ndarray, signed: int, narrow: int) -> tuple[np.ndarray, np.ndarray]:
    if signed:
        return -(2 ** (bits - 1)) + (1 if narrow else 0), 2 ** (bits - 1) - 1
    return np.zeros_like(bits), 2**bits - (2 if narrow else 1)


def _rounded(node: onnx.NodeProto, default: bytes, y: np.ndarray) -> np.ndarray:
    return _ROUNDING[_given(node, "rounding_mode", default).decode().upper()](_exact(y))


def _exact(y: np.ndarray) -> np.ndarray:
    """float64 without its noise at a step; float32 as it is."""
    return settled(y) if y.dtype == np.float64 else y


class _Quant(OpRun):
    """real = (clip(round(x / scale + zero)) - zero) * scale; one bit with a sign is -1 and 1."""

    def _run(
        self, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray, **_: Any
    ) -> tuple[np.ndarray, ...]:
        signed, narrow = _given(self.onnx_node, "signed", 1), _given(self.onnx_node, "narrow", 1)
        scale, zero, bits = (np.asarray(value, x.dtype) for value in (scale, zero, bits))
        if _given(self.onnx_node, SINGLE, 0):  # a weight of float32: number by number as training had it
            y = x.astype(np.float32) / scale.astype(np.float32) + zero.astype(np.float32)
        else:
            y = _exact(x / scale + zero)
        if signed and (bits == 1).all():
            return ((np.where(y >= 0, 1, -1).astype(x.dtype) - zero) * scale,)
        low, high = _limits(bits, signed, narrow)
        return ((_rounded(self.onnx_node, b"ROUND", np.clip(y, low, high)).astype(x.dtype) - zero) * scale,)


class _BipolarQuant(OpRun):
    """scale where x >= 0, else -scale."""

    def _run(self, x: np.ndarray, scale: np.ndarray, **_: Any) -> tuple[np.ndarray, ...]:
        x = x if _given(self.onnx_node, SINGLE, 0) else _exact(x)
        return (np.where(x >= 0, 1, -1).astype(x.dtype) * np.asarray(scale, x.dtype),)


class _Trunc(OpRun):
    """Bits taken off: five inputs in version 1, which keeps the scale; six in version 2, which names the new
    one and clips."""

    def _run(
        self,
        x: np.ndarray,
        scale: np.ndarray,
        zero: np.ndarray,
        bits: np.ndarray,
        *rest: np.ndarray,
        **_: Any,
    ) -> tuple[np.ndarray, ...]:
        scale, zero, bits, *left_over = (np.asarray(value, x.dtype) for value in (scale, zero, bits, *rest))
        y = np.round(_exact(x / scale + zero))
        if len(left_over) == 1:
            return ((_rounded(self.onnx_node, b"FLOOR", y / 2 ** (bits - left_over[0])) - zero) * scale,)
        new, left = left_over
        step = 2 ** np.round(np.log2(new / scale))
        low, high = _limits(left, _given(self.onnx_node, "signed", 1), _given(self.onnx_node, "narrow", 0))
        return ((_rounded(self.onnx_node, b"FLOOR", np.clip(y / step, low, high)) - zero / step) * new,)


class _Norm(OpRun):
    """Batch normalisation with the stored statistics, which is what one output means (versions 7 and 9 of the
    standard, "test mode").

    onnx.reference 1.23 takes the batch's own statistics for those versions.
    """

    def _run(
        self, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray, **_: Any
    ) -> tuple[np.ndarray, ...]:
        if _given(self.onnx_node, "training_mode", 0):
            raise NotImplementedError("BatchNormalization in training mode")
        epsilon = x.dtype.type(_given(self.onnx_node, "epsilon", np.float32(1e-5)))
        column = (-1, *(1,) * (x.ndim - 2))
        gamma, beta, mean, var = (value.reshape(column) for value in (gamma, beta, mean, var))
        return (gamma * (x - mean) / np.sqrt(var + epsilon) + beta,)


_STANDARD = {"AveragePool": AveragePool, "BatchNormalization": _Norm, "Conv": Conv, "MaxPool": MaxPool}


def operators() -> list[type[OpRun]]:
    """The classes to give to `onnx.reference.ReferenceEvaluator`, QONNX's under each of its domains."""
    made: list[type[OpRun]] = [type(name, (base,), {"op_domain": ""}) for name, base in _STANDARD.items()]
    for domain in CUSTOM_DOMAINS:
        for name, base in (
            ("Quant", _Quant),
            ("IntQuant", _Quant),
            ("BipolarQuant", _BipolarQuant),
            ("Trunc", _Trunc),
        ):
            made.append(type(name, (base,), {"op_domain": domain}))
    return made
