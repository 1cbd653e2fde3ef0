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
    made = next((found for layer in LAYERS if (found := layer.op_named(op)) is not None), None)
    if made is None:
        raise KeyError(op)
    body = Body()
    made.body(body)
    imports = [helper.make_opsetid("", OPSET)]
    return helper.make_function(
        DOMAIN, op, list(made.inputs), ["y"], body.nodes, imports, list(made.attributes)
    )
