"""QONNX -> network file: uniform quantizers of Brevitas and others become piecewise or integer layers with
the same integers.

QONNX (Pappalardo et al. 2022) writes quantization as nodes ``Quant(x, scale, zero_point, bits)``. Here

* a Quant of a constant weight gives the integers of a layer: few levels after an activation of few levels ->
  piecewise layer, else INT8/16;
* a Quant of an activation becomes thresholds, one integer of the accumulator for each step, found by
  bisecting the float64 function of all that lies between (batch norm, rectifier, bias, the rounding half to
  even of Quant): ties included;
* a BipolarQuant likewise, of the two integers -1 and 1 (0 counts as positive);
* the last layer's bias is rounded to the accumulator's unit (the only rounding; its largest error is in the
  metadata).

Nodes that the hardware has no layer for are named in an InputError.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx import products, quantizers, steps
from fermatnet.model.exchange.qonnx.graph import Graph, Value, attributes
from fermatnet.model.network import Network

__all__ = ["import_qonnx"]

_METHODS: dict[str, Callable[[Graph, onnx.NodeProto, dict[str, Any]], Any]] = {
    "Quant": quantizers.quant,
    "BipolarQuant": quantizers.bipolar,
    "Conv": products.conv,
    "Gemm": products.gemm,
    "MatMul": products.matmul,
    "Transpose": products.transpose,
    "Add": products.add,
    "BatchNormalization": steps.batchnormalization,
    "Relu": steps.relu,
    "MaxPool": steps.maxpool,
    "GlobalAveragePool": steps.globalaveragepool,
    "Flatten": steps.flatten,
    "Reshape": steps.reshape,
}


def _walk(g: Graph, graph: onnx.GraphProto) -> Value:
    """Maps every node in order; what the graph's output has become."""
    for node in graph.node:
        method = _METHODS.get(node.op_type)
        name = node.name or (node.output[0] if node.output else "")
        if node.op_type != "Constant" and method is None:
            raise InputError(f"QONNX node {name!r}: {node.op_type} is not supported")
        if len(node.output) != 1:
            raise InputError(
                f"QONNX node {name!r}: {node.op_type} with {len(node.output)} outputs is not supported"
            )
        try:
            if method is None:
                g.constants[node.output[0]] = g.finite(node.output[0], attributes(node)["value"])
            else:
                g.values[node.output[0]] = method(g, node, attributes(node))
        except InputError:
            raise
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            # a file that ONNX itself would not take
            raise InputError(
                f"QONNX node {name!r}: its inputs, shapes or attributes are not those of a {node.op_type}"
            ) from error
    result = g.values.get(graph.output[0].name)
    if isinstance(result, Value) and len(result.chain) == 1 and result.name in g.biases:
        result = products.folded(g, result)
    if not isinstance(result, Value) or result.chain or result.levels is not None:
        raise InputError("the last layer must be a dense layer with quantized weights")
    return result


def import_qonnx(
    path: str | Path, shape: tuple[int, int, int] | None = None, value_range: tuple[int, int] = (0, 255)
) -> Network:
    """The network file of a QONNX model whose input is the raw image (uint8 values as float).

    shape: (C, H, W), by default the model's own. Raises InputError naming the node that cannot be mapped.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:
        raise InputError(
            f"{path} is not an ONNX file: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if shape is None:
        sizes = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
        if len(sizes) != 4 or min(sizes[1:]) < 1:
            raise InputError(f"{path}: its input has shape {sizes}, give (C, H, W)")
        shape = (sizes[1], sizes[2], sizes[3])
    graph = Graph(model.graph, shape, value_range)
    out = _walk(graph, model.graph)
    if (out.scale != out.scale[0]).any():
        raise InputError("the outputs have different scales: the last layer needs one weight scale")
    return Network(
        graph.build.nodes,
        shape,
        value_range,
        output=out.name,
        meta={
            "name": Path(path).stem,
            "source": "qonnx",
            "output_scale": repr(float(out.scale[0])),
            "bias_error": repr(graph.bias_error),
        },
    )
