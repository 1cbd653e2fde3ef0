"""What ``convert`` and ``export`` are told about the images, checked in one place: shape, bits, sign,
normalisation, calibration images.

Raw integers of 1 to 16 bits come in, signed or not; real numbers are refused, with what to write instead.
"""

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale

__all__ = [
    "check_bits",
    "check_images",
    "check_normalisation",
    "check_pixels",
    "check_range",
    "check_shape",
    "kind_of",
    "normalised",
    "probes",
]

MOST_BITS = 16
_LARGE = 3 * 128 * 128
_TYPES = (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_shape(shape: Any) -> tuple[int, ...]:
    """(C, H, W) of an image, (c, n) of rows or (n,) of a vector, or InputError."""
    values = tuple(shape) if isinstance(shape, list | tuple | torch.Size) else ()
    if not 1 <= len(values) <= 3 or not all(_whole(x) and x > 0 for x in values):
        raise InputError(
            f"shape must be (C, H, W) of an image, (c, n) of c rows or (n,) of a vector, whole numbers above "
            f"0, not {shape!r}"
        )
    return tuple(int(x) for x in values)


def check_bits(bits: Any) -> int:
    """Bits of a pixel, 1 to 16, or InputError."""
    if not _whole(bits) or not 1 <= bits <= MOST_BITS:
        raise InputError(
            f"bits must be a whole number from 1 to {MOST_BITS}, the width of a pixel, not {bits!r}; shift "
            f"wider numbers first, images >> n"
        )
    return int(bits)


def check_pixels(bits: Any, signed: Any, images: Any, dims: tuple[int, ...]) -> PixelScale:
    """The layer that takes the raw integers in; bits and sign that are None are those of the images' type (8
    and unsigned without images). Given bits: signed where an image holds a number below 0."""
    if signed is not None and not isinstance(signed, bool):
        raise InputError(f"signed must be True, False or None, not {signed!r}")
    kind = str(getattr(images, "dtype", "")).rpartition(".")[2]
    if bits is None:
        bits = 16 if kind in ("int16", "uint16") else 8
        signed = kind in ("int8", "int16") if signed is None else signed
    bits = check_bits(bits)
    if signed is None:
        signed = kind in ("int8", "int16", "int32", "int64") and bool(np.asarray(images).min() < 0)
    if signed and bits < 2:
        raise InputError("signed pixels have at least 2 bits")
    return PixelScale(bits, signed=signed, dims=dims)


def check_range(value_range: Any, pixels: PixelScale | None) -> tuple[int, int]:
    """Inclusive range of the pixels for ``export``; None: all that the model was converted for (``pixels``;
    None: unknown, 0..255)."""
    low, top = (0, 255) if pixels is None else pixels.range
    if value_range is None:
        return low, top
    values = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    if len(values) != 2 or not all(map(_whole, values)) or values[0] > values[1]:
        raise InputError(f"value_range must be (lowest, highest) pixel, whole numbers, not {value_range!r}")
    if values[0] < low or values[1] > top:
        bits = 8 if pixels is None else pixels.bits
        raise InputError(
            f"value_range {values}: the model was converted for pixels of {bits} bits, {low}..{top}; "
            f"give convert bits= and signed= for it, or export value_range=({low}, {top})"
        )
    return int(values[0]), int(values[1])


def _numbers(values: Any, channels: int) -> list[float] | None:
    """The numbers of a list, a tuple, an array or a tensor of the right length, or None."""
    try:
        found = [float(x) for x in values]
    except (TypeError, ValueError):
        return None
    return (
        found
        if len(found) == channels and all(map(math.isfinite, found)) and not isinstance(values, str)
        else None
    )


def check_normalisation(mean: Any, std: Any, channels: int) -> tuple[list[float], list[float]] | None:
    """(mean, std), each a number a channel, None where neither is given; InputError where they cannot be."""
    if mean is None and std is None:
        return None
    means = [0.0] * channels if mean is None else _numbers(mean, channels)
    stds = [1.0] * channels if std is None else _numbers(std, channels)
    if means is None or stds is None or min(stds) <= 0:
        raise InputError(
            f"mean and std must be {channels} numbers each, std positive; here mean={mean!r}, std={std!r}"
        )
    return means, stds


def check_images(images: Any, pixels: PixelScale) -> Tensor | None:
    """Calibration images as a tensor (n, *dims) of the narrowest type that holds the pixels, from a tensor or
    an array of integers; InputError where they are anything else."""
    if images is None:
        return None
    low, top = pixels.range
    if isinstance(images, np.ndarray):
        if images.dtype == object:
            raise InputError("images must be numbers: a uint8 array (n, C, H, W), not an array of objects")
        try:
            images = torch.from_numpy(np.ascontiguousarray(images))
        except TypeError as error:
            raise InputError(f"images must be a uint8 array (n, C, H, W), not of {images.dtype}") from error
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a tensor or an array of integers, not {type(images).__name__}")
    if images.layout != torch.strided or images.is_meta:
        raise InputError("images must be a dense tensor with its numbers, not a sparse or a meta one")
    if images.dtype.is_floating_point or images.dtype.is_complex:
        raise InputError(
            f"images must be raw integers, uint8 for instance, not {images.dtype}: undo the scaling, (x * "
            f"{top}).round().to(torch.uint8) for "
            f"x in 0..1, and give convert the normalisation as mean= and std="
        )
    if images.dtype not in _TYPES:
        raise InputError(f"images must be uint8, int8, int16 or uint16, not {images.dtype}")
    dims = pixels.dims or ()
    if tuple(images.shape[1:]) != dims or len(images) == 0:
        raise InputError(
            f"images must be (n, {', '.join(map(str, dims))}) with n above 0, not {tuple(images.shape)}"
        )
    images = images.to(torch.int32)
    if int(images.max()) > top or int(images.min()) < low:
        raise InputError(
            f"images hold {int(images.min())}..{int(images.max())}, but bits={pixels.bits} has pixels of "
            f"{low}..{top}: give the right bits"
        )
    return images.to(kind_of((low, top)))


def kind_of(value_range: tuple[int, int]) -> torch.dtype:
    """The narrowest type of torch with which all can be done that holds a range."""
    low, top = value_range
    if low >= 0 and top <= 255:
        return torch.uint8
    if low >= -128 and top <= 127:
        return torch.int8
    return torch.int16 if low >= -(1 << 15) and top < 1 << 15 else torch.int32


def probes(
    dims: tuple[int, ...],
    value_range: tuple[int, int],
    images: Tensor | None,
    *,
    count: int = 8,
    seed: int = 0,
) -> Tensor:
    """Images to compare two models on: the darkest, the brightest, some of ``images`` or, without them,
    random ones."""
    low, high = value_range
    if prod(dims) > _LARGE:
        count = min(count, 2)  # the comparisons take seconds
    kind = kind_of(value_range) if images is None else images.dtype
    ends = torch.tensor([low, high], dtype=kind).view(2, *[1] * len(dims)).expand(2, *dims)
    if images is None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(low, high + 1, (count, *dims), generator=generator, dtype=kind)
    return torch.cat([images[:count], ends])


def normalised(
    images: Tensor, bits: int, normalisation: tuple[Sequence[float], Sequence[float]] | None
) -> Tensor:
    """float64: what the user's model takes for these pixels: p / 2^bits, or (p / (2^bits - 1) - mean) /
    std."""
    if normalisation is None:
        return images.double() * 2.0**-bits
    shape = (1, -1, *[1] * (images.dim() - 2))
    mean, std = (torch.tensor(list(x), dtype=torch.float64).view(shape) for x in normalisation)
    return (images.double() / ((1 << bits) - 1) - mean) / std
