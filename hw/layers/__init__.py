"""From a network's node to the block that computes it: possible folds, lanes, cycles, the component and its
timing."""

from fermatnet.hw.layers.elementwise import ElementwiseLayer
from fermatnet.hw.layers.kinds import layer_of
from fermatnet.hw.layers.layer import Fold, Layer, StreamRate, beats_of, shape_of
from fermatnet.hw.layers.matrix import MatrixVectorLayer
from fermatnet.hw.layers.transform import FermatConvLayer

__all__ = [
    "ElementwiseLayer",
    "FermatConvLayer",
    "Fold",
    "Layer",
    "MatrixVectorLayer",
    "StreamRate",
    "beats_of",
    "layer_of",
    "shape_of",
]
