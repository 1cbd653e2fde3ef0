"""The float nodes between DequantizeLinear and QuantizeLinear, taken together as one integer operation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label
from fermatnet.model.exchange.onnx_quantized import elementwise
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Quantization, Tensor
from fermatnet.model.exchange.onnx_quantized.moves import AVERAGES, MOVES, average, moved
from fermatnet.model.exchange.onnx_quantized.operators import FALLING, RISING
from fermatnet.model.exchange.onnx_quantized.places import keeps_zero
from fermatnet.model.exchange.onnx_quantized.products import Product, finish, from_floats
from fermatnet.model.exchange.onnx_quantized.steps import steps
from fermatnet.model.network.nodes import Affine

__all__ = ["Chain", "grouped", "product_of", "trace"]

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_JOINS = frozenset({"Add", "Div", "Mul", "Sub", "Max", "Min"})
_PASSED = RISING | FALLING | MOVES | AVERAGES | {"BatchNormalization"}


@dataclass(frozen=True, eq=False)
class Chain:
    """``nodes`` in order after ``start``: a DequantizeLinear of a quantized tensor, or where products and
    joins begin."""

    start: onnx.NodeProto
    nodes: tuple[onnx.NodeProto, ...]

    @property
    def leaf(self) -> bool:
        """Whether the chain begins at a tensor that is quantized already."""
        return self.start.op_type == "DequantizeLinear"


def trace(g: Graph, name: str) -> Chain:
    """Back from a float tensor through all nodes of one activation."""
    nodes: list[onnx.NodeProto] = []
    while True:
        node = g.producer.get(name)
        if node is None:
            raise InputError(f"{name!r} is used as real numbers: quantize it (a QuantizeLinear first)")
        live = [key for key in node.input if key and key not in g.values]
        if node.op_type == "DequantizeLinear" and node.input[0] in g.tensors:
            return Chain(node, _checked(nodes[::-1]))
        if node.op_type not in _PASSED or len(live) != 1:
            return Chain(node, _checked(nodes[::-1]))
        nodes.append(g.part(node, name) if node.op_type == "Split" else node)
        name = live[0]


def _checked(nodes: list[onnx.NodeProto]) -> tuple[onnx.NodeProto, ...]:
    """InputError where zeros are put around a tensor among functions that make something else of zero."""
    pads = [node for node in nodes if node.op_type == "Pad"]
    for node in nodes if pads else ():
        if node.op_type in RISING | FALLING | {"BatchNormalization"} and not keeps_zero(node):
            raise InputError(f"{label(pads[0])}: {node.op_type} beside it is not read: quantize between them")
    return tuple(nodes)


def leaf_of(g: Graph, node: onnx.NodeProto) -> Tensor:
    """The tensor that a DequantizeLinear reads, as it means it."""
    g.take(node)
    return g.meant(node, 0)


def grouped(g: Graph, node: onnx.NodeProto, out: Quantization) -> Tensor:
    """The quantized tensor that the QuantizeLinear ``node`` writes."""
    chain = trace(g, node.input[0])
    if chain.leaf:
        x = leaf_of(g, chain.start)
        place = next((k for k, item in enumerate(chain.nodes) if item.op_type in AVERAGES), None)
        if place is not None:
            return _mean(g, x, chain, place, node, out)
        if not chain.nodes and x.quantization != out:
            raise InputError(
                f"{label(node)}: it quantizes again what a quantizer has just written, and onnxruntime makes "
                "one of both: leave one out"
            )
        return _elementwise(g, x, chain, node, out)
    if chain.start.op_type in _PRODUCTS:
        return _product(g, chain, node, out)
    if chain.start.op_type == "Concat":
        return _concat(g, chain, node, out)
    if chain.start.op_type in _JOINS:
        return _join(g, chain, node, out)
    g.take(chain.start)
    raise InputError(f"{label(chain.start)}: {chain.start.op_type} is not read between quantizers")


def _sorted(
    g: Graph, nodes: Sequence[onnx.NodeProto]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], bool]:
    """(nodes that move values, nodes that change them, whether the moves may come first)."""
    moves = [node for node in nodes if node.op_type in MOVES]
    others = [node for node in nodes if node.op_type not in MOVES]
    peaks = [k for k, node in enumerate(nodes) if node.op_type == "MaxPool"]
    before = [node for node in nodes[: max(peaks, default=0)] if node.op_type not in MOVES]
    after = [node for node in nodes[min(peaks, default=len(nodes)) :] if node.op_type not in MOVES]
    first = all(node.op_type in RISING for node in before)
    if not first and not all(node.op_type in RISING for node in after):
        raise InputError(f"{label(nodes[peaks[0]])}: a maximum between functions that may fall is not read")
    for node in others:
        g.take(node)
    return moves, others, first


def _elementwise(g: Graph, x: Tensor, chain: Chain, node: onnx.NodeProto, out: Quantization) -> Tensor:
    moves, others, first = _sorted(g, chain.nodes)
    linked = _linked([chain.start, *others, node])
    for item in moves if first else ():
        x = moved(g, item, x)
    x = elementwise.unary(g, x, linked, chain.start.input[0], node.output[0], out)
    for item in () if first else moves:
        x = moved(g, item, x)
    return x


def _linked(nodes: Sequence[onnx.NodeProto], start: str | None = None) -> list[onnx.NodeProto]:
    """Copies of nodes of one activation, each reading what the one before it writes."""
    made: list[onnx.NodeProto] = []
    for item in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(item)
        copy.name = ""  # it may stand twice
        made.append(copy)
    for before, after in pairwise(made):
        outputs = {name for item in nodes for name in item.output}
        place = next((k for k, name in enumerate(after.input) if name in outputs), 0)
        after.input[place] = before.output[0]
    return made


def _mean(g: Graph, x: Tensor, chain: Chain, place: int, node: onnx.NodeProto, out: Quantization) -> Tensor:
    """Moves and rectifiers, a mean, then steps."""
    mean, before, after = chain.nodes[place], chain.nodes[:place], chain.nodes[place + 1 :]
    for item in before:
        if item.op_type == "Relu":  # exactly the larger of the integer and the zero point
            g.take(item)
            kind, zero = g.type(x), x.quantization.zero
            ones, none = np.ones(kind.shape[0], np.int64), np.zeros(kind.shape[0], np.int64)
            layer = Affine(g.fresh(), (x.name,), ones, none, 0, max(zero, kind.lo), max(zero, kind.hi))
            x = replace(x, name=g.builder.append(layer))
        elif item.op_type in MOVES:
            x = moved(g, item, x)
        else:
            raise InputError(f"{label(item)}: {item.op_type} before a mean is not read: quantize after it")
    moves = [item for item in after if item.op_type in MOVES and item.op_type != "MaxPool"]
    others = [item for item in after if item not in moves]
    tail = steps(g, others, g.type(x).shape[0])
    exact = not others and not before and mean.op_type == "GlobalAveragePool"
    if not exact:
        g.means.append(node.output[0])
        g.floats.append(node.output[0])
    x = average(g, mean, x, out, tail, exact)
    for item in moves:
        x = moved(g, item, x)
    return x


def product_of(g: Graph, head: onnx.NodeProto) -> Product:
    """The product of a Conv, Gemm or MatMul of one quantized tensor and constants."""
    chain = trace(g, head.input[0])
    if not chain.leaf:
        raise InputError(f"{label(head)}: what it reads comes from {chain.start.op_type}: quantize it before")
    x = leaf_of(g, chain.start)
    for item in chain.nodes:
        if item.op_type not in MOVES:
            raise InputError(f"{label(head)}: what it reads comes from {item.op_type}: quantize it before")
        x = moved(g, item, x)
    return from_floats(g, head, x)


def _product(g: Graph, chain: Chain, node: onnx.NodeProto, out: Quantization) -> Tensor:
    product = product_of(g, chain.start)
    moves, others, _ = _sorted(g, [item for item in chain.nodes])
    peaks = [k for k, item in enumerate(chain.nodes) if item.op_type == "MaxPool"]
    late = [item for item in chain.nodes[min(peaks, default=len(chain.nodes)) :] if item not in moves]
    if any(item.op_type not in RISING for item in late):
        raise InputError(
            f"{label(late[0])}: {late[0].op_type} after a maximum is not read: quantize between them"
        )
    clip = out.clip
    rectified = others and all(item.op_type == "Relu" for item in others)
    if rectified:
        clip = max(clip[0], out.zero), clip[1]
    tail = [] if rectified else steps(g, others, len(product.weight.integers))
    if tail or product.real.any() or (rectified and out.zero != out.clip[0]):
        g.floats.append(node.output[0])  # onnxruntime has no integer kernel for these
    made = finish(g, product, out, tail, clip)
    for item in moves:
        made = moved(g, item, made)
    return made


def _concat(g: Graph, chain: Chain, node: onnx.NodeProto, out: Quantization) -> Tensor:
    """Each tensor gets the output's quantization first."""
    axis = g.take(chain.start)["axis"]
    moves, others, first = _sorted(g, chain.nodes)
    if not first:
        raise InputError(f"{label(node)}: a maximum after functions that may fall is not read here")
    made = []
    for name in chain.start.input:
        own = trace(g, name)
        if not own.leaf:
            raise InputError(f"{label(chain.start)}: {name!r} is not quantized: quantize it before")
        whole = Chain(own.start, (*own.nodes, *others))
        if any(item.op_type in AVERAGES for item in whole.nodes):
            raise InputError(f"{label(chain.start)}: a mean right before it is not read: quantize after it")
        made.append(_elementwise(g, leaf_of(g, own.start), whole, node, out))
    result = elementwise.concatenated(g, chain.start, made, axis)
    for item in moves:
        result = moved(g, item, result)
    return result


