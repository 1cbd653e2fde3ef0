# amaranth: UnusedElaboratable=no
"""Layers that keep one value of many: max-pooling, sum pooling, arg max."""

from typing import Any

import numpy as np
from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Block, Fold, Layer, Placement, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.pooling import ArgMax, MaxPool, SumPool
from fermatnet.hw.stream.window_plan import WindowPlan

__all__ = ["ArgMaxLayer", "MaxPoolLayer", "SumPoolLayer"]


class MaxPoolLayer(Layer):
    """Max-pooling."""

    foldable = True

    def folds(self):
        return [Fold(lanes, lanes) for lanes in divisors(self.inputs[0].shape[0])]

    def cycles(self, fold):
        return max(
            beats_of(self.output, fold.pe) * self.node.kernel[0] * self.node.kernel[1],
            beats_of(self.inputs[0], fold.pe),
        )

    def pace(self, fold, incoming, period):
        return [fold.pe], StreamRate(fold.pe, self.node.kernel[0] * self.node.kernel[1])

    def windowed(self, fold):
        return True

    def block(self, at: Placement) -> Block:
        return _MaxPoolBlock(self, at.fold)


class _MaxPoolBlock(Block):
    """Its ring may get more rows than the least."""

    def __init__(self, layer: MaxPoolLayer, fold: Fold):
        self.layer, self.fold = layer, fold
        window = WindowPlan(**self._geometry(), groups=self._channels() // fold.pe)
        self.ring_bits = window.ring_bits
        self.model = timing.Windows.of(window, window.groups, window.beats, window.beats + window.READ)

    def _channels(self) -> int:
        return self.layer.inputs[0].shape[0]

    def _geometry(self) -> dict[str, Any]:
        node = self.layer.node
        channels, height, width = self.layer.inputs[0].shape
        return {
            "shape": shape_of(self.layer.inputs[0]),
            "channels": channels,
            "height": height,
            "width": width,
            "kernel": node.kernel,
            "stride": node.stride,
            "pad": node.pad,
            "lanes": self.fold.pe,
            "clock": self.layer.clock,
        }

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        return MaxPool(**self._geometry(), rows=rows)


class SumPoolLayer(Layer):
    """Sum pooling."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(lanes, 1)

    def block(self, at: Placement) -> Block:
        channels, height, width = self.inputs[0].shape
        lanes, (kh, kw) = at.lanes[0], self.node.window(self.inputs[0])
        pool = SumPool(
            shape_of(self.inputs[0]),
            channels,
            height,
            width,
            kernel=(kh, kw),
            lanes=lanes,
            out_shape=shape_of(self.output),
        )
        order = np.arange(height * width * channels // lanes).reshape(height, width, -1)
        last = order[kh - 1 :: kh, kw - 1 :: kw].reshape(-1)  # beats that complete a window
        return Block(pool, timing.Select(order.size, last, pool.latency))


class ArgMaxLayer(Layer):
    """Arg max."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(1, self.inputs[0].shape[0] // lanes)

    def block(self, at: Placement) -> Block:
        unit = ArgMax(shape_of(self.inputs[0]), self.inputs[0].shape[0], lanes=at.lanes[0])
        return Block(unit, timing.Runs(unit.cycles, unit.latency))
