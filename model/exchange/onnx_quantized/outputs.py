"""The end of a quantized ONNX file: what the network gives, and what is taken off."""

from dataclasses import dataclass

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.onnx_quantized.groups import product_of, trace
from fermatnet.model.exchange.onnx_quantized.products import dims_of, raw
from fermatnet.model.network.nodes import Affine

__all__ = ["Ending", "ending", "only_ends"]

_TAILS = (
    "Softmax",
    "LogSoftmax",
    "Sigmoid",
    "QLinearSoftmax",
    "QLinearSigmoid",
    "ArgMax",
    "DequantizeLinear",
    "QuantizeLinear",
)
_SHAPES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True, eq=False)
class Ending:
    """``tensor`` is what the network gives: ``name`` in the file, as integers, or as real numbers of ``unit``
    each where no quantizer follows the last product (``remainder``: of its output, what the bias leaves).
    ``nodes``: numbers (id) of those taken off; ``taken``: that in words."""

    tensor: Tensor
    name: str
    unit: float | None
    remainder: np.ndarray
    nodes: frozenset[int]
    taken: str


def only_ends(g: Graph, node: onnx.NodeProto) -> bool:
    """Whether a QuantizeLinear does no more than quantize a Softmax whose output leaves the file."""
    maker, nodes = g.producer.get(node.input[0]), g.source.model.graph.node
    if maker is None or maker.op_type not in ("Softmax", "LogSoftmax"):
        return False
    readers = [item for item in nodes if node.output[0] in item.input]
    ends = {name for item in readers for name in item.output} or {node.output[0]}
    if not all(item.op_type == "DequantizeLinear" for item in readers) or not ends <= {*g.source.outputs}:
        return False
    return not any(ends & {*item.input} for item in nodes if item not in readers)


def ending(g: Graph, name: str) -> Ending:
    """What the file's output ``name`` is made of. InputError where that is computed in floats."""
    taken: list[str] = []
    nodes: set[int] = set()
    while name not in g.tensors:
        node = g.producer.get(name)
        if node is None:
            raise InputError(f"its output {name!r} is not computed")
        if node.op_type not in (*_TAILS, *_SHAPES):
            return _open(g, name, nodes, taken)
        g.take(node)
        nodes.add(id(node))
        if node.op_type not in _SHAPES:
            taken.append(node.op_type)
        name = node.input[0]
    words = ""
    if taken:
        words = f"{', '.join(taken[::-1])} at the end: what comes out are the integers of {name!r}"
    return Ending(g.tensors[name], name, None, np.zeros(1), frozenset(nodes), words)


def _open(g: Graph, name: str, nodes: set[int], taken: list[str]) -> Ending:
    """A product that no quantizer follows: its accumulators come out, the bias in their unit."""
    chain = trace(g, name)
    if chain.leaf or chain.nodes or chain.start.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        last = chain.nodes[-1] if chain.nodes else chain.start
        raise InputError(f"{label(last)}: {last.op_type} ends the network in floats: quantize its output")
    product = product_of(g, chain.start)
    units = np.unique(product.unit)
    if len(units) != 1:
        raise InputError(
            f"{label(chain.start)}: its outputs have {len(units)} scales: quantize its output, or its "
            "weights by tensor"
        )
    unit = float(np.float64(product.x.quantization.scale) * np.float64(product.weight.scale[0]))
    whole = np.rint(product.real / unit).astype(np.int64)
    made, _, constant = raw(g, product)
    total = constant + whole
    if total.any():
        ones, bound = np.ones(len(total), np.int64), (1 << 31) - 1
        made = g.builder.append(Affine(f"{made}_bias", (made,), ones, total, 0, -bound - 1, bound))
    tensor = Tensor(made, dims_of(g, product, made), Quantization(unit, 0, "int8"))
    words = f"{', '.join(taken[::-1])} at the end; " if taken else ""
    words += f"the last layer is not quantized: what comes out are its sums, {unit:.6g} each"
    return Ending(tensor, name, unit, product.real / unit - whole, frozenset(nodes), words)
