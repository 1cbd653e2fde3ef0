"""The graph under import: constants, what each tensor has become, and the network file's layers so far."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.qonnx.values import WORD, Step, Value, Weights, per_channel
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Affine, Levels, MaxPool

__all__ = ["Graph"]


class Graph:
    """What the import knows so far.

    Attributes
    ----------
    values : by tensor name, a `Value` or `Weights`.
    constants : numbers by tensor name.
    batch : the batch that the file fixes, or 1.
    scale, offset : real pixel = scale * integer pixel + offset; ``judged``: the user has said so, no
    quantizer need agree.
    strange : constants whose floats are of another width than the network's input.
    notes : what the import did that a user should know, one line each.
    """

    def __init__(self, shape: tuple[int, int, int], value_range: tuple[int, int]):
        self.build = Builder(shape, value_range)
        self.constants: dict[str, np.ndarray] = {}
        self.values: dict[str, Any] = {}
        self.batch = 1
        self.opsets: dict[str, int] = {}
        self.notes: list[str] = []
        self.strange: set[str] = set()
        self.judged = False
        self.scale, self.offset = 1.0, 0.0

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

    def given(self, node: onnx.NodeProto, place: int) -> bool:
        """Whether an optional input is there: neither left out nor left empty."""
        return len(node.input) > place and node.input[place] != ""

    def known(self, node: onnx.NodeProto, place: int) -> bool:
        """Whether an input is a constant, plain or quantized."""
        return node.input[place] in self.constants or isinstance(self.values.get(node.input[place]), Weights)

    def constant(self, node: onnx.NodeProto, place: int, what: str) -> np.ndarray:
        """An input that must be a constant (float64 where it is quantized); ``what`` it is, for the
        message."""
        value = self.values.get(node.input[place])
        if isinstance(value, Weights):
            return value.real
        if node.input[place] not in self.constants:
            raise InputError(f"{label(node)}: its {what} must be a constant")
        return self.constants[node.input[place]]

    def input(self, node: onnx.NodeProto, place: int = 0) -> Value:
        """An input that must be an activation."""
        value = self.values.get(node.input[place])
        if not isinstance(value, Value):
            raise InputError(f"{label(node)}: its input {node.input[place]!r} is not an activation")
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
            raise InputError(
                f"{label(node)}: its weights are not quantized: put a Quant node before {node.input[1]!r}"
            )
        return value

    def column(self, node: onnx.NodeProto, x: Value, value: np.ndarray, what: str) -> np.ndarray:
        """(1, C or 1, 1) of a constant that ONNX broadcasts against x: one number, or one a channel.

        Raises InputError where the constant differs along another axis than the channels, or makes the tensor
        larger.
        """
        full = np.asarray(value, np.float64)
        sizes = (self.batch, *x.shape)
        if full.ndim > len(sizes):
            raise InputError(
                f"{label(node)}: its {what} of shape {full.shape} has more axes than the tensor {sizes}: "
                "give one number a channel"
            )
        full = full.reshape((1,) * (len(sizes) - full.ndim) + full.shape)
        for axis, (own, size) in enumerate(zip(full.shape, sizes, strict=True)):
            if own not in (1, size):
                raise InputError(
                    f"{label(node)}: its {what} of shape {np.shape(value)} does not broadcast to the tensor "
                    f"{sizes}"
                )
            first = full.take([0], axis)
            if (full == first).all():
                full = first
            elif axis != 1 or len(x.scale) != size:
                raise InputError(
                    f"{label(node)}: its {what} of shape {np.shape(value)} differs along axis {axis} of the "
                    f"tensor {sizes}: "
                    f"the hardware takes one number a channel, of shape (1, C{', 1' * (len(sizes) - 2)})"
                )
        return full.reshape(1, -1, 1)

    def pooled(self, x: Value, upto: int) -> Value:
        """x with the poolings among the first ``upto`` steps of its chain made layers, before the steps that
        they followed.

        A maximum is carried through a function that rises; where it falls, the channel is turned around
        first.
        """
        x = self.integers(x) if x.chain else x
        kept: list[Step] = []
        for step in x.chain[:upto]:
            if step.pool is None:
                kept.append(step)
                continue
            rises = np.sign(per_channel(x.scale))
            for earlier in kept:
                rises = rises * earlier.rises
            x = self.pool(self._turned(x, rises.ravel()), step.pool)
        return replace(x, chain=(*kept, *x.chain[upto:]))

    def _turned(self, x: Value, rises: np.ndarray) -> Value:
        if not (rises < 0).any():
            return x
        factor = np.where(rises < 0, -1, 1).astype(np.int64)
        made = self.build.append(
            Affine(f"{x.name}_turned", (x.name,), factor, np.zeros_like(factor), 0, -WORD, WORD)
        )
        return replace(x, name=made, scale=x.scale * factor)

    def pool(self, x: Value, window: tuple[Any, Any, Any]) -> Value:
        """x after a MaxPool layer."""
        return replace(x, name=self.build.append(MaxPool(f"{x.name}_pool", (x.name,), *window)))

    def reshaped(self, node: onnx.NodeProto, x: Value, shape: tuple[int, ...]) -> Value:
        """x under another shape of the same order of numbers: flattened, or with its axes of size 1 in or
        out."""
        if int(np.prod(shape)) != int(np.prod(x.shape)):
            raise misfit(node, f"{x.shape} cannot become {shape}")
        same = shape == x.shape
        flat = len(shape) == 1
        points = len(shape) == 3 and shape[1:] == (1, 1) and x.shape in ((shape[0],), shape)
        if not (same or flat or points):
            raise InputError(
                f"{label(node)}: {node.op_type} of {x.shape} to {shape} is not supported, only flattening"
            )
        return replace(x, shape=shape)
