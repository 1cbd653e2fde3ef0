"""The type of a layer's output: the layer's own rule, behind the checks that all layers share."""

from fermatnet.model.errors import InputError
from fermatnet.model.network.layers import LAYERS
from fermatnet.model.network.node import Node
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import conv_shape, weighted_range

__all__ = ["conv_shape", "infer", "is_index_output", "weighted_range"]


def infer(node: Node, inputs: list[TensorType], index: list[bool]) -> TensorType:
    """Type of a node's output; InputError (without the node's name) when a requirement is not met."""
    if type(node) not in LAYERS:
        raise InputError(f"unknown layer type {type(node).__name__}")
    node.check_inputs(index)
    return node.infer(*inputs)


def is_index_output(node: Node, index: list[bool]) -> bool:
    """Whether a node writes piece indices: thresholds do, pooling and joining pass them on."""
    return node.writes_indices(index)
