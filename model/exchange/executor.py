"""The source's own executor: onnx's reference evaluator, run in float64, as the judge of an import.

It shares no code with the import: the graph is evaluated as the ONNX standard says (`onnx.reference`),
QONNX's operators as QONNX's papers say. The float32 numbers of the file are taken exactly, the arithmetic
between them is float64, so that a sum falls on the side of a quantizer's step on which exact arithmetic has
it. Weights are quantized in the file's own float32, number by number, as training did it.
"""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.executor_operators import SINGLE, operators
from fermatnet.model.exchange.source_file import CUSTOM_DOMAINS

__all__ = ["Executor", "in_double", "node_in_double"]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def _double(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in _FLOATS:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
        )


def node_in_double(node: onnx.NodeProto) -> None:
    """Makes the floats in a node's attributes float64, in place."""
    for item in node.attribute:
        if item.type == onnx.AttributeProto.TENSOR:
            _double(item.t)
        elif node.op_type == "Cast" and item.name == "to" and item.i in _FLOATS:
            item.i = TensorProto.DOUBLE
        elif node.op_type == "Constant" and item.name in ("value_float", "value_floats"):
            value = np.asarray(onnx.helper.get_attribute_value(item), np.float64)
            item.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(value)))


def _mark_weights(graph: onnx.GraphProto) -> None:
    """Quantizers of float32 constants keep float32's division, which float64 would decide otherwise near a
    tie."""
    single = {item.name for item in graph.initializer if item.data_type == TensorProto.FLOAT}
    for node in graph.node:
        if node.op_type == "Constant" and any(
            item.t.data_type == TensorProto.FLOAT for item in node.attribute
        ):
            single.add(node.output[0])
        elif node.domain in CUSTOM_DOMAINS and node.input and node.input[0] in single:
            node.attribute.append(onnx.helper.make_attribute(SINGLE, 1))


def _in_double(graph: onnx.GraphProto) -> None:
    _mark_weights(graph)
    for tensor in graph.initializer:
        _double(tensor)
    for node in graph.node:
        node_in_double(node)
    for item in (*graph.input, *graph.output):
        if item.type.tensor_type.elem_type in _FLOATS:
            item.type.tensor_type.elem_type = TensorProto.DOUBLE


def in_double(model: onnx.ModelProto, dtype: type = np.float64) -> onnx.ModelProto:
    """A copy of a model whose constants, casts and inputs are float64 where they were narrower floats;
    float32: left as they are."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if dtype is np.float64:
        _in_double(copy.graph)
    for node in copy.graph.node:
        node.domain = "" if node.domain == "ai.onnx" else node.domain  # two names of one domain
    del copy.graph.value_info[:]
    known = {item.domain for item in copy.opset_import}
    for domain in sorted(
        {node.domain for node in copy.graph.node} - known
    ):  # old files leave a tool's own domain out
        copy.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    return copy


class Executor:
    """Runs an ONNX or QONNX model in float64.

    Parameters
    ----------
    model : ModelProto
    output : str
        The tensor wanted, any of the graph's; by default its first output.
    dtype : numpy type
        float64, or float32 for what the file's own float arithmetic gives, with its errors.
    """

    def __init__(self, model: onnx.ModelProto, output: str | None = None, dtype: type = np.float64):
        self._dtype = dtype
        copy = in_double(model, dtype)
        constants = {item.name for item in copy.graph.initializer}
        self.input = next(item.name for item in copy.graph.input if item.name not in constants)
        if output is not None:
            del copy.graph.output[:]
            copy.graph.output.append(onnx.helper.make_tensor_value_info(output, TensorProto.DOUBLE, None))
        try:
            self._evaluator = ReferenceEvaluator(copy, new_ops=operators())
        except Exception as error:
            raise InputError(f"the file cannot be run by onnx.reference: {_first_line(error)}") from error

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The tensor for x, float64, of the shape that the file's input has. InputError where the graph
        cannot be run."""
        try:
            with np.errstate(all="ignore"):
                return np.asarray(next(iter(self._evaluator.run(None, {self.input: x.astype(self._dtype)}))))
        except Exception as error:
            raise InputError(f"the file cannot be run by onnx.reference: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
