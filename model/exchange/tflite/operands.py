"""What the operators of a .tflite file have in common: operands, scales, windows, fused activations."""

from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.emit import TwoRoundings, channel_ranges, check_sums, requantized
from fermatnet.model.exchange.requantize.sources import (
    double_rounding,
    fixed_point,
    single_rounding,
)
from fermatnet.model.exchange.tflite.file import Model, Operation, Tensor
from fermatnet.model.exchange.tflite.operators import ACTIVATIONS, PADDINGS
from fermatnet.model.network.builder import Builder

__all__ = ["INT8", "Operands", "stored_bits"]

INT8 = (-128, 127)
Four = tuple[int, int, int, int]


def _same(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's "same" padding before and after: as many outputs as strides begin, the odd pixel after."""
    extent = dilation * (kernel - 1) + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def stored_bits(weight: np.ndarray) -> int:
    """8 where the symmetric range of an int8 weight holds it, else 16 (-128 occurs in some files)."""
    return 8 if np.abs(weight).max() <= 127 else 16


class Operands:
    """Tensors of the file as the layers read them, and which name of the network holds each.

    All methods raise InputError; who calls them adds the layer's name.
    """

    def __init__(self, model: Model, builder: Builder):
        self.model, self.builder = model, builder
        self.names: dict[int, str] = {}

    def read(self, tensor: int) -> str:
        """The network's node for a tensor; InputError where no layer writes it."""
        if tensor not in self.names:
            raise InputError(f"reads {self.model.tensors[tensor].name!r}, which no earlier layer writes")
        return self.names[tensor]

    def constant(self, operation: Operation, place: int, dtype: str, rank: int = 0) -> Tensor:
        """An operand that the file holds, of this dtype and rank; InputError otherwise."""
        if place >= len(operation.inputs):
            raise InputError(f"{operation.kind} of {len(operation.inputs)} operands is not read")
        tensor = self.model.tensors[operation.inputs[place]]
        if tensor.data is None or tensor.dtype != dtype:
            raise InputError(f"its operand {tensor.name!r} must be a constant of {dtype}")
        if rank and tensor.data.ndim != rank:
            raise InputError(f"its weights have shape {tensor.shape}, {rank} dimensions are read")
        return tensor

    def bias(self, operation: Operation, outputs: int) -> np.ndarray:
        """int64 (outputs,), zeros where the operator has none; InputError for another length."""
        if len(operation.inputs) < 3 or operation.inputs[2] < 0:
            return np.zeros(outputs, np.int64)
        data = self.constant(operation, 2, "int32").data
        assert data is not None
        if data.size != outputs:
            raise InputError(f"its bias has {data.size} numbers for {outputs} outputs")
        return data.astype(np.int64)

    def clip(self, operation: Operation, out: Tensor) -> tuple[int, int]:
        """Lowest and highest integer after the fused activation, as LiteRT computes them."""
        kind = ACTIVATIONS.get(operation.options.get("FusedActivationFunction", 0))
        zero, scale = out.one_zero, np.float32(out.one_scale)

        def level(value: float) -> int:
            quotient = float(np.float32(value) / scale)
            return zero + int(np.floor(abs(quotient) + 0.5) * np.sign(quotient))

        if kind == "none":
            return INT8
        if kind == "relu":
            return max(-128, level(0)), 127
        if kind == "relu6":
            return max(-128, level(0)), min(127, level(6))
        if kind == "relu_n1_to_1":
            return max(-128, level(-1)), min(127, level(1))
        raise InputError(
            f"a fused activation number {operation.options['FusedActivationFunction']} is not read"
        )

    def scales(self, operation: Operation, weight: Tensor, axis: int, outputs: int) -> np.ndarray:
        """Effective scale of every output channel, in float64 as the converter's own arithmetic."""
        if len(weight.scale) not in (1, outputs) or (len(weight.scale) > 1 and weight.axis != axis):
            raise InputError(
                f"its weights have {len(weight.scale)} scales along axis {weight.axis}, not one an output"
            )
        if weight.zero.any():
            raise InputError("its weights have a zero point, which int8 models of this format never have")
        source, out = self.model.tensors[operation.inputs[0]], self.model.tensors[operation.outputs[0]]
        per = np.broadcast_to(weight.scale, (outputs,)).astype(np.float64)
        return source.one_scale * per / out.one_scale

    def weighted(
        self, operation: Operation, node: Any, weight: np.ndarray, scales: np.ndarray, twice: bool
    ) -> str:
        """Append ``node`` (accumulators of raw inputs) and its requantisation with bias, zero points and
        activation."""
        source, out = self.model.tensors[operation.inputs[0]], self.model.tensors[operation.outputs[0]]
        accumulators = self.builder.append(node)
        pairs = [fixed_point(float(scale)) for scale in scales]
        q, exponent = (np.array(column, np.int64)[:, None] for column in zip(*pairs, strict=True))
        rounding = double_rounding if twice else single_rounding
        flat = weight.reshape(len(weight), -1).astype(np.int64)
        constant = self.bias(operation, len(weight)) - source.one_zero * flat.sum(axis=1)
        given = self.builder.types[self.read(operation.inputs[0])]
        ranges = channel_ranges(
            weight,
            given.lo,
            given.hi,
            getattr(node, "pad_value", 0) if any(getattr(node, "pad", ())) else given.lo,
        )
        check_sums(ranges, constant)
        pair = TwoRoundings(q[:, 0], -exponent[:, 0]) if twice and (exponent <= 0).all() else None
        return requantized(
            self.builder,
            f"{node.name}_requantized",
            accumulators,
            lambda x: rounding(x, q, exponent),
            ranges,
            constant,
            out.one_zero,
            self.clip(operation, out),
            pair,
        )

    def window(self, operation: Operation, kernel: tuple[int, int], source: str) -> dict[str, Any]:
        """Stride, padding (top, left, bottom, right) and dilation as the network's layers take them."""
        options = operation.options
        stride = options["StrideH"], options["StrideW"]
        dilation = options.get("DilationHFactor", 1), options.get("DilationWFactor", 1)
        if min(*kernel, *stride, *dilation) < 1:
            raise InputError(f"window {kernel}, stride {stride} and dilation {dilation} must be positive")
        if options["Padding"] not in PADDINGS:
            raise InputError(f"padding number {options['Padding']} is not read")
        pad: Four = (0, 0, 0, 0)
        if PADDINGS[options["Padding"]] == "same":
            _, height, width = self.builder.types[source].shape
            (top, bottom), (left, right) = (
                _same(*line) for line in zip((height, width), kernel, stride, dilation, strict=True)
            )
            pad = (top, left, bottom, right)
        return {"stride": stride, "pad": pad, "dilation": dilation}

    def same_quantization(self, operation: Operation) -> Tensor:
        """The output of an operator that moves numbers only; InputError where an input has another scale."""
        out = self.model.tensors[operation.outputs[0]]
        for number in operation.inputs:
            tensor = self.model.tensors[number]
            if tensor.dtype == "int8" and (tensor.one_scale, tensor.one_zero) != (
                out.one_scale,
                out.one_zero,
            ):
                raise InputError(
                    f"{operation.kind} must keep scale and zero point, {tensor.name!r} has others than its "
                    "output"
                )
        return out
