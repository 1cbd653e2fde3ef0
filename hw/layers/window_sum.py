# amaranth: UnusedElaboratable=no
"""Sums over windows that overlap, leave gaps or are padded."""

from typing import Any

from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.layers.layer import Block, Fold, Layer, Placement, StreamRate, beats_of, shape_of
from fermatnet.hw.layers.pooling import MaxPoolLayer, SumPoolLayer
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.stream.window_plan import WindowPlan
from fermatnet.hw.stream.window_sum import WindowSum

__all__ = ["SumLayer", "WindowSumLayer"]


class WindowSumLayer(MaxPoolLayer):
    """Sums behind a sliding window; folds are those of max-pooling."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Of the windows; (0, 0) in the file stands for the whole map."""
        return self.node.window(self.inputs[0])

    def cycles(self, fold):
        area = self.kernel[0] * self.kernel[1]
        return max(beats_of(self.output, fold.pe) * area, beats_of(self.inputs[0], fold.pe))

    def cost(self, fold):
        return 170.0 + fold.pe * (1.5 * shape_of(self.inputs[0]).width + 2.0 * shape_of(self.output).width)

    def pace(self, fold, incoming, period):
        return [fold.pe], StreamRate(fold.pe, self.kernel[0] * self.kernel[1])

    def block(self, at: Placement) -> Block:
        return _WindowSumBlock(self, at.fold)


class _WindowSumBlock(Block):
    """Its ring may get more rows than the least."""

    def __init__(self, layer: WindowSumLayer, fold: Fold):
        self.layer, self.lanes = layer, fold.pe
        window = WindowPlan(**self._geometry())
        self.ring_bits = window.ring_bits
        self.model = timing.Windows.of(window, window.groups, window.beats, window.beats + window.READ)

    def _geometry(self) -> dict[str, Any]:
        layer, (x,) = self.layer, self.layer.inputs
        padding = layer.node.pad_value if any(layer.node.pad) else 0
        channels, height, width = x.shape
        return {
            "shape": range_shape(min(x.lo, padding), max(x.hi, padding)),
            "channels": channels,
            "height": height,
            "width": width,
            "kernel": layer.kernel,
            "stride": layer.node.stride or layer.kernel,
            "pad": layer.node.pad,
            "lanes": self.lanes,
            "groups": channels // self.lanes,
            "pad_value": padding,
            "clock": layer.clock,
        }

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        x, y = shape_of(self.layer.inputs[0]), shape_of(self.layer.output)
        return WindowSum(x, self._geometry(), y, rows=rows)


class SumLayer(Layer):
    """Sums over windows of any kind: disjoint ones need no line buffer."""

    @classmethod
    def of(cls, net, node, target="generic", contents=None):
        return (SumPoolLayer if node.disjoint else WindowSumLayer)(net, node, target, contents)
