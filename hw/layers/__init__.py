"""From a network's node to the block that computes it: possible folds, lanes, cycles, cost, worst case, the
component and its timing."""

from fermatnet.hw.layers.kinds import layer_class, layer_of, register
from fermatnet.hw.layers.layer import Block, Fold, Layer, Placement, StreamRate, beats_of, shape_of
from fermatnet.hw.layers.matrix import MatrixVectorLayer
from fermatnet.hw.layers.transform import FermatConvLayer

__all__ = [
    "Block",
    "FermatConvLayer",
    "Fold",
    "Layer",
    "MatrixVectorLayer",
    "Placement",
    "StreamRate",
    "beats_of",
    "layer_class",
    "layer_of",
    "register",
    "shape_of",
]
