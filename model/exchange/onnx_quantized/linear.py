"""QLinear operators: one node that reads integers and writes integers."""

import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.onnx_quantized import elementwise
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Tensor
from fermatnet.model.exchange.onnx_quantized.moves import average
from fermatnet.model.exchange.onnx_quantized.products import finish, from_linear

__all__ = ["LINEAR", "emitted"]

_PRODUCTS = ("QLinearConv", "QLinearMatMul", "QGemm")
_PAIRS = ("QLinearAdd", "QLinearMul")
_MEANS = ("QLinearGlobalAveragePool", "QLinearAveragePool")
_UNARY = ("QLinearSigmoid", "QLinearLeakyRelu")
LINEAR = frozenset((*_PRODUCTS, *_PAIRS, *_MEANS, *_UNARY, "QLinearConcat"))


def emitted(g: Graph, node: onnx.NodeProto) -> Tensor:
    """The quantized tensor that a node of `LINEAR` writes."""
    if node.op_type in _PRODUCTS:
        product, out = from_linear(g, node)
        return finish(g, product, out)
    g.take(node)
    if node.op_type == "QLinearConcat":
        return _concat(g, node)
    if node.op_type in _PAIRS:
        return _pair(g, node)
    x, out = g.meant(node, 0), g.quantization(node, 3, 4)
    if node.op_type in _MEANS:
        exact = node.op_type == "QLinearGlobalAveragePool"
        if not exact:
            g.floats.append(node.output[0])
            g.means.append(node.output[0])
        return average(g, node, x, out, exact=exact)
    return elementwise.unary(g, x, [node], node.input[0], node.output[0], out)


def _pair(g: Graph, node: onnx.NodeProto) -> Tensor:
    """A sum or product of two tensors, or of a tensor and a constant."""
    out, places = g.quantization(node, 6, 7), (0, 3)
    live = [k for k in places if node.input[k] not in g.values]
    tensors = [g.meant(node, k) for k in live]
    names = [node.input[k] for k in live]
    if len(set(names)) == 1:
        return elementwise.unary(g, tensors[0], [node], names[0], node.output[0], out)
    return elementwise.pair(g, (tensors[0], tensors[1]), [node], (names[0], names[1]), node.output[0], out)


def _concat(g: Graph, node: onnx.NodeProto) -> Tensor:
    """Each tensor gets the output's quantization first."""
    out, axis = g.quantization(node, 0, 1), next(item.i for item in node.attribute if item.name == "axis")
    if len(node.input) < 5 or (len(node.input) - 2) % 3:
        raise InputError(f"{label(node)}: QLinearConcat of {len(node.input)} inputs")
    made = []
    for place in range(2, len(node.input), 3):
        x = g.meant(node, place)
        one = onnx.helper.make_node(
            "QLinearConcat",
            [*node.input[:2], *node.input[place : place + 3]],
            ["alone"],
            domain=node.domain,
            axis=axis,
        )
        made.append(elementwise.unary(g, x, [one], node.input[place], "alone", out))
    return elementwise.concatenated(g, node, made, axis)
