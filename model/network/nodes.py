"""All layers of a network file by name, and what they have in common: one place to import them from."""

from fermatnet.model.network.layers import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    PiecewiseConv,
    SumPool,
    Threshold,
)
from fermatnet.model.network.node import Node
from fermatnet.model.network.types import TensorType

__all__ = [
    "Add", "Affine", "ArgMax", "Concat", "Conv", "Dense", "Levels", "MaxPool", "Node", "PiecewiseConv", "SumPool", "TensorType",
    "Threshold",
]
