"""One method an operator: the layers that compute the same integers."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.emit import TwoRoundings, channel_ranges, check_sums, requantized
from fermatnet.model.exchange.pairs import joined_sum
from fermatnet.model.exchange.requantize.sources import (
    double_rounding,
    fixed_point,
    half_away_division,
    single_rounding,
)
from fermatnet.model.exchange.tflite.file import Model, Operation, Tensor
from fermatnet.model.exchange.tflite.operators import ACTIVATIONS, PADDINGS
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Concat, Conv, Dense, MaxPool, Pad, SumPool, Upsample

__all__ = ["Layers"]

INT8 = (-128, 127)
Four = tuple[int, int, int, int]


def _same(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's "same" padding before and after: as many outputs as strides begin, the odd pixel after."""
    extent = dilation * (kernel - 1) + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def _stored_bits(weight: np.ndarray) -> int:
    """8 where the symmetric range of an int8 weight holds it, else 16 (-128 occurs in some files)."""
    return 8 if np.abs(weight).max() <= 127 else 16


class Layers:
    """The layers of a network in the making, and which tensor of the file each of its names holds."""

    def __init__(self, model: Model, builder: Builder):
        self.model, self.builder = model, builder
        self.names: dict[int, str] = {}
        self._table: dict[str, Callable[[Operation], str]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "ADD": self._add,
            "AVERAGE_POOL_2D": self._average,
            "MAX_POOL_2D": self._maximum,
            "CONCATENATION": self._concat,
            "RESHAPE": self._reshape,
            "PAD": self._pad,
            "RESIZE_NEAREST_NEIGHBOR": self._resize,
        }

    def put(self, tensor: int, name: str) -> None:
        self.names[tensor] = name

    def add(self, operation: Operation) -> None:
        """Append the layers of one operation; InputError that names it when it cannot be read."""
        if operation.kind not in self._table:
            raise InputError(f"layer {operation.name!r}: {operation.kind} is read at the end of a model only")
        for tensor in (*operation.inputs[:1], *operation.outputs):
            found = self.model.tensors[tensor]
            if found.dtype != "int8":
                raise InputError(
                    f"layer {operation.name!r}: {operation.kind} of {found.dtype} is not read; quantize it "
                    "to int8"
                )
        if len(operation.outputs) != 1:
            raise InputError(
                f"layer {operation.name!r}: {operation.kind} has {len(operation.outputs)} outputs, one is "
                "read"
            )
        try:
            self.put(operation.outputs[0], self._table[operation.kind](operation))
        except InputError as error:
            named = str(error).startswith(f"layer {operation.name!r}")
            raise InputError(str(error) if named else f"layer {operation.name!r}: {error}") from error

    # what the operators have in common

    def _read(self, tensor: int) -> str:
        if tensor not in self.names:
            raise InputError(f"reads {self.model.tensors[tensor].name!r}, which no earlier layer writes")
        return self.names[tensor]

    def _constant(self, operation: Operation, place: int, dtype: str, rank: int = 0) -> Tensor:
        if place >= len(operation.inputs):
            raise InputError(f"{operation.kind} of {len(operation.inputs)} operands is not read")
        tensor = self.model.tensors[operation.inputs[place]]
        if tensor.data is None or tensor.dtype != dtype:
            raise InputError(f"its operand {tensor.name!r} must be a constant of {dtype}")
        if rank and tensor.data.ndim != rank:
            raise InputError(f"its weights have shape {tensor.shape}, {rank} dimensions are read")
        return tensor

    def _bias(self, operation: Operation, outputs: int) -> np.ndarray:
        if len(operation.inputs) < 3 or operation.inputs[2] < 0:
            return np.zeros(outputs, np.int64)
        data = self._constant(operation, 2, "int32").data
        assert data is not None
        if data.size != outputs:
            raise InputError(f"its bias has {data.size} numbers for {outputs} outputs")
        return data.astype(np.int64)

    def _clip(self, operation: Operation, out: Tensor) -> tuple[int, int]:
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

    def _scales(self, operation: Operation, weight: Tensor, axis: int, outputs: int) -> np.ndarray:
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

    def _weighted(
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
        constant = self._bias(operation, len(weight)) - source.one_zero * flat.sum(axis=1)
        given = self.builder.types[self._read(operation.inputs[0])]
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
            self._clip(operation, out),
            pair,
        )

    def _window(self, operation: Operation, kernel: tuple[int, int], source: str) -> dict[str, Any]:
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

    # operators

    def _conv(self, operation: Operation) -> str:
        tensor, source = self._constant(operation, 1, "int8", 4), self._read(operation.inputs[0])
        assert tensor.data is not None
        weight = tensor.data.astype(np.int64).transpose(0, 3, 1, 2)  # (O, kh, kw, I) -> (O, I, kh, kw)
        channels = self.builder.channels(source)
        if channels % weight.shape[1]:
            raise InputError(f"weights for {weight.shape[1]} channels, the input has {channels}")
        scales = self._scales(operation, tensor, 0, len(weight))
        return self._convolution(operation, weight, scales, source, channels // weight.shape[1])

    def _depthwise(self, operation: Operation) -> str:
        tensor, source = self._constant(operation, 1, "int8", 4), self._read(operation.inputs[0])
        assert tensor.data is not None
        weight = tensor.data.astype(np.int64).transpose(3, 0, 1, 2)  # (1, kh, kw, O) -> (O, 1, kh, kw)
        channels = self.builder.channels(source)
        if len(weight) != channels * operation.options["DepthMultiplier"]:
            raise InputError(
                f"{len(weight)} outputs are not {channels} channels times "
                f"{operation.options['DepthMultiplier']}"
            )
        return self._convolution(
            operation, weight, self._scales(operation, tensor, 3, len(weight)), source, channels
        )

    def _convolution(
        self, operation: Operation, weight: np.ndarray, scales: np.ndarray, source: str, groups: int
    ) -> str:
        window = self._window(operation, weight.shape[2:], source)
        zero = self.model.tensors[operation.inputs[0]].one_zero
        node = Conv(
            f"layer{len(self.builder.nodes)}",
            (source,),
            weight,
            _stored_bits(weight),
            **window,
            group=groups,
            pad_value=zero if any(window["pad"]) else 0,
        )
        return self._weighted(operation, node, weight, scales, twice=True)

    def _dense(self, operation: Operation) -> str:
        tensor, source = self._constant(operation, 1, "int8", 2), self._read(operation.inputs[0])
        assert tensor.data is not None
        weight = tensor.data.astype(np.int64)
        channels, height, width = self.builder.types[source].shape
        if weight.shape[1] != channels * height * width:
            raise InputError(
                f"weights for {weight.shape[1]} inputs, the input has {channels * height * width}"
            )
        if len(self.model.tensors[operation.outputs[0]].shape) != 2:
            raise InputError("a dense layer over more than one vector is not read")
        # flattened as (H, W, C) in the source and as (C, H, W) here
        moved = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(weight.shape)
        node = Dense(f"layer{len(self.builder.nodes)}", (source,), moved, weight_bits=_stored_bits(weight))
        return self._weighted(
            operation, node, moved, self._scales(operation, tensor, 0, len(weight)), twice=False
        )

    def _add(self, operation: Operation) -> str:
        tensors = [self.model.tensors[t] for t in operation.inputs]
        if len(tensors) != 2:
            raise InputError(f"ADD of {len(tensors)} operands is not read")
        if tensors[0].shape != tensors[1].shape:
            raise InputError(
                f"shapes {tensors[0].shape} and {tensors[1].shape} are added only where they are equal"
            )
        out = self.model.tensors[operation.outputs[0]]
        twice = 2 * max(tensor.one_scale for tensor in tensors)
        names = [self._read(t) for t in operation.inputs]
        terms = []
        for tensor, name in zip(tensors, names, strict=True):
            kind = self.builder.types[name]
            values = np.arange(kind.lo, kind.hi + 1, dtype=np.int64) - tensor.one_zero
            terms.append(double_rounding(values << 20, *map(np.int64, fixed_point(tensor.one_scale / twice))))
        total = terms[0][:, None] + terms[1][None, :]
        result = (
            double_rounding(total, *map(np.int64, fixed_point(twice / ((1 << 20) * out.one_scale))))
            + out.one_zero
        )
        clip = self._clip(operation, out)
        scales = (tensors[0].one_scale / out.one_scale, tensors[1].one_scale / out.one_scale)
        name = f"layer{len(self.builder.nodes)}"
        return joined_sum(self.builder, name, (names[0], names[1]), scales, np.clip(result, *clip), clip)

    def _same_quantization(self, operation: Operation) -> Tensor:
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

    def _pool(self, operation: Operation) -> tuple[str, tuple[int, int], dict[str, Any]]:
        source = self._read(operation.inputs[0])
        kernel = operation.options["FilterHeight"], operation.options["FilterWidth"]
        return source, kernel, self._window(operation, kernel, source)

    def _average(self, operation: Operation) -> str:
        out = self._same_quantization(operation)
        source, kernel, window = self._pool(operation)
        if any(window["pad"]):
            raise InputError(
                "an average whose windows reach over the border counts less there, which is not read; use "
                "VALID padding"
            )
        name = f"layer{len(self.builder.nodes)}"
        sums = self.builder.append(
            SumPool(name, (source,), kernel, None if window["stride"] == kernel else window["stride"])
        )
        area, channels = prod(kernel), self.builder.channels(sums)
        kind = self.builder.types[sums]
        ranges = np.full(channels, kind.lo), np.full(channels, kind.hi)
        none = np.zeros(channels, np.int64)
        return requantized(
            self.builder,
            f"{name}_mean",
            sums,
            lambda x: half_away_division(x, area),
            ranges,
            none,
            0,
            self._clip(operation, out),
        )

    def _maximum(self, operation: Operation) -> str:
        out = self._same_quantization(operation)
        if self._clip(operation, out) != INT8:
            raise InputError("a maximum with a fused activation is not read")
        source, kernel, window = self._pool(operation)
        return self.builder.append(
            MaxPool(f"layer{len(self.builder.nodes)}", (source,), kernel, window["stride"], window["pad"])
        )

    def _concat(self, operation: Operation) -> str:
        out = self._same_quantization(operation)
        axes = {4: {1: 2, 2: 3, 3: 1}, 2: {1: 1}}.get(len(out.shape), {})
        axis = operation.options["Axis"] % max(len(out.shape), 1)
        if axis not in axes:
            raise InputError(
                f"a concatenation along axis {operation.options['Axis']} of {out.shape} is not read"
            )
        return self.builder.append(
            Concat(f"layer{len(self.builder.nodes)}", tuple(map(self._read, operation.inputs)), axes[axis])
        )

    def _reshape(self, operation: Operation) -> str:
        """Only flattening, and what changes no order."""
        self._same_quantization(operation)
        source, out = self._read(operation.inputs[0]), self.model.tensors[operation.outputs[0]]
        given = self.model.tensors[operation.inputs[0]].shape
        flat = len(out.shape) == 2 and out.shape == (1, prod(given))
        squeezed = [d for d in given if d != 1] == [d for d in out.shape if d != 1] and len(given) == len(
            out.shape
        )
        if not flat and not squeezed:
            raise InputError(
                f"a reshape from {given} to {out.shape} is not read, only flattening to (1, {prod(given)})"
            )
        return source

    def _pad(self, operation: Operation) -> str:
        self._same_quantization(operation)
        amounts = self.model.tensors[operation.inputs[1]]
        if (
            amounts.data is None
            or amounts.data.shape != (4, 2)
            or amounts.data[0].any()
            or amounts.data[3].any()
        ):
            raise InputError("padding must be constant, of rows and columns only")
        (top, bottom), (left, right) = amounts.data[1].tolist(), amounts.data[2].tolist()
        zero = self.model.tensors[operation.inputs[0]].one_zero
        name = f"layer{len(self.builder.nodes)}"
        return self.builder.append(
            Pad(name, (self._read(operation.inputs[0]),), (top, left, bottom, right), zero)
        )

    def _resize(self, operation: Operation) -> str:
        out = self._same_quantization(operation)
        source = self._read(operation.inputs[0])
        _, height, width = self.builder.types[source].shape
        if out.shape[1] % height or out.shape[2] % width:
            raise InputError(
                f"a resize from {height}x{width} to {out.shape[1]}x{out.shape[2]} is not a whole factor"
            )
        factor = out.shape[1] // height, out.shape[2] // width
        return self.builder.append(Upsample(f"layer{len(self.builder.nodes)}", (source,), factor))
