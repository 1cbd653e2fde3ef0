"""From a quantized ONNX file (QDQ, QCDQ, QLinear operators) to the layers of a network file, integer for
integer."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.onnx_quantized import elementwise
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.onnx_quantized.groups import grouped
from fermatnet.model.exchange.onnx_quantized.linear import LINEAR, emitted
from fermatnet.model.exchange.onnx_quantized.moves import MOVES, moved
from fermatnet.model.exchange.onnx_quantized.outputs import Ending, ending, only_ends
from fermatnet.model.exchange.onnx_quantized.written import written
from fermatnet.model.exchange.source_file import Source
from fermatnet.model.exchange.source_file import read as read_source
from fermatnet.model.network import Network
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.nodes import Affine

__all__ = ["Reading", "read"]

_TYPES = ("FLOAT", "INT8", "UINT8")


@dataclass(frozen=True, eq=False)
class Reading:
    """A network that has not been compared yet.

    Attributes
    ----------
    network : the import.
    source : the file.
    entries : the file's first quantized tensor by the network's input.
    ends : what the network's outputs are in the file, in order.
    tensors : the network's tensor by the file's quantized tensor.
    floats : quantized tensors that onnxruntime computes in float32; ``means``: the averages of them, whose
        sums often lie on a step.
    """

    network: Network
    source: Source
    entries: dict[str, str]
    ends: tuple[Ending, ...]
    tensors: dict[str, str]
    floats: tuple[str, ...]
    means: tuple[str, ...]


def read(path: str | Path) -> Reading:
    """The network of a quantized ONNX file. Metadata: ``source`` "onnx", ``source_input`` and
    ``source_output`` (tensor names), ``input_scale``, ``input_zero``, ``output_scale``, ``output_zero``,
    ``taken_off``.

    Input: the integers of the first QuantizeLinear's output, (n, *dims) as the file has them; output: those
    of the file's last quantized tensor. Several inputs and outputs have the file's names, and the metadata
    hold the scales of all but the first under ``input_scale.NAME`` and so on. Raises InputError in one line
    that names the node: operators, attributes, types and shapes that are not read.
    """
    source = read_source(path, _TYPES, several=True)
    try:
        return _Reader(source).reading()
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


class _Reader:
    def __init__(self, source: Source):
        self.source = source
        self.g = Graph(source)
        self.entries: dict[str, str] = {}  # the quantized tensor by the file's input

    def reading(self) -> Reading:
        g, source = self.g, self.source
        if len({dims[:1] for dims in source.inputs.values()}) > 1:
            raise InputError(f"its inputs have different batches: {source.inputs}")
        for name in source.inputs:
            self._integer_input(name)
        for node in source.model.graph.node:
            if not all(not name or name in g.values for name in node.output):
                self._node(node)
        for name in source.inputs:
            if name not in self.entries:
                raise InputError(f"its input {name!r} is quantized by no QuantizeLinear")
        ends = [ending(g, name) for name in source.outputs]
        self._all_used(ends)
        made = written(g, self.entries, ends)
        tensors = {tensor: made.names.get(found.name, found.name) for tensor, found in g.tensors.items()}
        return Reading(
            made.network, source, made.entries, tuple(ends), tensors, tuple(g.floats), tuple(g.means)
        )

    def _node(self, node: onnx.NodeProto) -> None:
        g = self.g
        live = [name for name in node.input if name and name not in g.values]
        if node.op_type == "QuantizeLinear":
            given = g.take(node)
            out = g.quantization(node, 1, 2)
            if given.get("saturate", 1) != 1:
                raise InputError(f"{label(node)}: QuantizeLinear with saturate = 0 is not read")
            if node.input[0] in self.source.inputs:
                self._enter(node.input[0], node.output[0], out)
            elif not only_ends(g, node):
                g.tensors[node.output[0]] = grouped(g, node, out)
        elif node.op_type in LINEAR:
            g.tensors[node.output[0]] = emitted(g, node)
        elif node.op_type == "Split" and live and live[0] in g.tensors:
            for name in node.output:
                g.tensors[name] = moved(g, g.part(node, name), g.activation(node, 0))
        elif any(name in g.tensors for name in live) and node.op_type != "DequantizeLinear":
            made = self._on_integers(node, live)
            if made is not None:
                g.tensors[node.output[0]] = made

    def _on_integers(self, node: onnx.NodeProto, live: list[str]) -> Tensor | None:
        """Nodes that ONNX lets work on the integers themselves; None for those that may only end a file."""
        g = self.g
        tensors = [g.tensors[name] for name in live if name in g.tensors]
        if node.op_type in MOVES:
            return moved(g, node, g.activation(node, 0))
        if node.op_type == "Clip":
            return self._clipped(node, tensors[0])
        if node.op_type == "Concat":
            axis = g.take(node)["axis"]
            if len({x.quantization for x in tensors}) != 1 or len(tensors) != len(node.input):
                raise InputError(f"{label(node)}: integers of different scales are joined as they are")
            return elementwise.concatenated(g, node, tensors, axis)
        if node.op_type in ("QLinearSoftmax", "ArgMax"):
            return None
        raise InputError(
            f"{label(node)}: {node.op_type} of integers is not read: put a DequantizeLinear before it and a "
            "QuantizeLinear after it"
        )

    def _clipped(self, node: onnx.NodeProto, x: Tensor) -> Tensor:
        """QCDQ narrows the range of a quantizer by a Clip."""
        g = self.g
        g.take(node)
        kind, (low, high) = g.type(x), x.quantization.clip
        if len(node.input) > 1 and node.input[1]:
            low = int(g.constant(node, 1, "bound").reshape(-1)[0])
        if len(node.input) > 2 and node.input[2]:
            high = int(g.constant(node, 2, "bound").reshape(-1)[0])
        if low > high:
            raise InputError(f"{label(node)}: its bounds {low}..{high} are empty")
        if low <= kind.lo and kind.hi <= high:
            return x
        channels = kind.shape[0]
        ones, none = np.ones(channels, np.int64), np.zeros(channels, np.int64)
        name = g.builder.append(Affine(g.fresh(), (x.name,), ones, none, 0, low, high))
        return replace(x, name=name)

    def _integer_input(self, name: str) -> None:
        """An input that is quantized already: its first reader tells scale and zero point."""
        g = self.g
        kind = next(item for item in self.source.model.graph.input if item.name == name)
        if kind.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            return
        reader = next((node for node in self.source.model.graph.node if name in node.input), None)
        if reader is None or (reader.op_type != "DequantizeLinear" and reader.op_type not in LINEAR):
            raise InputError(f"its input {name!r} must be read by a DequantizeLinear or a QLinear operator")
        at = list(reader.input).index(name)
        self._enter(name, name, g.quantization(reader, at + 1, at + 2))

    def _enter(self, name: str, tensor: str, quantization: Quantization) -> None:
        """The file's input ``name``, whose integers are ``tensor``."""
        dims, several = self.source.inputs[name][1:], len(self.source.inputs) > 1
        if name in self.entries:
            raise InputError(f"its input {name!r} is quantized twice, in two ways: quantize it once")
        if not dims or min(dims) < 1 or len(dims) > 3:
            raise InputError(
                f"its input {name!r} has shape {list(self.source.inputs[name])}: fix all sizes but the "
                "batch, for vectors (batch, n), rows (batch, c, n) or images (batch, C, H, W)"
            )
        own = name if several else "image"
        one = Input(own, dims, *quantization.clip, quantization.dtype)
        if self.g.builder is None:
            self.g.builder = Builder(one.shape, quantization.clip, own)
        elif own in self.g.builder.types:
            raise InputError(f"its input {name!r} has a layer's name: call it otherwise")
        self.g.builder.types[own] = one.type
        self.g.tensors[tensor], self.entries[name] = Tensor(own, tuple(dims), quantization), tensor

    def _all_used(self, ends: list[Ending]) -> None:
        taken = frozenset().union(*(end.nodes for end in ends))
        for node in self.source.model.graph.node:
            constant = all(not name or name in self.g.values for name in node.output)
            if not constant and id(node) not in self.g.used and id(node) not in taken:
                raise InputError(f"{label(node)}: {node.op_type} reads or gives what no quantizer takes")
