# amaranth: UnusedElaboratable=no
"""Dense layers on an array of multipliers."""

from dataclasses import replace

from fermatnet.hw.layers.extremes import ends, room
from fermatnet.hw.layers.integer import IntegerMatrixLayer
from fermatnet.hw.layers.layer import Fold, divisors

__all__ = ["DenseLayer"]

POINT = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "dilation": (1, 1)}


class DenseLayer(IntegerMatrixLayer):
    """A whole map to one pixel. Flattened as (C, H, W) in the file, as (H, W, C) on the stream: the weights
    move, not the data."""

    def rows_of(self, node):
        weight = node.weight.reshape(-1, *self.inputs[0].shape).transpose(0, 2, 3, 1)
        return weight.reshape(len(weight), -1)

    def view(self):
        channels, height, width = self.inputs[0].shape
        return {"geometry": POINT, "map": (channels * height * width, 1, 1), "group": 1}

    def folds(self):  # a beat of the stream holds channels of one pixel
        allowed = divisors(self.inputs[0].shape[0])
        return [Fold(pe, simd) for pe in divisors(self.outputs) for simd in allowed]

    def bias_of(self, node):
        return node.bias

    @classmethod
    def bounds(cls, node):
        return {"bias": room(node.bias) if node.bias.size else 0}

    @classmethod
    def widest(cls, node, bounds):
        top, bias = (1 << node.weight_bits - 1) - 1, bounds["bias"]
        return replace(
            node,
            weight=ends(node.weight.shape, -top, top, node.name),
            bias=ends(node.weight.shape[:1], -bias, bias, node.name),
        )
