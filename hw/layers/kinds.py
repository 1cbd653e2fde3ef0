"""Which layer class takes a node."""

from fermatnet.hw.layers.elementwise import ElementwiseLayer
from fermatnet.hw.layers.joins import AddLayer, ConcatLayer
from fermatnet.hw.layers.layer import Layer
from fermatnet.hw.layers.matrix import DepthwiseLayer, MatrixVectorLayer
from fermatnet.hw.layers.pooling import ArgMaxLayer, MaxPoolLayer, SumPoolLayer
from fermatnet.hw.layers.transform import FermatConvLayer
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, nodes
from fermatnet.model.network.engine import conv_plan
from fermatnet.model.network.nodes import Node

__all__ = ["layer_of"]

_KINDS: dict[type[Node], type[Layer]] = {
    nodes.Threshold: ElementwiseLayer,
    nodes.Affine: ElementwiseLayer,
    nodes.Levels: ElementwiseLayer,
    nodes.Requantize: ElementwiseLayer,
    nodes.Lookup: ElementwiseLayer,
    nodes.Dense: MatrixVectorLayer,
    nodes.MaxPool: MaxPoolLayer,
    nodes.SumPool: SumPoolLayer,
    nodes.Add: AddLayer,
    nodes.Concat: ConcatLayer,
    nodes.ArgMax: ArgMaxLayer,
}


def layer_of(net: Network, node: Node) -> Layer:
    """The compiler's view of a node; InputError for what it cannot generate."""
    chosen = conv_plan(net, node) if isinstance(node, nodes.Conv) else None
    if chosen is not None:
        return FermatConvLayer(net, node, chosen)
    if isinstance(node, nodes.Conv | nodes.PiecewiseConv):
        weight = node.weight if isinstance(node, nodes.Conv) else node.codes
        depthwise = node.group > 1 and weight.shape[1] == 1 and weight.shape[0] == node.group
        return (DepthwiseLayer if depthwise else MatrixVectorLayer)(net, node)
    if type(node) not in _KINDS:
        raise InputError(f"layer {node.name!r}: a {type(node).__name__} cannot be generated")
    return _KINDS[type(node)](net, node)
