# amaranth: UnusedElaboratable=no
"""Layers that move values and change none: padding, slices, upsampling, chosen channels, depth to space."""

from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Block, Layer, Placement, StreamRate, beats_of, divisors, shape_of
from fermatnet.hw.stream.raster import Axis, Crop, Frame, beats_chosen
from fermatnet.hw.stream.repeat import LEAST_ROWS, Repeat
from fermatnet.hw.stream.select import Select

__all__ = ["DepthToSpaceLayer", "PadLayer", "SelectChannelsLayer", "SliceLayer", "UpsampleLayer"]


class _GrowingLayer(Layer):
    """Its output has at least as many beats as its input, which come one a cycle."""

    area = 1  # channels that come in for one that leaves

    def pace(self, fold, incoming, period):
        (rate,) = incoming
        for lanes in divisors(self.output.shape[0]):
            keeps_up = rate.lanes <= lanes * self.area * rate.interval
            if keeps_up and beats_of(self.output, lanes) <= period:
                break
        return [lanes * self.area], StreamRate(lanes, 1)

    def cost(self, fold):
        return 40.0 + 2.0 * shape_of(self.output).width


class _FrameLayer(_GrowingLayer):
    """A map on places of a larger one; a subclass names the places."""

    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns of the output that are the input's."""
        raise NotImplementedError

    def block(self, at: Placement) -> Block:
        rows, columns = self.axes()
        (lanes,) = at.lanes
        chunks = self.output.shape[0] // lanes
        shapes = shape_of(self.inputs[0]), shape_of(self.output)
        frame = Frame(*shapes, rows, columns, value=self.node.value, chunks=chunks, lanes=lanes)
        return Block(frame, timing.Frames(beats_chosen(rows, columns, chunks)))


class PadLayer(_FrameLayer):
    """Rows and columns around a map."""

    def axes(self):
        top, left, _, _ = self.node.pad
        _, height, width = self.inputs[0].shape
        _, tall, wide = self.output.shape
        return Axis(tall, top, 1, height), Axis(wide, left, 1, width)


class InsertLayer(_FrameLayer):
    """Rows and columns between those of a map."""

    def axes(self):
        down, across = self.node.factor
        _, height, width = self.inputs[0].shape
        return Axis(height * down, 0, down, height), Axis(width * across, 0, across, width)


class _RepeatLayer(_GrowingLayer):
    """Rows and pixels several times."""

    factor: tuple[int, int]

    def windowed(self, fold):
        return True

    def cost(self, fold):
        return 120.0 + 2.0 * shape_of(self.output).width * self.area

    def block(self, at: Placement) -> Block:
        return _RepeatBlock(self, at.lanes[0])


class _RepeatBlock(Block):
    """Its ring may get more rows than the least."""

    def __init__(self, layer: _RepeatLayer, lanes: int):
        self.layer, self.lanes = layer, lanes
        channels, _, width = layer.inputs[0].shape
        self.chunks = channels // lanes
        self.model = timing.Repeats(width, self.chunks, layer.factor, LEAST_ROWS)
        self.ring_bits = LEAST_ROWS * width * channels * shape_of(layer.inputs[0]).width

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        layer = self.layer
        _, height, width = layer.inputs[0].shape
        return Repeat(
            shape_of(layer.inputs[0]),
            height,
            width,
            chunks=self.chunks,
            lanes=self.lanes,
            factor=layer.factor,
            pieces=layer.area,
            rows=rows,
        )


class NearestLayer(_RepeatLayer):
    """Each pixel becomes a block of equal ones."""

    @property
    def factor(self):
        """How often each row and each column is repeated."""
        return tuple(self.node.factor)


class DepthToSpaceLayer(_RepeatLayer):
    """The channels of a pixel become a block of pixels."""

    @property
    def factor(self):
        """Rows and columns that a pixel becomes."""
        return self.node.block, self.node.block

    @property
    def area(self):
        """Pixels that a pixel becomes."""
        return self.node.block**2


class UpsampleLayer(Layer):
    """Nearest, or with values between."""

    @classmethod
    def of(cls, net, node, target="generic", contents=None):
        kind = InsertLayer if node.mode == "insert" else NearestLayer
        return kind(net, node, target, contents)


class SliceLayer(Layer):
    """Some rows and columns of a map."""

    def pace(self, fold, incoming, period):
        lanes = self.narrowest(incoming[0], period, self.inputs[0])
        return [lanes], StreamRate(lanes, incoming[0].interval if lanes == incoming[0].lanes else 1)

    def cost(self, fold):
        return 40.0 + shape_of(self.output).width

    def block(self, at: Placement) -> Block:
        _, height, width = self.inputs[0].shape
        node, (lanes,) = self.node, at.lanes
        rows, columns = (
            Axis(size, node.start[k], node.step[k], self.output.shape[k + 1])
            for k, size in enumerate((height, width))
        )
        chunks = self.output.shape[0] // lanes
        crop = Crop(shape_of(self.inputs[0]), rows, columns, chunks=chunks, lanes=lanes)
        chosen = beats_chosen(rows, columns, chunks)
        return Block(crop, timing.Select(len(chosen), chosen.nonzero()[0], crop.latency))


class SelectChannelsLayer(Layer):
    """Channels of a pixel in another order: whole pixels come and leave."""

    def pace(self, fold, incoming, period):
        (rate,), channels = incoming, self.inputs[0].shape[0]
        return [channels], StreamRate(self.output.shape[0], channels // rate.lanes * rate.interval)

    def cost(self, fold):
        return 10.0

    def block(self, at: Placement) -> Block:
        return Block(Select(self.node.order, shape_of(self.inputs[0]), self.inputs[0].shape[0]))
