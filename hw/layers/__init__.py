"""From a network's node to the block that computes it: possible folds, lanes, cycles, the component and its timing."""

from fermatnet.hw.layers.elementwise import Elementwise
from fermatnet.hw.layers.kinds import layer_of
from fermatnet.hw.layers.layer import Fold, Layer, Pace, beats_of, shape_of
from fermatnet.hw.layers.matrix import Matrix
from fermatnet.hw.layers.transform import Transform

__all__ = ["Elementwise", "Fold", "Layer", "Matrix", "Pace", "Transform", "beats_of", "layer_of", "shape_of"]
