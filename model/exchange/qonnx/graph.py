"""The graph under import: constants, what each tensor has become, and the network file's layers so far."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Levels

__all__ = ["Function", "Graph", "Value", "Weights", "attributes", "per_channel"]

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Value:
    """A tensor of the network file: real = integer * scale (by channel), then ``chain``; ``levels``: it holds
    indices of these integers."""

    name: str
    scale: np.ndarray
    levels: np.ndarray | None = None
    chain: tuple[Function, ...] = ()


@dataclass(frozen=True)
class Weights:
    """Quantized weights: real = integer * scale."""

    integers: np.ndarray
    scale: np.ndarray


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def per_channel(value: np.ndarray) -> np.ndarray:
    """(1, C, 1) column of a scalar or a channelwise constant."""
    return np.asarray(value, np.float64).reshape(1, -1, 1)


class Graph:
    """``values``: by tensor name, a `Value` or `Weights`; ``bias_error``: what rounding the last bias cost,
    in real units."""

    def __init__(self, graph: onnx.GraphProto, shape: tuple[int, int, int], value_range: tuple[int, int]):
        self.build = Builder(shape, value_range)
        self.constants: dict[str, np.ndarray] = {
            item.name: self.finite(item.name, item) for item in graph.initializer
        }
        self.values: dict[str, Any] = {}
        self.bias_error = 0.0
        # of dense layers, in case one of them turns out to be the last
        self.biases: dict[str, np.ndarray] = {}
        inputs = [item.name for item in graph.input if item.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise InputError(
                f"a network for the hardware has one input and one output, not {len(inputs)} and "
                f"{len(graph.output)}"
            )
        self.values[inputs[0]] = Value("image", np.ones(shape[0]))

    @staticmethod
    def finite(name: str, tensor: onnx.TensorProto) -> np.ndarray:
        """A constant, whose numbers must all be finite."""
        try:
            value = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"QONNX constant {name!r} is damaged: its type, shape and data do not belong together"
            ) from error
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise InputError(f"QONNX constant {name!r} holds numbers that are not finite")
        return value

    def name(self, node: onnx.NodeProto) -> str:
        """A layer's name for the node."""
        return (node.name or node.op_type).strip("/").replace("/", "_").replace(".", "_")

    def constant(self, node: onnx.NodeProto, place: int, what: str) -> np.ndarray:
        """An input that must be a constant; ``what`` it is, for the message."""
        if node.input[place] not in self.constants:
            raise InputError(f"QONNX node {node.name!r}: its {what} must be a constant")
        return self.constants[node.input[place]]

    def input(self, node: onnx.NodeProto, place: int = 0) -> Value:
        """An input that must be an activation."""
        value = self.values.get(node.input[place])
        if not isinstance(value, Value):
            raise InputError(
                f"QONNX node {node.name!r}: its input {node.input[place]!r} is not an activation"
            )
        return value

    def integers(self, x: Value) -> Value:
        """x as integers, by a level table where it holds indices."""
        if x.levels is None:
            return x
        return replace(
            x, name=self.build.append(Levels(f"{x.name}_levels", (x.name,), x.levels)), levels=None
        )

    def weights(self, node: onnx.NodeProto) -> Weights:
        """The second input, which must be quantized weights."""
        value = self.values.get(node.input[1])
        if not isinstance(value, Weights):
            raise InputError(f"QONNX node {node.name!r}: its weights are not quantized")
        return value
