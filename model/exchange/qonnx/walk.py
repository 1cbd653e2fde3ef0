"""Every node of the graph in order, each through the table of operators and then through its own function."""

from collections.abc import Callable
from typing import Any

import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import attributes, count_inputs, label, misfit, operator
from fermatnet.model.exchange.folding import folded
from fermatnet.model.exchange.operators import FOLDED, Operator
from fermatnet.model.exchange.qonnx import pools, products, quantizers, steps, truncation
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import Value, Weights
from fermatnet.model.exchange.source_file import canonical

__all__ = ["result", "walk"]

_METHODS: dict[str, Callable[[Graph, onnx.NodeProto, dict[str, Any]], Any]] = {
    "Quant": quantizers.quant,
    "IntQuant": quantizers.quant,
    "BipolarQuant": quantizers.bipolar,
    "Trunc": truncation.trunc,
    "Conv": products.conv,
    "Gemm": products.gemm,
    "MatMul": products.matmul,
    "Transpose": products.transpose,
    "Add": steps.add,
    "Sub": steps.sub,
    "Mul": steps.mul,
    "Div": steps.div,
    "BatchNormalization": steps.batchnormalization,
    "Relu": steps.relu,
    "Clip": steps.clip,
    "Identity": steps.identity,
    "Cast": steps.cast,
    "Dropout": steps.dropout,
    "MaxPool": pools.maxpool,
    "AveragePool": pools.averagepool,
    "GlobalAveragePool": pools.globalaveragepool,
    "ReduceMean": pools.reducemean,
    "Flatten": pools.flatten,
    "Reshape": pools.reshape,
    "Squeeze": pools.squeeze,
    "Shape": pools.shape,
    "Concat": pools.concat,
}


def walk(g: Graph, graph: onnx.GraphProto, output: str) -> str:
    """Maps every node; the tensor that the network gives: ``output``, or what a final Softmax reads."""
    last = output
    for node in graph.node:
        _single_output(g, node)
        if _folds(g, node):
            attributes(node, g.opsets, None)
            count_inputs(node, g.opsets)
            g.constants[node.output[0]] = _folded(g, node)
            continue
        entry = operator(node)
        given = attributes(node, g.opsets, entry)
        if node.op_type == "Softmax":
            last = _softmax(g, node, given, output)
            continue
        count_inputs(node, g.opsets)
        _inputs(g, node, entry)
        try:
            g.values[node.output[0]] = _METHODS[node.op_type](g, node, given)
        except InputError:
            raise
        except (
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            ArithmeticError,
            AttributeError,
        ) as error:  # ONNX itself would not take it
            raise misfit(node, str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    return last


def _single_output(g: Graph, node: onnx.NodeProto) -> None:
    outputs = [name for name in node.output if name]
    if len(outputs) != 1 or node.output[0] == "":
        raise InputError(f"{label(node)}: {node.op_type} with {len(outputs)} outputs is not supported")
    if outputs[0] in g.values or outputs[0] in g.constants:
        raise InputError(f"{label(node)}: it writes {outputs[0]!r}, which is there already")


def _folds(g: Graph, node: onnx.NodeProto) -> bool:
    return (
        canonical(node.domain) == ""
        and node.op_type in FOLDED
        and all(name in g.constants for name in node.input if name)
    )


def _folded(g: Graph, node: onnx.NodeProto) -> Any:
    for item in node.attribute:
        if item.type == onnx.AttributeProto.TENSOR:
            value = g.finite(node.output[0], item.t)  # a damaged one is named as such
            if node.op_type == "Constant":
                return value  # in its own type
    return folded(node, {name: g.constants[name] for name in node.input if name}, g.opsets[""])


def _inputs(g: Graph, node: onnx.NodeProto, entry: Operator) -> None:
    """Each input is of the kind that the table says."""
    names = list(node.input)
    while names and not names[-1]:
        names.pop()
    kinds = entry.inputs * len(names) if entry.inputs[0].endswith("*") else entry.inputs
    least = sum(not kind.endswith("?") for kind in kinds)
    if not max(least, 1) <= len(names) <= len(kinds):
        raise misfit(node, f"it has {len(names)} inputs")
    for name, kind in zip(names, kinds, strict=False):
        if name:
            _input(g, node, name, kind[0])
        elif not kind.endswith("?"):
            raise misfit(node, "an input is left empty")


def _input(g: Graph, node: onnx.NodeProto, name: str, kind: str) -> None:
    value, constant = g.values.get(name), g.constants.get(name)
    if value is None and constant is None:
        raise misfit(node, f"nothing before it writes {name!r}")
    if kind == "x" and not isinstance(value, Value):
        raise InputError(f"{label(node)}: its input {name!r} is not an activation")
    if constant is None:
        return
    wanted = {"c": "f", "a": "f", "i": "iu"}.get(kind, "fiub")
    if constant.dtype.kind not in wanted or (kind in "ca" and name in g.strange):
        raise misfit(node, f"its constant {name!r} is {constant.dtype}")


def _softmax(g: Graph, node: onnx.NodeProto, given: dict[str, Any], output: str) -> str:
    x = g.input(node)
    last = node.output[0] == output and len(node.input) == 1
    if not last or len(x.shape) != 1 or given["axis"] not in (1, -1):
        raise InputError(
            f"{label(node)}: Softmax is not supported but as the last node, over the classes of (batch, "
            "classes)"
        )
    g.notes.append("the final Softmax is left out: the outputs are what it reads, their order is the same")
    g.values[output] = x
    return node.input[0]


def result(g: Graph, output: str) -> Value:
    """What the graph's output has become. Raises InputError where nothing writes it or it is no
    activation."""
    value = g.values.get(output)
    if isinstance(value, Weights) or value is None:
        raise InputError(
            "the last layer must be a dense layer with quantized weights: no layer writes the output "
            f"{output!r}"
        )
    return value
