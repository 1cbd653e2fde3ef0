"""What the reader of a quantized ONNX file knows while it walks: constants, integer tensors, and where each
came from."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.onnx_quantized import ask
from fermatnet.model.exchange.onnx_quantized.operators import arguments_of
from fermatnet.model.exchange.source_file import Source
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.types import TensorType

__all__ = ["Graph", "Quantization", "Tensor"]

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@dataclass(frozen=True)
class Quantization:
    """real = scale * (integer - zero), the integer of ``dtype``; scale is a float32's value."""

    scale: float
    zero: int
    dtype: str

    @property
    def clip(self) -> tuple[int, int]:
        """Lowest and highest integer."""
        return _RANGES[self.dtype]


@dataclass(frozen=True)
class Tensor:
    """A quantized tensor of the file: ``name`` in the network, ``dims`` without the batch, as the file has
    them."""

    name: str
    dims: tuple[int, ...]
    quantization: Quantization

    def __post_init__(self) -> None:
        if not 1 <= len(self.dims) <= 3:
            raise InputError(f"a tensor of shape {('batch', *self.dims)} is not read: vectors to images are")


class Graph:
    """A network in the making.

    Attributes
    ----------
    source : the file; ``values``: every constant tensor by name.
    producer : the node that writes a tensor.
    tensors : quantized tensors by the file's name.
    used : numbers (id) of the nodes that were taken into account.
    parts : (the copy itself, its origin) by the number (id) of a copy of one output of a node of several.
    floats : quantized tensors that onnxruntime computes in float32, having no integer kernel for them, where
        it may fall on the other side of a step.
    means : those that are averages, whose sums lie on a step often.
    """

    def __init__(self, source: Source):
        self.source = source
        self.values = ask.constants(source.model)
        self.producer = {name: node for node in source.model.graph.node for name in node.output}
        self.producer.pop("", None)  # an output left out
        self.tensors: dict[str, Tensor] = {}
        self.used: set[int] = set()
        self.parts: dict[int, tuple[onnx.NodeProto, onnx.NodeProto]] = {}
        self.floats: list[str] = []
        self.means: list[str] = []
        self.builder: Builder = None  # type: ignore[assignment]  # made when the input's type is known

    def take(self, node: onnx.NodeProto) -> dict[str, Any]:
        """The node's checked attributes; it counts as taken into account from now on."""
        self.used.add(id(node))
        return arguments_of(node, self.source.opsets)

    def part(self, node: onnx.NodeProto, output: str) -> onnx.NodeProto:
        """A node as the one that writes ``output`` alone; a node of one output is it already."""
        if len(node.output) == 1:
            return node
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("output")
        copy.output.append(output)
        self.parts[id(copy)] = copy, node
        return copy

    def part_of(self, node: onnx.NodeProto) -> tuple[onnx.NodeProto, str]:
        """(the file's node, its output) of what `part` gave."""
        return self.parts.get(id(node), (node, node))[1], node.output[0]

    def type(self, tensor: Tensor) -> TensorType:
        """Shape (C, H, W) and range in the network."""
        return self.builder.types[tensor.name]

    def fresh(self) -> str:
        """A name for the next layer."""
        return f"layer{len(self.builder.nodes)}"

    def constant(self, node: onnx.NodeProto, place: int, what: str) -> np.ndarray:
        """An input that must be a constant of finite numbers."""
        name = node.input[place] if place < len(node.input) else ""
        if name not in self.values:
            raise InputError(f"{label(node)}: its {what} {name!r} must be a constant")
        value = self.values[name]
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InputError(f"{label(node)}: its {what} {name!r} holds numbers that are not finite")
        return value

    def scale(self, node: onnx.NodeProto, place: int) -> np.ndarray:
        """A constant scale, float32 of one number or one a channel, positive."""
        value = self.constant(node, place, "scale")
        if value.dtype != np.float32 or value.ndim > 1 or not value.size or (value <= 0).any():
            raise InputError(f"{label(node)}: its scale {node.input[place]!r} must be positive FLOAT numbers")
        return value.reshape(-1)

    def quantization(self, node: onnx.NodeProto, scale: int, zero: int) -> Quantization:
        """That of an activation: one scale and one zero point, the inputs at these places."""
        found = self.scale(node, scale)
        if len(found) != 1:
            raise InputError(f"{label(node)}: an activation of {len(found)} scales is not read, only of one")
        point = np.zeros(1, np.uint8)
        if zero < len(node.input) and node.input[zero]:
            point = self.constant(node, zero, "zero point").reshape(-1)
        if len(point) != 1 or point.dtype.name not in _RANGES:
            raise InputError(
                f"{label(node)}: activations of {point.dtype.name} are not read, which onnxruntime itself "
                "computes in floats: quantize to int8 or uint8"
            )
        for item in node.attribute:
            if item.name == "output_dtype" and item.i not in (
                0,
                onnx.helper.np_dtype_to_tensor_dtype(point.dtype),
            ):
                raise misfit(node, "output_dtype is not the zero point's type")
        return Quantization(float(found[0]), int(point[0]), point.dtype.name)

    def activation(self, node: onnx.NodeProto, place: int) -> Tensor:
        """A quantized tensor that the node reads."""
        name = node.input[place]
        if name not in self.tensors:
            raise InputError(f"{label(node)}: its input {name!r} must be a quantized tensor")
        return self.tensors[name]

    def meant(self, node: onnx.NodeProto, place: int) -> Tensor:
        """A tensor as a QLinear operator or a DequantizeLinear reads it: its scale and zero point are the
        next two inputs; they may be others than it was written with, but not of another type."""
        tensor, stated = self.activation(node, place), self.quantization(node, place + 1, place + 2)
        if tensor.quantization.dtype != stated.dtype:
            raise misfit(node, f"it reads {stated.dtype}, the tensor is {tensor.quantization.dtype}")
        return replace(tensor, quantization=stated)
