# amaranth: UnusedElaboratable=no
"""Layers that answer every beat with one beat: thresholds, fixed-point scale, requantisation, tables."""

from fermatnet.hw.layers.layer import Layer, StreamRate, shape_of
from fermatnet.hw.piecewise.scale import AffineUnit, LevelsUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.stream.requantize import LookupUnit, RequantizeUnit
from fermatnet.model.network import nodes

__all__ = ["ElementwiseLayer"]


class ElementwiseLayer(Layer):
    """Thresholds, fixed-point scale, requantisation, tables: beat for beat."""

    interval = 1  # cycles that the producer leaves between beats

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        self.interval = incoming[0].interval if lanes == incoming[0].lanes else 1
        return [lanes], StreamRate(lanes, self.interval)

    def build(self, fold, lanes, rows=0):
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.Threshold):
            return ThresholdUnit(node.thresholds, node.sign, shape, lanes=lanes[0], interval=self.interval)
        if isinstance(node, nodes.Affine):
            return AffineUnit(
                node.multiplier, node.offset, node.shift, node.lo, node.hi, shape, lanes=lanes[0]
            )
        if isinstance(node, nodes.Requantize):
            return RequantizeUnit(node, shape, shape_of(self.output), lanes=lanes[0])
        if isinstance(node, nodes.Lookup):
            return LookupUnit(node.table, node.first, shape, lanes=lanes[0])
        return LevelsUnit(node.levels, max(shape.width, (len(node.levels) - 1).bit_length()), lanes=lanes[0])
