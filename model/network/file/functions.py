"""What each operator of the file means: one model-local function of standard ONNX integer operators for
each."""

from onnx import FunctionProto, helper

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.layers import LAYERS

__all__ = ["DOMAIN", "OPSET", "function"]

DOMAIN = "fermatnet"
OPSET = 21


def function(op: str) -> FunctionProto:
    """The model-local function of one operator, as its layer defines it. Raises KeyError for an operator of
    no layer."""
    operator = next((candidate for layer in LAYERS if (candidate := layer.op_named(op)) is not None), None)
    if operator is None:
        raise KeyError(op)
    body = Body()
    operator.body(body)
    imports = [helper.make_opsetid("", OPSET)]
    return helper.make_function(
        DOMAIN, op, list(operator.inputs), ["y"], body.nodes, imports, list(operator.attributes)
    )
