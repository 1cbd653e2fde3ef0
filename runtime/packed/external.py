"""Layers that the exact Fermat kernels compute: large kernels, and sums beyond 32 bits."""

import ctypes
import threading
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.software.convolution import convolve
from fermatnet.model.fermat.software.plan import choose
from fermatnet.runtime.packed.program import Kind
from fermatnet.runtime.packed.storage import Stored
from fermatnet.runtime.packed.weighted import Weighted

__all__ = ["FermatLayer", "fermat_possible", "fermat_seconds"]

_DTYPES = {Kind.BYTES: np.uint8, Kind.HALVES: np.int16, Kind.WORDS: np.int32, Kind.LONGS: np.int64}
_CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
_CALL_SECONDS, _VALUE_SECONDS = (
    60e-6,
    2e-9,
)  # of a call by way of Python; of a value that is copied there or back
_one_at_a_time = threading.Lock()  # the spectra of weights are kept in one place


def fermat_possible(layer: Weighted) -> bool:
    """Whether the Fermat kernels know such a layer: one group, no dilation, no bias, sums that their moduli
    hold.
    """
    return (
        layer.group == 1
        and layer.dilation == (1, 1)
        and not layer.bias.any()
        and fermat_seconds(layer) < float("inf")
    )


def fermat_seconds(layer: Weighted) -> float:
    """What the software convolution's cost model expects for one image, with the copies; else infinite.

    With a stride the phases of the image are further channels.
    """
    (sy, sx), (kh, kw), (outputs, *out) = layer.stride, layer.kernel, layer.result.shape
    shape = (1, layer.inputs * sy * sx, outputs, -(-kh // sy), -(-kw // sx), *out)
    try:
        seconds = choose(shape, *output_range(layer.weight, *layer.values)).seconds
    except InputError:
        return float("inf")
    return (
        seconds
        + _CALL_SECONDS
        + _VALUE_SECONDS
        * (
            layer.source.shape[0] * layer.source.shape[1] * layer.source.shape[2]
            + np.prod(layer.result.shape)
        )
    )


class FermatLayer:
    """One layer as a function that the engine's threads call with their memory and a number of images.

    Attributes: ``function``, the ctypes callback. Exceptions cannot leave a callback: they are put into
    ``failed``.
    """

    def __init__(self, layer: Weighted, source: Stored, target: Stored, failed: list[Exception]):
        self.layer, self.source, self.target, self.failed = layer, source, target, failed
        self.weight = np.ascontiguousarray(layer.weight)
        self.function: Any = _CALL(self._call)

    def _view(
        self, memory: int, stored: Stored, images: int, border: tuple[int, int, int, int]
    ) -> np.ndarray:
        """(n, H, W, C) of a tensor and as much of its border: top, left, bottom, right."""
        channels, height, width = stored.shape
        start = (
            stored.offset
            + (stored.border[0] - border[0]) * stored.row
            + (stored.border[1] - border[1]) * stored.pixel
        )
        dtype = np.dtype(_DTYPES[stored.storage.kind])
        shape = (images, height + border[0] + border[2], width + border[1] + border[3], channels)
        strides = (stored.image, stored.row, stored.pixel, dtype.itemsize)
        size = (
            sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True)) + dtype.itemsize
        )
        raw: Any = (ctypes.c_uint8 * size).from_address(memory + start)
        return np.ndarray(shape, dtype, raw, strides=strides)

    def _call(self, memory: int, images: int) -> None:
        try:
            layer = self.layer
            x = self._view(memory, self.source, images, layer.reach).transpose(
                0, 3, 1, 2
            )  # the border holds the padding
            values = np.ascontiguousarray(x.astype(np.int16) - self.source.storage.zero, np.int16)
            target = self._view(memory, self.target, images, (0, 0, 0, 0))
            with _one_at_a_time:
                sums = convolve(values, self.weight, layer.stride, 0, x_range=layer.values, threads=1)
            target[...] = sums.transpose(0, 2, 3, 1)
        except Exception as error:
            self.failed.append(error)
