# amaranth: UnusedElaboratable=no
"""Products of two tensors, and a constant added to every image."""

from fermatnet.hw import timing
from fermatnet.hw.layers.elementwise import ElementwiseLayer
from fermatnet.hw.layers.joins import AddLayer
from fermatnet.hw.layers.layer import Block, Layer, Placement, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.constant import ConstantAdder
from fermatnet.hw.stream.product import Multiplier, Scaler

__all__ = ["AddConstantLayer", "MultiplyLayer"]


class MultiplyLayer(Layer):
    """Product, the second tensor as large as the first or one pixel."""

    @classmethod
    def of(cls, net, node, target="generic", contents=None):
        alike = net.types[node.inputs[0]].shape == net.types[node.inputs[1]].shape
        return (_AlikeLayer if alike else _ScaleLayer)(net, node, target, contents)


class _AlikeLayer(AddLayer):
    """Value by value."""

    def cost(self, fold):
        first, second = (shape_of(tensor).width for tensor in self.inputs)
        return 1.1 * first * second + 40

    def block(self, at: Placement) -> Block:
        first, second = (shape_of(tensor) for tensor in self.inputs)
        unit = Multiplier(
            first, second, lanes=at.lanes[0], shape=shape_of(self.output), zeros=self.node.zeros
        )
        return Block(unit, timing.Join(unit.latency))


class _ScaleLayer(Layer):
    """By one value a channel."""

    def cost(self, fold):
        first, second = (shape_of(tensor).width for tensor in self.inputs)
        return 1.1 * first * second + 60

    def pace(self, fold, incoming, period):
        image = incoming[0]
        for lanes in divisors(self.output.shape[0]):
            if beats_of(self.output, lanes) <= period and image.lanes <= lanes * image.interval:
                break
        return [lanes, lanes], StreamRate(lanes, 1)

    def block(self, at: Placement) -> Block:
        (channels, height, width), lanes = self.output.shape, at.lanes[0]
        first, second = (shape_of(tensor) for tensor in self.inputs)
        unit = Scaler(
            first,
            second,
            lanes=lanes,
            shape=shape_of(self.output),
            zeros=self.node.zeros,
            pixels=height * width,
            chunks=channels // lanes,
        )
        return Block(unit, timing.Broadcast(unit.pixels, unit.chunks, unit.latency))


class AddConstantLayer(ElementwiseLayer):
    """A constant image added."""

    def block(self, at: Placement) -> Block:
        shapes = shape_of(self.inputs[0]), shape_of(self.output)
        return Block(ConstantAdder(self.node.value, *shapes, lanes=at.lanes[0]))
