"""What ``convert`` and ``export`` are told about the images, checked in one place: shape, bits,
normalisation, calibration images.

The network file holds pixels of 0..255 today, so that anything wider, signed or real is refused here, with
what to write instead.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError

__all__ = [
    "check_bits",
    "check_images",
    "check_normalisation",
    "check_range",
    "check_shape",
    "normalised",
    "probes",
]

MOST_BITS = 8
_LARGE = 3 * 128 * 128


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_shape(shape: Any) -> tuple[int, int, int]:
    """(C, H, W) of an image, or InputError."""
    values = tuple(shape) if isinstance(shape, list | tuple | torch.Size) else ()
    if len(values) != 3 or not all(_whole(x) and x > 0 for x in values):
        raise InputError(
            f"shape must be (C, H, W), three whole numbers above 0, not {shape!r}; a vector of n values is "
            "(n, 1, 1), "
            "a row of n values (1, 1, n)"
        )
    return tuple(int(x) for x in values)  # type: ignore[return-value]


def check_bits(bits: Any) -> int:
    """Bits of a pixel, 1 to 8, or InputError."""
    if not _whole(bits) or bits < 1:
        raise InputError(
            f"bits must be a whole number from 1 to {MOST_BITS}, the width of a pixel, not {bits!r}"
        )
    if bits > MOST_BITS:
        raise InputError(
            f"bits={bits}: the network file holds pixels of at most {MOST_BITS} bits, 0..255; write bits=8 "
            "and give images "
            f"that are scaled to it, (images >> {bits - MOST_BITS}).to(torch.uint8)"
        )
    return int(bits)


def check_range(value_range: Any, bits: int | None) -> tuple[int, int]:
    """Inclusive range of the pixels for ``export``; None: all that the model was converted for (``bits``;
    None: unknown, 0..255)."""
    top = (1 << (8 if bits is None else bits)) - 1
    if value_range is None:
        return 0, top
    values = tuple(value_range) if isinstance(value_range, list | tuple) else ()
    if len(values) != 2 or not all(map(_whole, values)) or values[0] > values[1]:
        raise InputError(f"value_range must be (lowest, highest) pixel, whole numbers, not {value_range!r}")
    if values[0] < 0 or values[1] > 255:
        raise InputError(
            f"value_range {values}: the network file holds pixels of 0..255; shift and scale the images to "
            "it before training"
        )
    if values[1] > top:
        raise InputError(
            f"value_range {values}: the model was converted for pixels of {bits} bits, 0..{top}; "
            f"give convert bits={int(values[1]).bit_length()}, or export value_range=(0, {top})"
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


def check_images(images: Any, shape: tuple[int, int, int], bits: int) -> Tensor | None:
    """Calibration images as a uint8 tensor (n, C, H, W), from a tensor or an array; InputError where they
    are anything else."""
    if images is None:
        return None
    if isinstance(images, np.ndarray):
        if images.dtype == object:
            raise InputError("images must be numbers: a uint8 array (n, C, H, W), not an array of objects")
        try:
            images = torch.from_numpy(np.ascontiguousarray(images))
        except TypeError as error:
            raise InputError(f"images must be a uint8 array (n, C, H, W), not of {images.dtype}") from error
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a uint8 tensor or array (n, C, H, W), not {type(images).__name__}")
    top = (1 << bits) - 1
    if images.dtype.is_floating_point or images.dtype.is_complex:
        raise InputError(
            f"images must be raw uint8 pixels, not {images.dtype}: undo the scaling, (x * "
            f"{top}).round().to(torch.uint8) for "
            f"x in 0..1, and give convert the normalisation as mean= and std="
        )
    if images.dtype != torch.uint8:
        raise InputError(
            f"images must be uint8, not {images.dtype}: the network file holds pixels of 0..255; shift and "
            "scale them to it, "
            "then .to(torch.uint8)"
        )
    if images.dim() != 4 or tuple(images.shape[1:]) != shape or len(images) == 0:
        raise InputError(
            f"images must be (n, {shape[0]}, {shape[1]}, {shape[2]}) with n above 0, not "
            f"{tuple(images.shape)}"
        )
    if int(images.max()) > top:
        raise InputError(
            f"images hold {int(images.max())}, but bits={bits} has pixels of 0..{top}: give the right bits"
        )
    return images


def probes(
    shape: tuple[int, int, int],
    value_range: tuple[int, int],
    images: Tensor | None,
    *,
    count: int = 8,
    seed: int = 0,
) -> Tensor:
    """uint8 images to compare two models on: a black one, a white one, some of ``images`` or, without them,
    random ones."""
    low, high = value_range
    if shape[0] * shape[1] * shape[2] > _LARGE:
        count = min(count, 2)  # the comparisons take seconds
    ends = torch.tensor([low, high], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, *shape)
    if images is None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(low, high + 1, (count, *shape), generator=generator, dtype=torch.uint8)
    return torch.cat([images[:count], ends])


def normalised(
    images: Tensor, bits: int, normalisation: tuple[Sequence[float], Sequence[float]] | None
) -> Tensor:
    """float64: what the user's model takes for these pixels: p / 2^bits, or (p / (2^bits - 1) - mean) /
    std."""
    if normalisation is None:
        return images.double() * 2.0**-bits
    mean, std = (torch.tensor(list(x), dtype=torch.float64).view(1, -1, 1, 1) for x in normalisation)
    return (images.double() / ((1 << bits) - 1) - mean) / std
