"""Which layer takes a node: a table from the node's type, to which a program can add its own."""

from typing import Any

from fermatnet.hw.layers.convolution import ConvLayer
from fermatnet.hw.layers.dense import DenseLayer
from fermatnet.hw.layers.elementwise import (
    AffineLayer,
    LevelsLayer,
    LookupLayer,
    RequantizeLayer,
    ThresholdLayer,
)
from fermatnet.hw.layers.joins import AddLayer, ConcatLayer, LogicJoinLayer
from fermatnet.hw.layers.layer import Layer
from fermatnet.hw.layers.piecewise import PiecewiseConvLayer
from fermatnet.hw.layers.pooling import ArgMaxLayer, MaxPoolLayer
from fermatnet.hw.layers.product import AddConstantLayer, MultiplyLayer
from fermatnet.hw.layers.rearrange import (
    DepthToSpaceLayer,
    PadLayer,
    SelectChannelsLayer,
    SliceLayer,
    UpsampleLayer,
)
from fermatnet.hw.layers.sorting import TopKLayer
from fermatnet.hw.layers.window_sum import SumLayer
from fermatnet.hw.rtl.clock import DEFAULT_MHZ
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, nodes
from fermatnet.model.network.nodes import Node

__all__ = ["layer_class", "layer_of", "register"]

_KINDS: dict[type[Node], type[Layer]] = {
    nodes.Threshold: ThresholdLayer,
    nodes.Affine: AffineLayer,
    nodes.Levels: LevelsLayer,
    nodes.Requantize: RequantizeLayer,
    nodes.Lookup: LookupLayer,
    nodes.Dense: DenseLayer,
    nodes.Conv: ConvLayer,
    nodes.PiecewiseConv: PiecewiseConvLayer,
    nodes.MaxPool: MaxPoolLayer,
    nodes.SumPool: SumLayer,
    nodes.Add: AddLayer,
    nodes.LogicJoin: LogicJoinLayer,
    nodes.Concat: ConcatLayer,
    nodes.ArgMax: ArgMaxLayer,
    nodes.TopK: TopKLayer,
    nodes.Multiply: MultiplyLayer,
    nodes.AddConstant: AddConstantLayer,
    nodes.Pad: PadLayer,
    nodes.Slice: SliceLayer,
    nodes.Upsample: UpsampleLayer,
    nodes.SelectChannels: SelectChannelsLayer,
    nodes.DepthToSpace: DepthToSpaceLayer,
}


def register(node: type[Node], layer: type[Layer]) -> None:
    """From now on nodes of type ``node`` become ``layer``; InputError where that type has a layer already."""
    if _KINDS.setdefault(node, layer) is not layer:
        raise InputError(f"a {node.__name__} has a layer already, {_KINDS[node].__name__}")


def layer_class(node: Node) -> type[Layer]:
    """The class that stands for nodes of this type; InputError for what cannot be generated."""
    if type(node) not in _KINDS:
        raise InputError(f"layer {node.name!r}: a {type(node).__name__} cannot be generated")
    return _KINDS[type(node)]


def layer_of(
    net: Network,
    node: Node,
    target: str = "generic",
    contents: Any = None,
    clock_mhz: float = DEFAULT_MHZ,
) -> Layer:
    """The compiler's plan of a node, its blocks pipelined for a clock; InputError for what it cannot
    generate. The other parameters are those of `fermatnet.hw.layers.layer.Layer`."""
    return layer_class(node).of(net, node, target, contents).at_clock(clock_mhz)
