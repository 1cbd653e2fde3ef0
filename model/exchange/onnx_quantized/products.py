"""Convolutions and dense layers with their requantisation, as onnxruntime's integer kernels round it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.emit import channel_ranges, check_sums, requantized
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.onnx_quantized.transposed import CONVOLUTIONS, spread
from fermatnet.model.exchange.onnx_quantized.weights import (
    Weight,
    by_output,
    dequantized,
    linear,
    stored_bits,
)
from fermatnet.model.exchange.qonnx.windows import window
from fermatnet.model.exchange.requantize.sources import float32_scale
from fermatnet.model.exchange.ties import settled
from fermatnet.model.network.nodes import Conv, Dense, Pad

__all__ = ["Product", "finish", "from_floats", "from_linear", "raw"]

Step = Callable[[np.ndarray], np.ndarray]
_SAME = 1e-5  # relative: a bias whose scale is that of the accumulator, up to float32's rounding


@dataclass(frozen=True, eq=False)
class Product:
    """``weight`` over ``x``, not requantised yet.

    ``integer``: int64 (O,), bias in units of the accumulator; ``real``: float64 (O,), a bias that is no such
    integer; ``window``: attributes of a convolution, empty for a dense layer.
    """

    node: onnx.NodeProto
    x: Tensor
    weight: Weight
    integer: np.ndarray
    real: np.ndarray
    window: dict[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> np.ndarray:
        """float32 (O,): what an accumulator counts, as onnxruntime multiplies it."""
        return np.float32(self.x.quantization.scale) * self.weight.scale


def from_floats(g: Graph, node: onnx.NodeProto, x: Tensor) -> Product:
    """Conv, ConvTranspose, Gemm or MatMul between DequantizeLinear and QuantizeLinear."""
    given = g.take(node)
    whole, scale = dequantized(g, node.input[1], node)
    if node.op_type == "ConvTranspose":
        x, given, whole, scale = spread(g, node, given, x, whole, scale)
    if node.op_type not in CONVOLUTIONS and whole.ndim != 2:
        raise misfit(node, f"weights of shape {whole.shape}")
    if node.op_type == "MatMul" or (node.op_type == "Gemm" and not given["transB"]):
        whole, scale = whole.T, scale.T
    weight = by_output(node, whole, scale)
    outputs = len(weight.integers)
    integer, real = np.zeros(outputs, np.int64), np.zeros(outputs)
    if len(node.input) > 2 and node.input[2]:
        unit = np.float32(x.quantization.scale) * weight.scale
        integer, real = _bias(g, node, unit.astype(np.float64))
    return _made(g, Product(node, x, weight, integer, real), given)


def _bias(g: Graph, node: onnx.NodeProto, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(integers in the accumulator's unit, real rest) of a bias, quantized or float."""
    value, none = g.constant(node, 2, "bias"), np.zeros(len(unit))
    maker = g.producer.get(node.input[2])
    if maker is not None and maker.op_type == "DequantizeLinear":
        whole, scale = dequantized(g, node.input[2], node)
        if whole.size not in (1, len(unit)):
            raise misfit(node, f"a bias of {whole.size} numbers for {len(unit)} outputs")
        if g.values[maker.input[0]].dtype == np.int32 and (whole != g.values[maker.input[0]]).any():
            raise InputError(
                f"{label(node)}: its bias has a zero point, which onnxruntime does not look at: int32 "
                "integers have none"
            )
        if np.allclose(scale.reshape(-1), unit, rtol=_SAME, atol=0):
            return np.broadcast_to(whole.reshape(-1), none.shape).astype(np.int64), none
        if g.values[maker.input[0]].dtype == np.int32:
            raise InputError(
                f"{label(node)}: its bias is quantized in another unit than its sums, which onnxruntime "
                "does not look at: give it the scale of the input times that of the weights"
            )
        value = whole * scale.astype(np.float64)
    if value.size not in (1, len(unit)):
        raise misfit(node, f"a bias of {value.size} numbers for {len(unit)} outputs")
    return none.astype(np.int64), np.broadcast_to(value.reshape(-1).astype(np.float64), none.shape)


def from_linear(g: Graph, node: onnx.NodeProto) -> tuple[Product, Quantization]:
    """QLinearConv, QLinearMatMul or QGemm, and the quantization of its output."""
    given, x = g.take(node), g.meant(node, 0)
    transposed = node.op_type == "QLinearMatMul" or (node.op_type == "QGemm" and not given["transB"])
    weight = linear(g, node, (3, 4, 5), transposed)
    places = {"QLinearConv": (8, 6, 7), "QLinearMatMul": (-1, 6, 7), "QGemm": (6, 7, 8)}[node.op_type]
    integer = np.zeros(len(weight.integers), np.int64)
    if 0 <= places[0] < len(node.input) and node.input[places[0]]:
        bias = g.constant(node, places[0], "bias")
        if bias.dtype != np.int32 or bias.size not in (1, len(integer)):
            raise misfit(node, f"its bias is {bias.dtype} {bias.shape}")
        integer = np.broadcast_to(bias.reshape(-1).astype(np.int64), integer.shape)
    if max(places[1:]) >= len(node.input):
        raise InputError(f"{label(node)}: its output is not quantized")
    product = _made(g, Product(node, x, weight, integer, np.zeros(len(integer))), given)
    return product, g.quantization(node, places[1], places[2])


