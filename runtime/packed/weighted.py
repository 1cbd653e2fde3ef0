"""Convolutions, piecewise convolutions and dense layers as one thing: a window of integer weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import Conv, Dense, PiecewiseConv, TensorType

__all__ = ["Weighted"]


@dataclass(eq=False)
class Weighted:
    """weight int64 (O, C/group, kh, kw); bias int64 (O,); codes and levels where the layer is piecewise;
    types of both ends.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    source: TensorType
    result: TensorType
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    levels_a: np.ndarray | None = None
    pad_value: int = 0

    @staticmethod
    def of(net: Network, node: Conv | PiecewiseConv | Dense) -> "Weighted":
        """The window of a layer; a dense one has the window of the whole map."""
        source, output = net.types[node.inputs[0]], net.types[node.name]
        none = np.zeros(output.shape[0], np.int64)
        if isinstance(node, Dense):
            bias = node.bias.astype(np.int64) if node.bias.size else none
            return Weighted(
                node.name, node.weight.astype(np.int64).reshape(-1, *source.shape), bias, source, output
            )
        place = (tuple(node.stride), tuple(node.pad), tuple(node.dilation), node.group)
        if isinstance(node, Conv):
            weight = node.weight.astype(np.int64)
            return Weighted(node.name, weight, none, source, output, *place, pad_value=node.pad_value)  # type: ignore[arg-type]
        weight = node.levels_w.astype(np.int64)[node.codes]
        levels_a = node.levels_a.astype(np.int64)[: source.hi + 1]
        return Weighted(node.name, weight, none, source, output, *place, levels_a)  # type: ignore[arg-type]

    @property
    def outputs(self) -> int:
        """Output channels of a group."""
        return self.weight.shape[0] // self.group

    @property
    def inputs(self) -> int:
        """Input channels of a group."""
        return self.weight.shape[1]

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return self.weight.shape[2:]  # type: ignore[return-value]

    @cached_property
    def values(self) -> tuple[int, int]:
        """Least and greatest activation that meets a weight: of the levels, where piece indices come in."""
        if self.levels_a is None:
            return min(self.source.lo, 0), max(self.source.hi, 0)
        return 0, int(self.levels_a.max())

    @cached_property
    def levels_used(self) -> tuple[int, ...]:
        """Weights that occur, ascending."""
        return tuple(int(level) for level in np.unique(self.weight))

    @property
    def products(self) -> int:
        """Multiply-accumulates of an image, padding included."""
        return self.weight.size * self.result.shape[1] * self.result.shape[2]

    @property
    def reach(self) -> tuple[int, int, int, int]:
        """How far windows reach beyond the map: top, left, bottom, right."""
        far = []
        for axis in range(2):
            end = (
                (self.result.shape[1 + axis] - 1) * self.stride[axis]
                - self.pad[axis]
                + self.dilation[axis] * (self.kernel[axis] - 1)
            )
            far.append(max(0, end - (self.source.shape[1 + axis] - 1)))
        return self.pad[0], self.pad[1], far[0], far[1]

    @property
    def depthwise(self) -> bool:
        """Whether each channel is a group of its own."""
        return self.group > 1 and self.inputs == 1 and self.outputs == 1
