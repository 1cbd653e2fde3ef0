# amaranth: UnusedElaboratable=no
"""Layers that keep one value of many: max-pooling, sum pooling, arg max."""

import numpy as np

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Fold, Layer, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.pooling import ArgMax, MaxPool, SumPool

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

    def build(self, fold, lanes, rows=0):
        node = self.node
        return MaxPool(
            shape_of(self.inputs[0]),
            *self.inputs[0].shape,
            kernel=node.kernel,
            stride=node.stride,
            pad=node.pad,
            lanes=fold.pe,
            rows=rows,
        )

    def windowed(self, fold):
        return True

    def model(self, component, fold, lanes):
        window = component.window
        return timing.Windows.of(window, window.groups, window.beats, window.beats + 1)


class SumPoolLayer(Layer):
    """Sum pooling."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(lanes, 1)

    def build(self, fold, lanes, rows=0):
        return SumPool(
            shape_of(self.inputs[0]),
            *self.inputs[0].shape,
            kernel=self.node.window(self.inputs[0]),
            lanes=lanes[0],
            out_shape=shape_of(self.output),
        )

    def model(self, component, fold, lanes):
        channels, height, width = self.inputs[0].shape
        order = np.arange(height * width * channels // lanes[0]).reshape(height, width, -1)
        kh, kw = component.kernel
        return timing.Select(order.size, order[kh - 1 :: kh, kw - 1 :: kw].reshape(-1), component.latency)


class ArgMaxLayer(Layer):
    """Arg max."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(1, self.inputs[0].shape[0] // lanes)

    def build(self, fold, lanes, rows=0):
        return ArgMax(shape_of(self.inputs[0]), self.inputs[0].shape[0], lanes=lanes[0])

    def model(self, component, fold, lanes):
        return timing.Runs(component.cycles, component.latency)
