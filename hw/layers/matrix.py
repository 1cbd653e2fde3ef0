# amaranth: UnusedElaboratable=no
"""Convolutions and dense layers on an array of multipliers or popcounts, behind a sliding window where they
need one."""

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.arrays.streamed import Streamed
from fermatnet.hw.layers.layer import Fold, Layer, StreamRate, divisors, shape_of
from fermatnet.hw.layers.windowed import WindowedArray
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.errors import InputError
from fermatnet.model.network import nodes

__all__ = ["DepthwiseLayer", "MatrixVectorLayer"]


class MatrixVectorLayer(Layer):
    """Convolutions and dense layers on an array behind a sliding window; folds are (divisors of O/group) x
    (divisors of C/group)."""

    foldable = True

    def __init__(self, net, node):
        super().__init__(net, node)
        channels, height, width = self.inputs[0].shape
        if isinstance(node, nodes.Dense):
            # Flattened as (C, H, W) in the file, as (H, W, C) on the stream: the weights move, not the data.
            weight = node.weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
            self.matrix = weight.reshape(len(weight), -1)
            self.geometry = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "dilation": (1, 1)}
            self.map, self.group = (channels * height * width, 1, 1), 1
        else:
            weight = node.codes if isinstance(node, nodes.PiecewiseConv) else node.weight
            self.matrix = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
            self.geometry = {
                "kernel": tuple(int(k) for k in weight.shape[2:]),
                "stride": tuple(node.stride),
                "pad": tuple(node.pad),
                "dilation": tuple(node.dilation),
            }
            self.map, self.group = (channels, height, width), node.group
        self.outputs, self.taps = self.matrix.shape
        self.pixels = self.output.shape[1] * self.output.shape[2]

    def folds(self):
        inputs = self.map[0] // self.group
        allowed = divisors(inputs)
        if isinstance(self.node, nodes.Dense):  # a beat of the stream holds channels of one pixel
            allowed = divisors(self.inputs[0].shape[0])
        return [Fold(pe, simd) for pe in divisors(self.outputs // self.group) for simd in allowed]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * (self.taps // fold.simd)

    def pace(self, fold, incoming, period):
        return [fold.simd], StreamRate(fold.pe, self.taps // fold.simd)

    def repeats(self, fold: Fold) -> int:
        return self.outputs // self.group // fold.pe

    def needs_window(self, fold: Fold) -> bool:
        plain = (
            self.geometry["kernel"] == (1, 1)
            and self.geometry["stride"] == (1, 1)
            and not any(self.geometry["pad"])
        )
        return not (plain and self.group == 1 and self.repeats(fold) == 1)

    def windowed(self, fold):
        return self.needs_window(fold)

    def window(self, fold: Fold, rows: int) -> SlidingWindow:
        try:
            return SlidingWindow(
                shape_of(self.inputs[0]),
                *self.map,
                **self.geometry,
                lanes=fold.simd,
                repeats=self.repeats(fold),
                groups=self.group,
                pad_value=getattr(self.node, "pad_value", 0),
                rows=rows,
            )
        except InputError as error:
            raise InputError(f"layer {self.name!r}: {error}") from error

    def array(self, fold: Fold) -> wiring.Component:
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.PiecewiseConv):
            return PiecewiseArray(
                self.matrix, node.levels_w, node.levels_a, pe=fold.pe, simd=fold.simd, target=self.target
            )
        bias = node.bias if isinstance(node, nodes.Dense) else np.zeros(0, np.int64)
        return IntegerArray(self.matrix, bias, shape, pe=fold.pe, simd=fold.simd)

    def build(self, fold, lanes, rows=0):
        array = Streamed(self.array(fold)) if self.external else self.array(fold)
        return WindowedArray(self.window(fold, rows), array) if self.needs_window(fold) else array

    def model(self, component, fold, lanes):
        beats = self.taps // fold.simd
        if not isinstance(component, WindowedArray):
            return timing.Runs(beats, component.latency - beats + 1)
        return timing.Windows.of(
            component.parts[0], self.outputs // fold.pe, beats, 2 + component.parts[1].latency
        )


class DepthwiseLayer(MatrixVectorLayer):
    """Convolutions with as many groups as channels, in and out: ``pe`` channels side by side."""

    def folds(self):
        return [Fold(lanes, lanes) for lanes in divisors(self.outputs)]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * self.taps

    def pace(self, fold, incoming, period):
        return [fold.pe], StreamRate(fold.pe, self.taps)

    def needs_window(self, fold):
        return True

    def window(self, fold, rows):
        return SlidingWindow(
            shape_of(self.inputs[0]),
            *self.map,
            **self.geometry,
            lanes=fold.pe,
            groups=self.outputs // fold.pe,
            pad_value=getattr(self.node, "pad_value", 0),
            rows=rows,
        )

    def array(self, fold):
        node, shape = self.node, shape_of(self.inputs[0])
        if isinstance(node, nodes.PiecewiseConv):
            weight = node.levels_w.astype(np.int64)[self.matrix]
            return DepthwiseArray(
                weight, Shape((len(node.levels_a) - 1).bit_length()), lanes=fold.pe, levels=node.levels_a
            )
        return DepthwiseArray(self.matrix, shape, lanes=fold.pe)

    def model(self, component, fold, lanes):
        return timing.Windows.of(
            component.parts[0], self.outputs // fold.pe, self.taps, 2 + component.parts[1].latency
        )
