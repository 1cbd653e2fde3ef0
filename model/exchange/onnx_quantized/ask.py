"""onnxruntime asked: what it makes of a file's constants, and of every byte that can reach an elementwise
group.

Its kernels are the meaning of these files, down to the order of their float32 operations, so a function of
one or two bytes is not rebuilt from formulas but tabulated.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fermatnet.model.errors import InputError

__all__ = ["answer", "constants", "session"]

_TYPES = {
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.float32): TensorProto.FLOAT,
}


def session(model: onnx.ModelProto, optimised: bool = True) -> Any:
    """An onnxruntime session on one thread of the CPU, with its integer kernels (``optimised``) or node by
    node. InputError where onnxruntime is missing or does not take the model."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(
            "reading this ONNX file needs the Python package onnxruntime: pip install 'fermatnet[exchange]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # int8 activations stay int8: turned into uint8 in parts, as is the default on x86, some groups miss their
    # integer kernels
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises a class of its own for every status
        raise InputError(f"onnxruntime does not take it: {_first(error)}") from error


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _run(
    nodes: Sequence[onnx.NodeProto],
    values: Mapping[str, np.ndarray],
    opsets: Sequence[onnx.OperatorSetIdProto],
    inputs: Mapping[str, np.ndarray],
    wanted: Sequence[str],
) -> list[np.ndarray]:
    read = {name for node in nodes for name in node.input}
    kept = [numpy_helper.from_array(values[name], name) for name in read if name in values]
    given = [
        helper.make_tensor_value_info(name, _TYPES[value.dtype], value.shape)
        for name, value in inputs.items()
    ]
    leaving = [onnx.ValueInfoProto(name=name) for name in wanted]
    graph = helper.make_graph(nodes, "part", given, leaving, kept)
    model = helper.make_model(graph, opset_imports=list(opsets), ir_version=8)
    try:
        return session(model).run(list(wanted), dict(inputs))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"onnxruntime cannot compute it: {_first(error)}") from error


def answer(
    nodes: Sequence[onnx.NodeProto],
    values: Mapping[str, np.ndarray],
    opsets: Sequence[onnx.OperatorSetIdProto],
    inputs: Mapping[str, np.ndarray],
    wanted: str,
) -> np.ndarray:
    """int64 tensor ``wanted`` that a part of a graph computes; ``values``: constants by name."""
    return _run(nodes, values, opsets, inputs, [wanted])[0].astype(np.int64)


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    """A constant of the file; InputError where it is damaged."""
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(
            f"constant {tensor.name!r} is damaged: its type, shape and data do not belong together"
        ) from error


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every tensor of a graph that depends on constants alone, by name."""
    values = {item.name: _array(item) for item in model.graph.initializer}
    nodes, made, empty = [], [], {""}
    for node in model.graph.node:
        if all(name in values or name in made or name in empty for name in node.input):
            nodes.append(node)
            made += [name for name in node.output if name]
    if nodes:
        found = _run(nodes, values, model.opset_import, {}, made)
        values.update(zip(made, found, strict=True))
    return values