def _join(g: Graph, chain: Chain, node: onnx.NodeProto, out: Quantization) -> Tensor:
    """Two tensors, each elementwise from its own integers."""
    head = chain.start
    g.take(head)
    if len(head.input) != 2:
        raise InputError(f"{label(head)}: {head.op_type} of {len(head.input)} tensors is not read")
    parts, tensors, leaves = [], [], []
    for name in head.input:
        own = trace(g, name)
        if not own.leaf or any(item.op_type in AVERAGES for item in own.nodes):
            raise InputError(f"{label(head)}: {name!r} is not quantized: quantize it before")
        moves, others, first = _sorted(g, own.nodes)
        if not first:
            raise InputError(f"{label(head)}: a maximum after functions that may fall is not read here")
        x = leaf_of(g, own.start)
        for item in moves:
            x = moved(g, item, x)
        parts.append(_linked([own.start, *others]))
        tensors.append(x)
        leaves.append(own.start.input[0])
    moves, others, first = _sorted(g, chain.nodes)
    if not first:
        raise InputError(f"{label(head)}: a maximum after functions that may fall is not read here")
    joint = onnx.NodeProto()
    joint.CopyFrom(head)
    joint.name = ""
    for place, part in enumerate(parts):
        if leaves[0] == leaves[1]:  # the same tensor twice: two copies of its name
            for item in part:
                item.output[0] = f"{item.output[0]}~{place}"
            for before, after in pairwise(part):
                after.input[0] = before.output[0]
        joint.input[place] = part[-1].output[0]
    nodes = [*parts[0], *parts[1], *_linked([joint, *others, node])]
    if leaves[0] == leaves[1]:
        if tensors[0].name != tensors[1].name:
            raise InputError(f"{label(head)}: it joins two forms of one tensor, which is not read")
        result = elementwise.unary(g, tensors[0], nodes, leaves[0], node.output[0], out)
    else:
        both = (tensors[0], tensors[1]), (leaves[0], leaves[1])
        result = elementwise.pair(g, both[0], nodes, both[1], node.output[0], out)
    for item in moves:
        result = moved(g, item, result)
    return result
