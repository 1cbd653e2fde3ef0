# amaranth: UnusedElaboratable=no
"""Piecewise convolutions: AND-popcounts of piece indices, or multipliers of levels where they are
depthwise."""

from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Shape

from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.arrays.products.choice import Operands
from fermatnet.hw.constant.levels import ConstantLevels
from fermatnet.hw.layers import cost
from fermatnet.hw.layers.convolution import ConvLayer, Depthwise
from fermatnet.hw.layers.extremes import ends
from fermatnet.hw.layers.layer import shape_of
from fermatnet.hw.rtl.words import range_shape

__all__ = ["DepthwisePiecewiseLayer", "PiecewiseConvLayer"]


class PiecewiseConvLayer(ConvLayer):
    """A piecewise convolution on an AND-popcount array; `of` also finds the depthwise ones."""

    @classmethod
    def of(cls, net, node, target="generic", contents=None):
        kind = DepthwisePiecewiseLayer if cls.is_depthwise(node) else PiecewiseConvLayer
        return kind(net, node, target, contents)

    @classmethod
    def weight_of(cls, node: Any) -> np.ndarray:
        return node.codes

    def cost(self, fold):
        width, out = shape_of(self.inputs[0]).width, shape_of(self.output).width
        words = max(1, self.outputs * self.taps // (fold.pe * fold.simd))
        if self.constant(fold):
            window = cost.window_control(width, fold.simd) if self.needs_window(fold) else 0.0
            return self.constant_cost() + window
        node = self.node
        dot, bits = cost.dot_product(node.levels_w, node.levels_a, fold.simd, fold.pe, self.target)
        memory = cost.weight_memory(words, fold.pe * fold.simd * bits)
        return fold.pe * (dot + 1.2 * out) + memory + cost.window_control(width, fold.simd)

    def array(self, fold):
        node = self.node
        held = None if self.contents is None else self.rows_of(self.contents).astype(np.uint8)
        return PiecewiseArray(
            self.matrix,
            node.levels_w,
            node.levels_a,
            pe=fold.pe,
            simd=fold.simd,
            target=self.target,
            clock_mhz=self.clock_mhz,
            contents=held,
        )

    def operands(self, fold):
        return None

    def constant_cost(self):
        # one term a weight, and the sums of each level times it
        chosen = (self.node.levels_w[self.matrix] != 0).astype(np.int64)
        bits = int(self.node.levels_a[-1]).bit_length()
        out = shape_of(self.output).width
        return cost.constant_matrix(chosen, bits, self.target, out) + 60.0 * self.outputs

    def unrolled(self):
        node = self.node
        return ConstantLevels(self.matrix, node.levels_w, node.levels_a, target=self.target)

    @classmethod
    def widest(cls, node, bounds):
        codes = ends(node.codes.shape, 0, len(node.levels_w) - 1, node.name)
        return replace(node, codes=codes.astype(np.uint8))


class DepthwisePiecewiseLayer(Depthwise, PiecewiseConvLayer):
    """A depthwise piecewise convolution: the levels of weights in memory, those of indices by a table."""

    cost = ConvLayer.cost

    def weight_bits(self):
        return int(np.abs(self.node.levels_w).max()).bit_length() + 1

    def _levels_of(self, node: Any) -> np.ndarray:
        return node.levels_w.astype(np.int64)[self.rows_of(node)]

    def array(self, fold):
        levels = self.node.levels_a
        held = None if self.contents is None else self._levels_of(self.contents)
        return DepthwiseArray(
            self._levels_of(self.node),
            Shape((len(levels) - 1).bit_length()),
            lanes=fold.pe,
            levels=levels,
            contents=held,
            clock=self.clock,
            products=self.multiply,
        )

    def operands(self, fold):
        levels = self.node.levels_a
        return Operands.of(
            self._levels_of(self.node), range_shape(0, int(levels.max())), 1, fold.pe, shared=False
        )
