# amaranth: UnusedElaboratable=no
"""Layers that answer an image with places in order."""

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Block, Layer, Placement, StreamRate, shape_of
from fermatnet.hw.stream.sorter import TopK

__all__ = ["TopKLayer"]


class TopKLayer(Layer):
    """Places of the largest values."""

    def cycles(self, fold):
        return self.inputs[0].shape[0]

    def cost(self, fold):
        return 3.0 * self.node.k * (shape_of(self.inputs[0]).width + shape_of(self.output).width) + 30

    def pace(self, fold, incoming, period):
        return [1], StreamRate(self.node.k, self.inputs[0].shape[0])

    def block(self, at: Placement) -> Block:
        unit = TopK(shape_of(self.inputs[0]), self.inputs[0].shape[0], self.node.k)
        return Block(unit, timing.Runs(unit.cycles, unit.latency))
