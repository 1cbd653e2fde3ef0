"""One method an operator: the layers that compute the same integers."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.borders import banded
from fermatnet.model.exchange.emit import requantized
from fermatnet.model.exchange.pairs import joined_sum
from fermatnet.model.exchange.requantize.sources import (
    double_rounding,
    fixed_point,
    half_away_division,
)
from fermatnet.model.exchange.tflite.file import Model, Operation
from fermatnet.model.exchange.tflite.operands import INT8, Operands, stored_bits
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Concat, Conv, Dense, MaxPool, Pad, SumPool, Upsample

__all__ = ["Layers"]


class Layers:
    """The layers of a network in the making, and which tensor of the file each of its names holds."""

    def __init__(self, model: Model, builder: Builder):
        self.model, self.builder = model, builder
        self.operands = Operands(model, builder)
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
        """Say which node of the network now stands for a tensor of the file."""
        self.operands.names[tensor] = name

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

    # operators

    def _conv(self, operation: Operation) -> str:
        tensor, source = (
            self.operands.constant(operation, 1, "int8", 4),
            self.operands.read(operation.inputs[0]),
        )
        assert tensor.data is not None
        weight = tensor.data.astype(np.int64).transpose(0, 3, 1, 2)  # (O, kh, kw, I) -> (O, I, kh, kw)
        channels = self.builder.channels(source)
        if channels % weight.shape[1]:
            raise InputError(f"weights for {weight.shape[1]} channels, the input has {channels}")
        scales = self.operands.scales(operation, tensor, 0, len(weight))
        return self._convolution(operation, weight, scales, source, channels // weight.shape[1])

    def _depthwise(self, operation: Operation) -> str:
        tensor, source = (
            self.operands.constant(operation, 1, "int8", 4),
            self.operands.read(operation.inputs[0]),
        )
        assert tensor.data is not None
        weight = tensor.data.astype(np.int64).transpose(3, 0, 1, 2)  # (1, kh, kw, O) -> (O, 1, kh, kw)
        channels = self.builder.channels(source)
        if len(weight) != channels * operation.options["DepthMultiplier"]:
            raise InputError(
                f"{len(weight)} outputs are not {channels} channels times "
                f"{operation.options['DepthMultiplier']}"
            )
        return self._convolution(
            operation, weight, self.operands.scales(operation, tensor, 3, len(weight)), source, channels
        )

    def _convolution(
        self, operation: Operation, weight: np.ndarray, scales: np.ndarray, source: str, groups: int
    ) -> str:
        window = self.operands.window(operation, weight.shape[2:], source)
        zero = self.model.tensors[operation.inputs[0]].one_zero
        node = Conv(
            f"layer{len(self.builder.nodes)}",
            (source,),
            weight,
            stored_bits(weight),
            **window,
            group=groups,
            pad_value=zero if any(window["pad"]) else 0,
        )
        return self.operands.weighted(operation, node, weight, scales, twice=True)

    def _dense(self, operation: Operation) -> str:
        tensor, source = (
            self.operands.constant(operation, 1, "int8", 2),
            self.operands.read(operation.inputs[0]),
        )
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
        node = Dense(f"layer{len(self.builder.nodes)}", (source,), moved, weight_bits=stored_bits(weight))
        return self.operands.weighted(
            operation, node, moved, self.operands.scales(operation, tensor, 0, len(weight)), twice=False
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
        names = [self.operands.read(t) for t in operation.inputs]
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
        clip = self.operands.clip(operation, out)
        scales = (tensors[0].one_scale / out.one_scale, tensors[1].one_scale / out.one_scale)
        name = f"layer{len(self.builder.nodes)}"
        return joined_sum(self.builder, name, (names[0], names[1]), scales, np.clip(result, *clip), clip)

    def _pool(self, operation: Operation) -> tuple[str, tuple[int, int], dict[str, Any]]:
        source = self.operands.read(operation.inputs[0])
        kernel = operation.options["FilterHeight"], operation.options["FilterWidth"]
        return source, kernel, self.operands.window(operation, kernel, source)

    def _average(self, operation: Operation) -> str:
        out = self.operands.same_quantization(operation)
        source, kernel, window = self._pool(operation)
        stride = None if window["stride"] == kernel and not any(window["pad"]) else window["stride"]
        pool = SumPool(f"layer{len(self.builder.nodes)}", (source,), kernel, stride, window["pad"])
        clip = self.operands.clip(operation, out)

        def divided(name: str, sums: str, count: int) -> str:
            kind, channels = self.builder.types[sums], self.builder.channels(sums)
            ranges, none = (
                (np.full(channels, kind.lo), np.full(channels, kind.hi)),
                np.zeros(channels, np.int64),
            )
            return requantized(
                self.builder, name, sums, lambda x: half_away_division(x, count), ranges, none, 0, clip
            )

        return banded(self.builder, pool, divided)

    def _maximum(self, operation: Operation) -> str:
        out = self.operands.same_quantization(operation)
        if self.operands.clip(operation, out) != INT8:
            raise InputError("a maximum with a fused activation is not read")
        source, kernel, window = self._pool(operation)
        return self.builder.append(
            MaxPool(f"layer{len(self.builder.nodes)}", (source,), kernel, window["stride"], window["pad"])
        )

    def _concat(self, operation: Operation) -> str:
        out = self.operands.same_quantization(operation)
        axes = {4: {1: 2, 2: 3, 3: 1}, 2: {1: 1}}.get(len(out.shape), {})
        axis = operation.options["Axis"] % max(len(out.shape), 1)
        if axis not in axes:
            raise InputError(
                f"a concatenation along axis {operation.options['Axis']} of {out.shape} is not read"
            )
        return self.builder.append(
            Concat(
                f"layer{len(self.builder.nodes)}",
                tuple(map(self.operands.read, operation.inputs)),
                axes[axis],
            )
        )

    def _reshape(self, operation: Operation) -> str:
        """Only flattening, and what changes no order."""
        self.operands.same_quantization(operation)
        source, out = self.operands.read(operation.inputs[0]), self.model.tensors[operation.outputs[0]]
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
        self.operands.same_quantization(operation)
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
            Pad(name, (self.operands.read(operation.inputs[0]),), (top, left, bottom, right), zero)
        )

    def _resize(self, operation: Operation) -> str:
        out = self.operands.same_quantization(operation)
        source = self.operands.read(operation.inputs[0])
        _, height, width = self.builder.types[source].shape
        if out.shape[1] % height or out.shape[2] % width:
            raise InputError(
                f"a resize from {height}x{width} to {out.shape[1]}x{out.shape[2]} is not a whole factor"
            )
        factor = out.shape[1] // height, out.shape[2] // width
        return self.builder.append(Upsample(f"layer{len(self.builder.nodes)}", (source,), factor))