def _made(g: Graph, p: Product, given: dict[str, Any]) -> Product:
    """The product with its window worked out, shapes checked."""
    node, dims, weight = p.node, p.x.dims, p.weight.integers
    if node.op_type not in (*CONVOLUTIONS, "QLinearConv"):
        if len(dims) != 1 or weight.ndim != 2 or weight.shape[1] != dims[0]:
            raise InputError(
                f"{label(node)}: {node.op_type} of {('batch', *dims)} with weights {weight.shape} is not "
                "read: one vector a sample is"
            )
        return p
    if weight.ndim != len(dims) + 1 or len(dims) < 2:
        raise misfit(node, f"weights {weight.shape} for an input of {('batch', *dims)}")
    if list(given.get("kernel_shape", weight.shape[2:])) != list(weight.shape[2:]):
        raise misfit(node, f"kernel_shape {given['kernel_shape']} with weights {weight.shape}")
    flat = {**given}
    if len(dims) == 2:  # one row
        weight = weight[:, :, None]
        flat.update(rowed(given))
    _, height, width = g.type(p.x).shape
    stride, pad, dilation = window(node, flat, weight.shape[2:], (height, width))  # type: ignore[arg-type]
    found = {"stride": stride, "pad": pad, "dilation": dilation, "group": int(given["group"])}
    return Product(node, p.x, Weight(weight, p.weight.scale), p.integer, p.real, found)


def rowed(given: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a window over a row as those of one over a map of one row."""
    made: dict[str, Any] = {}
    for key in ("strides", "dilations", "kernel_shape"):
        if given.get(key):
            made[key] = [1, *given[key]]
    if given.get("pads"):
        pads = list(given["pads"])
        made["pads"] = [0, pads[0], 0, pads[1]] if len(pads) == 2 else pads
    return made


def raw(
    g: Graph, p: Product, sign: np.ndarray | None = None
) -> tuple[str, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The layer of accumulators: (its name, their ranges a channel, what zero point and bias add to each).

    ``sign``: +1 or -1 (O,), channels whose accumulators are turned over.
    """
    weight = p.weight.integers
    if sign is not None:
        weight = weight * sign.reshape(-1, *[1] * (weight.ndim - 1))
    source, zero, name = p.x.name, p.x.quantization.zero, g.fresh()
    kind = g.builder.types[source]
    if p.window:
        around, inside = p.window["pad"], {**p.window}
        if any(around) and not kind.lo <= zero <= kind.hi:  # never met inside, so no Conv may pad with it
            source = g.builder.append(Pad(f"{name}_pad", (source,), around, zero))
            inside["pad"], kind = (0, 0, 0, 0), g.builder.types[source]
        value = zero if any(inside["pad"]) else 0
        node: Any = Conv(name, (source,), weight, stored_bits(weight), **inside, pad_value=value)
    else:
        node = Dense(name, (source,), weight, weight_bits=stored_bits(weight))
    made = g.builder.append(node)
    ranges = channel_ranges(weight, kind.lo, kind.hi, zero if any(p.window.get("pad", ())) else kind.lo)
    bias = p.integer if sign is None else p.integer * sign
    return made, ranges, bias - zero * weight.reshape(len(weight), -1).sum(axis=1)


def dims_of(g: Graph, p: Product, name: str) -> tuple[int, ...]:
    """The file's shape of the product, without the batch."""
    channels, height, width = g.builder.types[name].shape
    return (
        (channels,)
        if not p.window
        else ((channels, width) if len(p.x.dims) == 2 else (channels, height, width))
    )


def finish(
    g: Graph, p: Product, out: Quantization, tail: Sequence[Step] = (), clip: tuple[int, int] | None = None
) -> Tensor:
    """The product requantised.

    Parameters
    ----------
    out : quantization of the result.
    tail : functions of real numbers, float64 (O, K), between the product and the quantizer.
    clip : narrower than that of ``out``, where a rectifier is fused.

    Without a tail: ``clip(rint(float32(acc) float32(float32(s_x s_w) / s_y)) + z_y)``, as onnxruntime's
    integer kernels compute; with one, or with a bias that is no integer, the same function in float64.
    """
    if tail or p.real.any():
        unit, bias = p.unit.astype(np.float64)[:, None], p.real[:, None]

        def rounding(x: np.ndarray) -> np.ndarray:
            value = x * unit + bias
            for step in tail:
                value = step(value)
            return np.rint(settled(value / out.scale)).astype(np.int64)
    else:
        factor = (p.unit / np.float32(out.scale))[:, None]

        def rounding(x: np.ndarray) -> np.ndarray:
            return float32_scale(x, factor)

    sign = _direction(g, p, rounding) if tail else None
    made, ranges, constant = raw(g, p, sign)
    try:
        check_sums(ranges, constant)
    except InputError as error:
        raise InputError(f"{label(p.node)}: {error}") from error
    turned = rounding if sign is None else lambda x: rounding(x * sign[:, None])
    name = requantized(
        g.builder, f"{made}_requantized", made, turned, ranges, constant, out.zero, clip or out.clip
    )
    return Tensor(name, dims_of(g, p, name), out)


def _direction(g: Graph, p: Product, rounding: Step) -> np.ndarray | None:
    """-1 for channels whose function falls (a norm with a negative factor); None where none does."""
    kind, zero = g.type(p.x), p.x.quantization.zero
    least, most = channel_ranges(p.weight.integers, kind.lo, kind.hi, zero)
    flat = p.weight.integers.reshape(len(p.weight.integers), -1).sum(axis=1)
    ends = rounding(np.stack([least, most], axis=1) + (p.integer - zero * flat)[:, None])
    falls = ends[:, 0] > ends[:, 1]
    return np.where(falls, -1, 1).astype(np.int64) if falls.any() else None
