"""Weights in the order in which the kernels read them: [block of vectors][plane][step][vector][lane][4
bytes].
"""

from dataclasses import dataclass

import numpy as np

from fermatnet.runtime.packed.kernel_choice import WeightPlanes
from fermatnet.runtime.packed.weighted import Weighted

__all__ = ["Window", "by_slot", "pack_bits", "pack_depthwise", "pack_dot", "slot_channels", "window_masks"]


@dataclass(frozen=True)
class Window:
    """The steps of an inner loop: byte offsets of each from the window's first byte, four bytes a step."""

    rows: int
    columns: int
    joined: bool  # a row of the window is contiguous: one channel group, no horizontal dilation
    dilation: tuple[int, int]

    @staticmethod
    def of(layer: Weighted) -> "Window":
        """The window of a layer with weights."""
        return Window(*layer.kernel, layer.group == 1 and layer.dilation[1] == 1, layer.dilation)

    def segment(self, pixel: int) -> int:
        """Bytes that lie side by side, when a pixel's inputs take ``pixel`` bytes."""
        return self.columns * pixel if self.joined else pixel

    def offsets(self, pixel_inputs: int, pixel: int, row: int) -> np.ndarray:
        """int32 (steps,); pixel_inputs: bytes read of a pixel; pixel, row: bytes from one to the next in the
        tensor.
        """
        width = -(-self.segment(pixel_inputs) // 4)
        columns = (0,) if self.joined else tuple(self.dilation[1] * c * pixel for c in range(self.columns))
        starts = [self.dilation[0] * r * row + c for r in range(self.rows) for c in columns]
        return np.array([start + 4 * step for start in starts for step in range(width)], np.int32)

    def segments(self, raw: np.ndarray) -> np.ndarray:
        """uint8 (O, kh, kw, bytes a pixel) to (O, steps, 4): segments padded with zeros to whole steps."""
        outputs, rows, columns, pixel = raw.shape
        count = rows if self.joined else rows * columns
        flat = raw.reshape(outputs, count, self.segment(pixel))
        padded = np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[2] % 4)))
        return padded.reshape(outputs, -1, 4)


def slot_channels(groups: int, outputs: int, lanes: int) -> np.ndarray:
    """int64 (slots, lanes): the channel in each lane of each vector, -1 where there is none."""
    vectors = -(-outputs // lanes)
    within = np.arange(vectors * lanes).reshape(vectors, lanes)
    all_groups = np.arange(groups)[:, None, None] * outputs + within
    return np.where(within < outputs, all_groups, -1).reshape(groups * vectors, lanes)


def by_slot(values: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """values (C, ...) to (slots, lanes, ...), zeros in empty lanes."""
    slots = values[np.maximum(channels, 0)]
    slots[channels < 0] = 0
    return slots


def _blocks(steps: np.ndarray, groups: int, lanes: int, most: int) -> np.ndarray:
    """uint8 (planes, O, steps, 4) to the kernels' order, flat."""
    planes, total, count, _ = steps.shape
    outputs = total // groups
    vectors = -(-outputs // lanes)
    grouped = steps.reshape(planes, groups, outputs, count, 4)
    padded = np.pad(grouped, ((0, 0), (0, 0), (0, vectors * lanes - outputs), (0, 0), (0, 0)))
    shaped = padded.reshape(planes, groups, vectors, lanes, count, 4).transpose(
        1, 2, 0, 4, 3, 5
    )  # group, vector, plane, step, lane, 4
    parts = [
        shaped[group, first : first + most].transpose(1, 2, 0, 3, 4).ravel()  # plane, step, vector, lane, 4
        for group in range(groups)
        for first in range(0, vectors, most)
    ]
    return np.ascontiguousarray(np.concatenate(parts))


def pack_dot(layer: Weighted, dtype: type, lanes: int, most: int) -> np.ndarray:
    """Weights as int8 or int16, uint8 flat."""
    by_pixel: np.ndarray = np.ascontiguousarray(layer.weight.transpose(0, 2, 3, 1).astype(dtype))
    return _blocks(Window.of(layer).segments(by_pixel.view(np.uint8))[None], layer.group, lanes, most)


def pack_bits(layer: Weighted, planes: WeightPlanes, lanes: int, most: int) -> np.ndarray:
    """Bit planes of the weights, uint8 flat."""
    place = np.searchsorted(np.array(planes.levels), layer.weight.transpose(0, 2, 3, 1))
    member = planes.planes.table.astype(bool)[place]  # (O, kh, kw, C, planes)
    window = Window.of(layer)
    raw = [
        window.segments(np.packbits(member[..., i], axis=3, bitorder="little"))
        for i in range(planes.planes.count)
    ]
    return _blocks(np.stack(raw), layer.group, lanes, most)


def window_masks(layer: Weighted) -> np.ndarray:
    """uint32 (steps,): the bits of each step that belong to the window."""
    ones = np.packbits(np.ones((1, *layer.kernel, layer.inputs), bool), axis=3, bitorder="little")
    return np.ascontiguousarray(Window.of(layer).segments(ones)[0]).view(np.uint32).ravel()


def pack_depthwise(layer: Weighted, channels: np.ndarray) -> np.ndarray:
    """int32 (slots, taps, lanes): the weight in the low half of each lane, the high half 0."""
    taps = (layer.weight.reshape(layer.weight.shape[0], -1) & 0xFFFF).astype(np.int32)
    return np.ascontiguousarray(by_slot(taps, channels).transpose(0, 2, 1))
