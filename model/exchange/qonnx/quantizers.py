"""Quant nodes: integers of a weight, thresholds of an activation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.pixels import judge
from fermatnet.model.exchange.qonnx.values import WORD, Step, Value, Weights
from fermatnet.model.exchange.ties import settled
from fermatnet.model.network.nodes import Affine, Threshold

__all__ = ["activation", "bipolar", "bounds", "one", "quant", "rounding"]

_STEPS = 255  # of one Threshold
# levels up to which thresholds are better than the integers themselves: the piecewise engine takes them
_FEW = 16
Place = Callable[[np.ndarray], np.ndarray]


def _away(rounded: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: np.sign(y) * rounded(np.abs(y))


_ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "UP": _away(np.ceil),
    "HALF_UP": _away(lambda y: np.floor(y + 0.5)),
    "HALF_DOWN": _away(lambda y: np.ceil(y - 0.5)),
}


def bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Least and greatest integer of so many bits, as QONNX's ``Quant`` has them."""
    if signed:
        return -(1 << bits - 1) + int(narrow), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - int(narrow)


def rounding(node: onnx.NodeProto, given: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """The node's rounding as a function of float64 arrays; InputError for a mode that is not known."""
    mode = given["rounding_mode"].decode("ascii", "replace").upper()
    if mode not in _ROUNDINGS:
        raise InputError(
            f"{label(node)}: rounding mode {mode} is not supported, only {', '.join(_ROUNDINGS)}"
        )
    return _ROUNDINGS[mode]


def quant(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """`Weights` of a constant; of an activation, the `Value` of its thresholds."""
    scale, zero, bits = (
        np.asarray(g.constant(node, i, what), np.float64)
        for i, what in ((1, "scale"), (2, "zero point"), (3, "bit width"))
    )
    if (
        not bits.size
        or (bits != bits.ravel()[0]).any()
        or not float(bits.ravel()[0]).is_integer()
        or not 1 <= bits.ravel()[0] <= 32
    ):
        raise InputError(f"{label(node)}: one whole bit width of 1 to 32 is supported, not {_shown(bits)}")
    if (zero != np.round(zero)).any() or np.abs(zero).max(initial=0) >= 1 << 31:
        raise InputError(f"{label(node)}: its zero point must be whole, not {_shown(zero)}")
    _positive(node, scale)
    width, signed = int(bits.ravel()[0]), bool(given["signed"])
    rounded = rounding(node, given)
    if not g.known(node, 0):
        g.column(node, g.input(node), bits, "bit width")
    if width == 1 and signed:  # QONNX reads a signed bit as the two numbers -1 and 1
        return _two(g, node, scale, zero, bits)
    lo, hi = bounds(width, signed, bool(given["narrow"]))

    def integer(y: np.ndarray) -> np.ndarray:
        return np.clip(rounded(settled(y)), lo, hi)

    if g.known(node, 0):
        raw = g.constant(node, 0, "value")
        _fits(node, raw, scale, zero, bits)
        return Weights((np.clip(rounded(_in_own(raw, scale, zero)), lo, hi) - zero).astype(np.int64), scale)
    point = one(g, node, zero, "zero point")
    if hi - lo > _STEPS:
        raise InputError(
            f"{label(node)}: activations of more than 8 bits are not supported: quantize them to 8 bits or "
            "fewer"
        )
    levels = np.arange(lo, hi + 1, dtype=np.int64) - int(point)
    return activation(g, node, scale, levels, lambda y: integer(y + point) - lo)


def bipolar(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
    """+scale where x >= 0, else -scale: as `quant`, of two integers."""
    scale = _positive(node, np.asarray(g.constant(node, 1, "scale"), np.float64))
    if g.known(node, 0):
        raw = g.constant(node, 0, "value")
        _fits(node, raw, scale)
        return Weights(np.where(raw >= 0, 1, -1).astype(np.int64), scale)
    # the sign of x itself: its scale only names the two reals
    return activation(
        g,
        node,
        scale,
        np.array([-1, 1], np.int64),
        lambda y: (settled(y) >= 0).astype(np.float64),
        divided=False,
    )


def _two(g: Graph, node: onnx.NodeProto, scale: np.ndarray, zero: np.ndarray, bits: np.ndarray) -> Any:
    if g.known(node, 0):
        raw = g.constant(node, 0, "value")
        _fits(node, raw, scale, zero, bits)
        return Weights((np.where(_in_own(raw, scale, zero) >= 0, 1, -1) - zero).astype(np.int64), scale)
    point = one(g, node, zero, "zero point")
    levels = np.array([-1, 1], np.int64) - int(point)
    return activation(g, node, scale, levels, lambda y: (settled(y + point) >= 0).astype(np.float64))


def _in_own(raw: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """raw / scale + zero of a weight in the file's own float type, float64 then.

    It is what training computed, number by number: 0.125 / 0.01 is 12.5 in float32, a tie, and 12.5000003 in
    float64, none.
    """
    return (raw / scale.astype(raw.dtype) + zero.astype(raw.dtype)).astype(np.float64)


def _shown(value: np.ndarray) -> str:
    return f"{float(value.ravel()[0]):.6g}" if value.size == 1 else f"{value.size} numbers"


def _positive(node: onnx.NodeProto, scale: np.ndarray) -> np.ndarray:
    if not scale.size or not (scale > 0).all():
        raise InputError(f"{label(node)}: its scale must be positive")
    return scale


def _fits(node: onnx.NodeProto, raw: np.ndarray, *others: np.ndarray) -> None:
    """The constants of a weight's quantizer must not make the weight larger: ONNX broadcasts both ways."""
    for other in others:
        fits = other.ndim <= raw.ndim and all(
            n in (1, m) for n, m in zip(other.shape[::-1], raw.shape[::-1], strict=False)
        )
        if not fits:
            raise InputError(
                f"{label(node)}: a scale, zero point or bit width of shape {other.shape} for weights of "
                f"shape {raw.shape}"
            )


def one(g: Graph, node: onnx.NodeProto, value: np.ndarray, what: str) -> float:
    """The single number in a constant of a node; InputError about ``what`` where there are several."""
    column = g.column(node, g.input(node), value, what)
    if column.size != 1:
        raise InputError(f"{label(node)}: an activation needs one {what}")
    return float(column.ravel()[0])


def activation(
    g: Graph, node: onnx.NodeProto, scale: np.ndarray, levels: np.ndarray, place: Place, divided: bool = True
) -> Value:
    """One threshold of the accumulator for each step of the quantizer.

    ``place`` of y / scale (``divided``) or of y among the ``levels``. A maximum pooling that waits comes
    after the thresholds where nothing between it and the quantizer falls, so that it works on few bits.
    """
    x = g.input(node)
    column = g.column(node, x, scale, "scale")
    x, late = _late_pools(g, x)
    x = g.integers(x)
    unit = np.broadcast_to(column.ravel(), (g.build.channels(x.name),))

    def index(n: np.ndarray, source: Value = x) -> np.ndarray:
        y = source.real(n)
        return place(y / column if divided else y)[0].astype(np.int64)

    if x.name == "image" and not g.judged:
        judge(g, node, x, index)
    made = _as_integers(g, node, x, levels, index)
    if made is None:
        limits, sign = _thresholds(g, x, len(levels) - 1, index)
        made = replace(
            x, name=g.build.append(Threshold(g.name(node), (x.name,), limits, sign)), levels=levels
        )
    for step in late:
        made = g.pool(made, step.pool)  # type: ignore[arg-type]
    return replace(made, scale=unit, chain=())


def _late_pools(g: Graph, x: Value) -> tuple[Value, list[Step]]:
    """x with the poolings that cannot wait made layers, and those that can."""
    falling = [k for k, step in enumerate(x.chain) if np.any(np.asarray(step.rises) < 0)]
    first = falling[-1] + 1 if falling else 0
    if any(step.pool is not None for step in x.chain[:first]):
        x = g.pooled(x, first)
    late = [step for step in x.chain if step.pool is not None]
    return replace(x, chain=tuple(step for step in x.chain if step.pool is None)), late


def _as_integers(
    g: Graph, node: onnx.NodeProto, x: Value, levels: np.ndarray, index: Callable[[np.ndarray], np.ndarray]
) -> Value | None:
    """x itself, or shifted by a constant, where the quantizer of many levels gives each of its integers one
    of its own."""
    kind = g.build.types[x.name]
    if len(levels) <= _FEW or kind.hi - kind.lo > _STEPS:
        return None
    every = np.tile(np.arange(kind.lo, kind.hi + 1), (kind.shape[0], 1))
    shift = levels[index(every)] - every
    if (shift != shift[0, 0]).any():
        return None
    if shift[0, 0] == 0:
        return replace(x, levels=None)
    offset = np.full(kind.shape[0], shift[0, 0], np.int64)
    made = Affine(g.name(node), (x.name,), np.ones_like(offset), offset, 0, -WORD, WORD)
    return replace(x, name=g.build.append(made), levels=None)


def _thresholds(
    g: Graph, x: Value, steps: int, index: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds int64 (C, steps) and signs (C,), by bisection of the index, which is monotone in each
    channel."""
    kind = g.build.types[x.name]
    ends = index(np.tile(np.array([[kind.lo, kind.hi]], np.int64), (kind.shape[0], 1)))
    sign = np.where(ends[:, 0] > ends[:, 1], -1, 1).astype(np.int8)
    flip = sign.astype(np.int64)[:, None]
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
    return low, sign
