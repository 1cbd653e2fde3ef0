"""The layers that a network file can hold, one module a kind; `LAYERS` lists them all. A new layer is one module here and one line below."""

from fermatnet.model.network.layers.affine import Affine
from fermatnet.model.network.layers.conv import Conv
from fermatnet.model.network.layers.dense import Dense
from fermatnet.model.network.layers.joins import Add, Concat
from fermatnet.model.network.layers.levels import Levels
from fermatnet.model.network.layers.piecewise import PiecewiseConv
from fermatnet.model.network.layers.pooling import MaxPool, SumPool
from fermatnet.model.network.layers.reduce import ArgMax
from fermatnet.model.network.layers.threshold import Threshold
from fermatnet.model.network.node import Node

__all__ = [
    "LAYERS", "Add", "Affine", "ArgMax", "Concat", "Conv", "Dense", "Levels", "MaxPool", "PiecewiseConv", "SumPool", "Threshold",
]

LAYERS: tuple[type[Node], ...] = (
    Conv, PiecewiseConv, Threshold, Affine, Levels, MaxPool, SumPool, Add, Concat, Dense, ArgMax,
)
