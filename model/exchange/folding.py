"""Nodes that read nothing but constants, evaluated before the import sees them."""

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import misfit
from fermatnet.model.exchange.executor import node_in_double

__all__ = ["folded"]


def folded(node: onnx.NodeProto, inputs: dict[str, np.ndarray], opset: int) -> np.ndarray:
    """What a node of ONNX's own operators makes of constant ``inputs`` by name, floats in float64, by onnx's
    reference evaluator.

    Raises InputError where the node cannot be evaluated or its result is not finite.
    """
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    node_in_double(copy)
    values = {
        name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in inputs.items()
    }
    known = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in values]
    graph = helper.make_graph(
        [copy],
        "constant",
        known,
        [helper.make_tensor_value_info(node.output[0], TensorProto.UNDEFINED, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(next(iter(ReferenceEvaluator(model).run(None, values))))
    except Exception as error:
        raise misfit(node, "it cannot be evaluated") from error
    if result.dtype.kind not in "iufb" or (result.dtype.kind == "f" and not np.isfinite(result).all()):
        raise InputError(f"QONNX constant {node.output[0]!r} holds numbers that are not finite")
    return result
