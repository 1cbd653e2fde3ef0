"""The layers that a network file can hold, one module a kind; `LAYERS` lists them all. A new layer is one
module here and one line below; a program can `register` its own."""

from fermatnet.model.errors import InputError
from fermatnet.model.network.layers.affine import Affine
from fermatnet.model.network.layers.conv import Conv
from fermatnet.model.network.layers.dense import Dense
from fermatnet.model.network.layers.joins import Add, AddConstant, Concat, Multiply
from fermatnet.model.network.layers.levels import Levels
from fermatnet.model.network.layers.logic import LogicJoin
from fermatnet.model.network.layers.lookup import Lookup
from fermatnet.model.network.layers.piecewise import PiecewiseConv
from fermatnet.model.network.layers.pooling import MaxPool, SumPool
from fermatnet.model.network.layers.rearrange import DepthToSpace, Pad, SelectChannels, Slice, Upsample
from fermatnet.model.network.layers.reduce import ArgMax, TopK
from fermatnet.model.network.layers.requantize import Requantize
from fermatnet.model.network.layers.threshold import Threshold
from fermatnet.model.network.node import Node

__all__ = [
    "LAYERS",
    "Add",
    "AddConstant",
    "Affine",
    "ArgMax",
    "Concat",
    "Conv",
    "Dense",
    "DepthToSpace",
    "Levels",
    "LogicJoin",
    "Lookup",
    "MaxPool",
    "Multiply",
    "Pad",
    "PiecewiseConv",
    "Requantize",
    "SelectChannels",
    "Slice",
    "SumPool",
    "Threshold",
    "TopK",
    "Upsample",
    "register",
]

LAYERS: list[type[Node]] = [
    Conv,
    PiecewiseConv,
    Threshold,
    Affine,
    Requantize,
    Levels,
    Lookup,
    MaxPool,
    SumPool,
    Add,
    AddConstant,
    Multiply,
    LogicJoin,
    Concat,
    Dense,
    ArgMax,
    TopK,
    Pad,
    Slice,
    Upsample,
    SelectChannels,
    DepthToSpace,
]


def register(layer: type[Node]) -> None:
    """From now on network files may hold ``layer``; InputError where one of its operators is
    known already."""
    clashes = [op for op in layer.OPS if any(known.op_named(op) for known in LAYERS if known is not layer)]
    if clashes:
        raise InputError(f"operator {clashes[0]!r} belongs to another layer already: choose another name")
    if layer not in LAYERS:
        LAYERS.append(layer)
