"""Nodes between the products: batch norm and rectifier wait for the next quantizer, pooling is a layer,
shapes pass."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.graph import Graph, Value, per_channel
from fermatnet.model.network.nodes import MaxPool, SumPool

__all__ = ["batchnormalization", "flatten", "globalaveragepool", "maxpool", "relu", "reshape"]


def batchnormalization(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, in the chain."""
    gamma, beta, mean, var = (per_channel(g.constant(node, i, "parameters")) for i in range(1, 5))
    x = g.integers(g.input(node))
    channels = g.build.channels(x.name)
    if any(value.size != channels for value in (gamma, beta, mean, var)) or (var < 0).any():
        raise InputError(
            f"QONNX node {node.name!r}: its parameters must be {channels} numbers each, variances not "
            "negative"
        )
    gain = gamma / np.sqrt(var + given.get("epsilon", 1e-5))
    return replace(x, chain=(*x.chain, lambda y: (y - mean) * gain + beta))


def relu(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """In the chain."""
    x = g.integers(g.input(node))
    return replace(x, chain=(*x.chain, lambda y: np.maximum(y, 0.0)))


def maxpool(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A layer, on indices or accumulators: both keep the order."""
    x = g.input(node)
    if x.chain or given.get("ceil_mode", 0) or tuple(given.get("dilations", (1, 1))) != (1, 1):
        raise InputError(
            f"QONNX node {node.name!r}: MaxPool of unquantized values, with ceil_mode or dilations is not "
            "supported"
        )
    kernel, stride, pad = (
        tuple(given["kernel_shape"]),
        tuple(given.get("strides", (1, 1))),
        tuple(given.get("pads", (0, 0, 0, 0))),
    )
    return replace(x, name=g.build.append(MaxPool(g.name(node), (x.name,), kernel, stride, pad)))  # type: ignore[arg-type]


def globalaveragepool(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """A sum, its scale divided by the area."""
    x = g.input(node)
    if x.chain:
        raise InputError(
            f"QONNX node {node.name!r}: GlobalAveragePool of unquantized values is not supported"
        )
    x = g.integers(x)
    area = int(np.prod(g.build.types[x.name].shape[1:]))
    return replace(x, name=g.build.append(SumPool(g.name(node), (x.name,))), scale=x.scale / area)


def flatten(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """Nothing: the dense layer after it takes the map."""
    if given.get("axis", 1) != 1:
        raise InputError(f"QONNX node {node.name!r}: Flatten at axis {given['axis']} is not supported")
    return g.input(node)


def reshape(g: Graph, node: onnx.NodeProto, given: dict[str, Any]) -> Value:
    """As `flatten`, where it says the same."""
    x, shape = g.input(node), g.constant(node, 1, "shape").tolist()
    size = int(np.prod(g.build.types[x.name].shape))
    if len(shape) != 2 or shape[1] not in (-1, size):
        raise InputError(f"QONNX node {node.name!r}: Reshape to {shape} is not supported")
    return x
