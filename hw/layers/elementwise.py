# amaranth: UnusedElaboratable=no
"""Layers that answer every beat with one beat: thresholds, fixed-point scale, requantisation, tables."""

from dataclasses import replace

import numpy as np

from fermatnet.hw.constant.affine import ConstantAffine
from fermatnet.hw.layers.extremes import ends, room
from fermatnet.hw.layers.layer import Block, Layer, Placement, StreamRate, shape_of
from fermatnet.hw.piecewise.scale import AffineUnit, LevelsUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.stream.elastic import short
from fermatnet.hw.stream.requantize import LookupUnit, RequantizeUnit

__all__ = [
    "AffineLayer",
    "ElementwiseLayer",
    "LevelsLayer",
    "LookupLayer",
    "RequantizeLayer",
    "ThresholdLayer",
]


class ElementwiseLayer(Layer):
    """Beat for beat; a subclass names the unit."""

    def cost(self, fold):  # of one lane: how many there are is the neighbours' choice
        return self.compared() + 2.0 * shape_of(self.output).width + 30

    def compared(self) -> float:
        """Tables of what a value is compared with."""
        return 0.0

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(lanes, self._interval(lanes, incoming[0]))

    @staticmethod
    def _interval(lanes: int, incoming: StreamRate) -> int:
        """Cycles that the producer leaves between beats."""
        return incoming.interval if lanes == incoming.lanes else 1


class ThresholdLayer(ElementwiseLayer):
    """Integers to piece indices."""

    ready_tables = 2  # stages one after the other: which of them hold a beat, and ready

    def compared(self):
        return 0.8 * shape_of(self.inputs[0]).width * self.node.thresholds.shape[1]

    def interval(self, lanes, incoming):
        return self._interval(lanes, incoming[0]) if incoming else 1

    def registered(self, fold, lanes):
        never_serial = self.node.thresholds.shape[1] == 1 or lanes == self.inputs[0].shape[0]
        return short(self.clock) and never_serial

    def block(self, at: Placement) -> Block:
        held, lanes = self.contents, at.lanes[0]
        return Block(
            ThresholdUnit(
                self.node.thresholds,
                self.node.sign,
                shape_of(self.inputs[0]),
                lanes=lanes,
                interval=self.interval(lanes, at.incoming),
                contents=(held.thresholds, held.sign) if held is not None else None,
                clock=self.clock,
            )
        )

    @classmethod
    def widest(cls, node, bounds):
        far = np.zeros(node.thresholds.shape, np.int64)
        far[:, -1] = 1 << 40
        return replace(node, thresholds=far, sign=ends(node.sign.shape, -1, 1, node.name).astype(np.int8))


class AffineLayer(ElementwiseLayer):
    """Fixed-point scale and offset a channel."""

    ready_tables = 2  # as of thresholds

    def registered(self, fold, lanes):
        return short(self.clock) and not self._constant(lanes)

    def _constant(self, lanes):
        """Whether its factors are constants."""
        return lanes == self.inputs[0].shape[0] and self.contents is None

    def block(self, at: Placement) -> Block:
        node, held, x = self.node, self.contents, self.inputs[0]
        if self._constant(at.lanes[0]):
            scale = node.multiplier, node.offset, node.shift, node.lo, node.hi
            ends, target, mhz = (x.lo, x.hi), self.target, self.clock_mhz
            return Block(ConstantAffine(*scale, shape_of(x), x_range=ends, target=target, clock_mhz=mhz))
        return Block(
            AffineUnit(
                node.multiplier,
                node.offset,
                node.shift,
                node.lo,
                node.hi,
                shape_of(self.inputs[0]),
                lanes=at.lanes[0],
                contents=(held.multiplier, held.offset) if held is not None else None,
                clock=self.clock,
            )
        )

    @classmethod
    def bounds(cls, node):
        return {"multiplier": min(room(node.multiplier), (1 << 31) - 1), "offset": room(node.offset)}

    @classmethod
    def widest(cls, node, bounds):
        shape = node.multiplier.shape
        return replace(node, **{key: ends(shape, -bound, bound, node.name) for key, bound in bounds.items()})


class RequantizeLayer(ElementwiseLayer):
    """Two roundings with corrections."""

    def block(self, at: Placement) -> Block:
        shapes = shape_of(self.inputs[0]), shape_of(self.output)
        return Block(RequantizeUnit(self.node, *shapes, lanes=at.lanes[0], target=self.target))


class LookupLayer(ElementwiseLayer):
    """A table of integers."""

    def block(self, at: Placement) -> Block:
        shape = shape_of(self.inputs[0])
        return Block(LookupUnit(self.node.table, self.node.first, shape, lanes=at.lanes[0]))


class LevelsLayer(ElementwiseLayer):
    """Piece indices to integers."""

    def block(self, at: Placement) -> Block:
        levels = self.node.levels
        bits = max(shape_of(self.inputs[0]).width, (len(levels) - 1).bit_length())
        return Block(LevelsUnit(levels, bits, lanes=at.lanes[0]))
