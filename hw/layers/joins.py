# amaranth: UnusedElaboratable=no
"""Layers where streams meet: residual add, channel concatenation."""

from math import gcd

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Layer, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.join import Adder, Concat

__all__ = ["AddLayer", "ConcatLayer"]


class AddLayer(Layer):
    """Residual add."""

    def pace(self, fold, incoming, period):
        for lanes in divisors(self.output.shape[0]):
            if beats_of(self.output, lanes) <= period and all(
                p.lanes <= lanes * p.interval for p in incoming
            ):
                break
        return [lanes, lanes], StreamRate(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return Adder(
            shape_of(self.inputs[0]), shape_of(self.inputs[1]), lanes=lanes[0], shape=shape_of(self.output)
        )

    def model(self, component, fold, lanes):
        return timing.Join()


class ConcatLayer(Layer):
    """Channel concatenation."""

    def pace(self, fold, incoming, period):
        common = divisors(gcd(*(t.shape[0] for t in self.inputs)))
        for lanes in common:
            if beats_of(self.output, lanes) <= period and all(
                p.lanes <= lanes * p.interval for p in incoming
            ):
                break
        return [lanes] * len(incoming), StreamRate(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return Concat(
            [shape_of(t) for t in self.inputs],
            [t.shape[0] for t in self.inputs],
            lanes=lanes[0],
            shape=shape_of(self.output),
        )

    def model(self, component, fold, lanes):
        return timing.Gather(tuple(t.shape[0] // lanes[0] for t in self.inputs))
