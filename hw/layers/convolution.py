# amaranth: UnusedElaboratable=no
"""Convolutions of integers: on an array of multipliers, or, where the network's plan says so, on the Fermat
engine."""

from dataclasses import replace
from typing import Any

import numpy as np

from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.arrays.products.choice import Operands
from fermatnet.hw.layers.extremes import ends
from fermatnet.hw.layers.integer import IntegerMatrixLayer
from fermatnet.hw.layers.layer import Fold, StreamRate, divisors, shape_of
from fermatnet.hw.layers.transform import FermatConvLayer
from fermatnet.model.network.engine import conv_plan

__all__ = ["ConvLayer", "Depthwise", "DepthwiseConvLayer"]


class ConvLayer(IntegerMatrixLayer):
    """A convolution on an array; `of` also finds those that take the Fermat engine or are depthwise."""

    @classmethod
    def of(cls, net, node, target="generic", contents=None):
        chosen = conv_plan(net, node)
        if chosen is not None:
            return FermatConvLayer(net, node, chosen, target)
        kind = DepthwiseConvLayer if cls.is_depthwise(node) else ConvLayer
        return kind(net, node, target, contents)

    @classmethod
    def weight_of(cls, node: Any) -> np.ndarray:
        """(O, I/group, kh, kw)."""
        return node.weight

    @classmethod
    def is_depthwise(cls, node: Any) -> bool:
        """Whether there are as many groups as channels, in and out."""
        weight = cls.weight_of(node)
        return node.group > 1 and weight.shape[1] == 1 and weight.shape[0] == node.group

    def rows_of(self, node):
        weight = self.weight_of(node)
        return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)

    def view(self):
        node = self.node
        geometry = {
            "kernel": tuple(int(k) for k in self.weight_of(node).shape[2:]),
            "stride": tuple(node.stride),
            "pad": tuple(node.pad),
            "dilation": tuple(node.dilation),
        }
        return {"geometry": geometry, "map": self.inputs[0].shape, "group": node.group}

    @classmethod
    def widest(cls, node, bounds):
        top = (1 << node.weight_bits - 1) - 1
        return replace(node, weight=ends(node.weight.shape, -top, top, node.name), engine="direct")


class Depthwise(ConvLayer):
    """As many groups as channels, in and out: ``pe`` channels side by side."""

    def folds(self):
        return [Fold(lanes, lanes) for lanes in divisors(self.outputs)]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * self.taps

    def products(self, fold):
        return fold.pe

    def pace(self, fold, incoming, period):
        return [fold.pe], StreamRate(fold.pe, self.taps)

    def repeats(self, fold):
        return 1

    def groups(self, fold):
        return self.outputs // fold.pe

    def needs_window(self, fold):
        return True

    def operands(self, fold):
        return Operands.of(self.matrix, shape_of(self.inputs[0]), 1, fold.pe, shared=False)


class DepthwiseConvLayer(Depthwise):
    """A depthwise convolution of integers."""

    def array(self, fold):
        held = None if self.contents is None else self.rows_of(self.contents)
        return DepthwiseArray(
            self.matrix,
            shape_of(self.inputs[0]),
            lanes=fold.pe,
            contents=held,
            clock=self.clock,
            products=self.multiply,
        )
