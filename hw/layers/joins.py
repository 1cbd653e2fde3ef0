# amaranth: UnusedElaboratable=no
"""Layers where streams meet: residual add, logic join, channel concatenation."""

from math import gcd

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Block, Layer, Placement, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.join import Adder, Concat
from fermatnet.hw.stream.logic import LogicJoin

__all__ = ["AddLayer", "ConcatLayer", "LogicJoinLayer"]


class AddLayer(Layer):
    """Residual add."""

    def pace(self, fold, incoming, period):
        for lanes in divisors(self.output.shape[0]):
            if beats_of(self.output, lanes) <= period and all(
                p.lanes <= lanes * p.interval for p in incoming
            ):
                break
        return [lanes, lanes], StreamRate(lanes, 1)

    def block(self, at: Placement) -> Block:
        first, second = (shape_of(tensor) for tensor in self.inputs)
        adder = Adder(first, second, lanes=at.lanes[0], shape=shape_of(self.output))
        return Block(adder, timing.Join())


class LogicJoinLayer(AddLayer):
    """A boolean function of two streams of bits."""

    def block(self, at: Placement) -> Block:
        lanes = at.lanes[0]
        beats = beats_of(self.output, lanes)
        return Block(LogicJoin(self.node.table, lanes=lanes), timing.Broadcast(1, beats, LogicJoin.latency))


class ConcatLayer(Layer):
    """Concatenation of channels, rows or columns."""

    def pace(self, fold, incoming, period):
        common = divisors(gcd(*(t.shape[0] for t in self.inputs)))
        for lanes in common:
            if beats_of(self.output, lanes) <= period and all(
                p.lanes <= lanes * p.interval for p in incoming
            ):
                break
        return [lanes] * len(incoming), StreamRate(lanes, 1)

    def block(self, at: Placement) -> Block:
        lanes, shapes = at.lanes[0], [shape_of(t) for t in self.inputs]
        values = [self._turn(t.shape) for t in self.inputs]
        concat = Concat(shapes, values, lanes=lanes, shape=shape_of(self.output))
        return Block(concat, timing.Gather(tuple(count // lanes for count in values)))

    def _turn(self, shape: tuple[int, int, int]) -> int:
        """Values of one input before it is the next one's turn: of a pixel, an image, a row."""
        channels, height, width = shape
        return channels * (1, width * height, width)[self.node.axis - 1]
