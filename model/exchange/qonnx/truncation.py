"""Trunc: bits taken off a quantized number, after an average pooling say."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.quantizers import activation, bounds, one, rounding
from fermatnet.model.exchange.qonnx.values import Function, Value
from fermatnet.model.exchange.source_file import CUSTOM_DOMAINS
from fermatnet.model.exchange.ties import settled

__all__ = ["trunc"]


@dataclass(frozen=True)
class _Cut:
    """y = rounded(clip(round(x / scale + zero) / step)), its reals (y - zero / after) * new."""

    scale: float
    zero: float
    step: float
    new: float
    after: float
    limits: tuple[int, int] | None


def trunc(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Thresholds, as of a quantizer.

    Version 1 of QONNX (five inputs) keeps the scale and clips nothing; version 2 (six) names the new scale
    and bit width.
    """
    x, version = g.input(node), g.opsets[CUSTOM_DOMAINS[0]]
    if len(node.input) != 4 + version:
        raise misfit(node, f"version {version} of QONNX takes {4 + version} inputs, not {len(node.input)}")
    if version == 1 and any(item.name in ("signed", "narrow") for item in node.attribute):
        raise InputError(
            f"{label(node)}: Trunc in version 1 of QONNX has no attributes 'signed' and 'narrow'"
        )
    cut, rounded = _first(g, node) if version == 1 else _second(g, node, given), rounding(node, given)

    def integer(y: np.ndarray) -> np.ndarray:
        part = np.round(settled(y / cut.scale + cut.zero)) / cut.step
        return rounded(settled(np.clip(part, *cut.limits) if cut.limits else part))

    lo, hi = cut.limits or _reached(g, x, integer)
    if float(cut.zero / cut.after) % 1:
        raise InputError(f"{label(node)}: its zero point {cut.zero:g} is no whole number of steps after it")
    if hi - lo > 255:
        raise InputError(
            f"{label(node)}: it leaves more than 8 bits ({lo}..{hi}): take off more, or quantize after it"
        )
    levels = np.arange(lo, hi + 1, dtype=np.int64) - int(cut.zero / cut.after)
    return activation(g, node, np.asarray(cut.new), levels, lambda y: integer(y) - lo, divided=False)


def _first(g: Graph, node: onnx.NodeProto) -> _Cut:
    scale, zero, bits, left = (
        one(g, node, g.constant(node, k, what), what)
        for k, what in ((1, "scale"), (2, "zero point"), (3, "bit width"), (4, "bit width after it"))
    )
    _sound(node, scale, zero, bits, left)
    return _Cut(scale, zero, 2.0 ** (bits - left), scale, 1.0, None)


def _second(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> _Cut:
    scale, zero, bits, new, left = (
        one(g, node, g.constant(node, k, what), what)
        for k, what in (
            (1, "scale"),
            (2, "zero point"),
            (3, "bit width"),
            (4, "scale after it"),
            (5, "bit width after it"),
        )
    )
    _sound(node, scale, zero, bits, left)
    if not new > 0:
        raise InputError(f"{label(node)}: its scale after it must be positive")
    step = 2.0 ** float(np.round(np.log2(new / scale)))
    return _Cut(scale, zero, step, new, step, bounds(int(left), bool(given["signed"]), bool(given["narrow"])))


def _sound(node: onnx.NodeProto, scale: float, zero: float, bits: float, left: float) -> None:
    if not scale > 0:
        raise InputError(f"{label(node)}: its scale must be positive")
    if zero % 1 or abs(zero) >= 1 << 31:
        raise InputError(f"{label(node)}: its zero point must be whole, not {zero:g}")
    if bits % 1 or left % 1 or not 1 <= left <= 32 or not 1 <= bits <= 64:
        raise InputError(
            f"{label(node)}: whole bit widths of 1 to 32 are supported, not {bits:g} and {left:g}"
        )


def _reached(g: Graph, x: Value, integer: Function) -> tuple[int, int]:
    """The smallest and largest result for the integers that x can hold."""
    kind = g.build.types[x.name]
    ends = (int(x.levels.min()), int(x.levels.max())) if x.levels is not None else (kind.lo, kind.hi)
    found = integer(x.real(np.tile(np.array([ends], np.int64), (len(x.scale), 1))))
    return int(found.min()), int(found.max())
