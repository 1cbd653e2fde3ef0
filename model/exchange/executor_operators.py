"""Operators for onnx's reference evaluator: QONNX's own, from their published definitions, and convolution as a matrix product.

QONNX: Pappalardo et al., "QONNX: Representing Arbitrary-Precision Quantized Neural Networks" (2022), operators Quant,
BipolarQuant and Trunc, and the rounding modes of their documentation.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv import Conv as SlowConv

from fermatnet.model.exchange.source_file import CUSTOM_DOMAINS
from fermatnet.model.exchange.ties import settled

__all__ = ["operators"]

_ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.round, "HALF_EVEN": np.round, "CEIL": np.ceil, "FLOOR": np.floor, "DOWN": np.trunc,
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
    one = np.float64(1)
    if signed:
        return -(2 ** (bits - one)) + (1 if narrow else 0), 2 ** (bits - one) - 1
    return np.zeros_like(bits), 2**bits - (2 if narrow else 1)


def _rounded(node: onnx.NodeProto, default: bytes, y: np.ndarray) -> np.ndarray:
    return _ROUNDING[_given(node, "rounding_mode", default).decode().upper()](settled(y))


class _Quant(OpRun):
    """real = (clip(round(x / scale + zero)) - zero) * scale; one bit with a sign is -1 and 1."""

    def _run(self, x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray, **_: Any) -> tuple[np.ndarray, ...]:
        signed, narrow = _given(self.onnx_node, "signed", 1), _given(self.onnx_node, "narrow", 1)
        scale, zero, bits = (np.asarray(value, np.float64) for value in (scale, zero, bits))
        y = x / scale + zero
        if signed and (bits == 1).all():
            return ((np.where(settled(y) >= 0, 1.0, -1.0) - zero) * scale,)
        low, high = _limits(bits, signed, narrow)
        return ((_rounded(self.onnx_node, b"ROUND", np.clip(y, low, high)) - zero) * scale,)


class _BipolarQuant(OpRun):
    """scale where x >= 0, else -scale."""

    def _run(self, x: np.ndarray, scale: np.ndarray, **_: Any) -> tuple[np.ndarray, ...]:
        return (np.where(settled(np.asarray(x, np.float64)) >= 0, 1.0, -1.0) * scale,)


class _Conv(OpRun):
    """Convolution (cross-correlation) over windows as a matrix product; automatic padding as onnx's own."""

    op_domain = ""

    def _run(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, auto_pad: Any = None, dilations: Any = None,
             group: Any = None, kernel_shape: Any = None, pads: Any = None, strides: Any = None) -> tuple[np.ndarray, ...]:
        if x.ndim != 4 or auto_pad not in (None, "NOTSET"):
            return SlowConv._run(self, x, w, b, auto_pad, dilations, group, kernel_shape, pads, strides)
        pads, group = pads or [0] * 4, group or 1
        return (windowed_product(x, w, b, pads, strides or [1, 1], dilations or [1, 1], group),)


def windowed_product(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, pads: Any, strides: Any, dilations: Any, group: int) -> np.ndarray:
    """(n, C, H, W) and (O, C/group, kh, kw) to (n, O, OH, OW); pads = (top, left, bottom, right)."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    extent = [d * (k - 1) + 1 for d, k in zip(dilations, w.shape[2:], strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    view = view[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]
    n, channels, rows, columns = view.shape[:4]
    each = channels // group
    parts = []
    for k, weights in enumerate(np.split(w, group)):
        taken = view[:, k * each : (k + 1) * each].transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
        parts.append(taken @ weights.reshape(len(weights), -1).T)
    y = np.concatenate(parts, axis=1).reshape(n, rows, columns, len(w)).transpose(0, 3, 1, 2)
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def operators() -> list[type[OpRun]]:
    """The classes to give to `onnx.reference.ReferenceEvaluator`, QONNX's under each of its domains."""
    made: list[type[OpRun]] = [type("Conv", (_Conv,), {"op_domain": ""})]
    for domain in CUSTOM_DOMAINS:
        for name, base in (("Quant", _Quant), ("IntQuant", _Quant), ("BipolarQuant", _BipolarQuant)):
            made.append(type(name, (base,), {"op_domain": domain}))
    return made
