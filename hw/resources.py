"""What a layer will cost: look-up tables, flip-flops, block memories and multipliers, before anything is synthesised."""

from fermatnet.hw.layers import Elementwise, Fold, Layer, Matrix, Transform, shape_of
from fermatnet.model.network import nodes

__all__ = ["lut_cost"]


def lut_cost(layer: Layer, fold: Fold) -> float:
    """Rough LUTs of a layer: products of bit widths in the arrays, adders elsewhere."""
    width = shape_of(layer.inputs[0]).width
    out = shape_of(layer.output).width
    if isinstance(layer, Matrix):
        node = layer.node
        if isinstance(node, nodes.PiecewiseConv):
            unit = 1.5 * (len(node.levels_w) - 1) * (len(node.levels_a) - 1)
        else:
            unit = 1.2 * width * node.weight_bits + 4
        return fold.pe * fold.simd * unit + fold.pe * 2 * out + 2 * fold.simd * width + 150
    if isinstance(layer, Transform):
        return sum(60.0 * b + fold.pe * b * b for b in layer.plan.widths) * 4
    if isinstance(layer, Elementwise):
        return 2.0 * out + 30
    return fold.pe * 2.0 * width + 100
