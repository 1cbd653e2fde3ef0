"""The inputs of a model that is converted: what each is told, checked, and what the comparisons put in.

One input is told plainly, ``shape=(3, 32, 32)``; several are told by the names that ``forward`` has for them,
``shape={"image": (3, 32, 32), "sensors": (5,)}``, and so are bits, signed, mean, std and images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.nn.door.images import (
    check_images,
    check_normalisation,
    check_pixels,
    check_shape,
    normalised,
    probes,
)
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.samples import Batch, Samples

__all__ = [
    "Entry",
    "arrays",
    "checked_samples",
    "entries",
    "pixel_names",
    "probed",
    "shaped",
    "taken",
    "twin_input",
]


@dataclass(frozen=True)
class Entry:
    """One input: its name in ``forward``, the layer that takes its raw integers, and the normalisation that
    the model expects of it."""

    name: str
    pixels: PixelScale
    normal: tuple[Sequence[float], Sequence[float]] | None = None

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape of a sample, without the batch."""
        return self.pixels.dims or ()


def shaped(shape: Any, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The shape of every input by name, in the order of ``names``, those of ``forward``; a plain shape is of
    the first of them. InputError for names that ``forward`` lacks."""
    if not isinstance(shape, Mapping):
        return {name: check_shape(shape) for name in names[:1]}
    if unknown := [str(key) for key in shape if key not in names]:
        raise InputError(
            f"shape names the input {unknown[0]!r}, but forward takes {', '.join(names) or 'nothing'}"
        )
    if not shape:
        raise InputError("shape names no input: give {'x': (C, H, W), ...}, a shape a name")
    return {name: check_shape(shape[name]) for name in names if name in shape}


def _of(value: Any, name: str, what: str, count: int, common: bool) -> Any:
    """The value of one input; with several inputs one by name, or one for all where that can be meant."""
    if isinstance(value, Mapping):
        return value.get(name)
    if value is None or count == 1 or common:
        return value
    raise InputError(f"{what} of {count} inputs must be a dict with one entry a name, {name!r} for instance")


def entries(shapes: Mapping[str, tuple[int, ...]], told: Any) -> tuple[Entry, ...]:
    """The inputs of those shapes as ``told`` (bits, signed, mean, std, images) says. InputError names what
    does not fit."""
    made, count = [], len(shapes)
    for key in ("bits", "signed", "mean", "std", "images"):
        value = getattr(told, key)
        unknown = [str(one) for one in value if one not in shapes] if isinstance(value, Mapping) else []
        if unknown:
            raise InputError(f"{key} names the input {unknown[0]!r}, shape has {', '.join(shapes)}")
    for name, dims in shapes.items():
        given = {
            key: _of(getattr(told, key), name, key, count, key in ("bits", "signed"))
            for key in ("bits", "signed", "mean", "std", "images")
        }
        try:
            pixels = check_pixels(given["bits"], given["signed"], given["images"], dims)
            normal = check_normalisation(given["mean"], given["std"], dims[0])
        except InputError as error:
            raise InputError(f"input {name!r}: {error}" if count > 1 else str(error)) from error
        made.append(Entry(name, pixels, normal))
    return tuple(made)


def checked_samples(images: Any, inputs: Sequence[Entry]) -> Batch | None:
    """Calibration samples of all inputs, or None without any; InputError where they do not fit."""
    if images is None:
        return None
    if len(inputs) == 1:
        (one,) = inputs
        return check_images(images[one.name] if isinstance(images, Mapping) else images, one.pixels)
    if isinstance(images, Samples):
        images = images.parts
    found = {}
    for one in inputs:
        if not isinstance(images, Mapping) or one.name not in images:
            raise InputError(f"images must hold an array for every input: {one.name!r} has none")
        try:
            found[one.name] = check_images(images[one.name], one.pixels)
        except InputError as error:
            raise InputError(f"input {one.name!r}: {error}") from error
    made = {name: x for name, x in found.items() if x is not None}
    if len({len(x) for x in made.values()}) != 1 or len(made) != len(inputs):
        raise InputError("images of all inputs must be there, and as many of one as of another")
    return Samples(made)


def probed(
    inputs: Sequence[Entry], images: Batch | None, ranges: Mapping[str, tuple[int, int]] | None = None
) -> Batch:
    """Samples to compare two models on: see `fermatnet.model.nn.door.images.probes`; all inputs at the same
    end of their ranges at once."""
    limits = ranges or {one.name: one.pixels.range for one in inputs}
    if len(inputs) == 1:
        (one,) = inputs
        assert not isinstance(images, Samples)
        return probes(one.dims, limits[one.name], images)
    made = {}
    for seed, one in enumerate(inputs):
        own = images.parts[one.name] if isinstance(images, Samples) else None
        made[one.name] = probes(one.dims, limits[one.name], own, seed=seed)
    count = min(map(len, made.values()))
    return Samples({name: torch.cat([x[: count - 2], x[-2:]]) for name, x in made.items()})


def pixel_names(inputs: Sequence[Entry]) -> list[str]:
    """Names of the layers of a twin that take the raw integers, one an input."""
    return ["pixels", *(f"pixels_{one.name}" for one in inputs[1:])]


def _mapped(inputs: Sequence[Entry], images: Batch, function: Any) -> Batch:
    if isinstance(images, Tensor):
        return function(inputs[0], images)
    return Samples({one.name: function(one, images.parts[one.name]) for one in inputs})


def taken(inputs: Sequence[Entry], images: Batch) -> Batch:
    """float64: what the user's model takes for these integers."""
    return _mapped(inputs, images, lambda one, x: normalised(x, one.pixels.bits, one.normal))


def twin_input(inputs: Sequence[Entry], images: Batch) -> Batch:
    """What a twin takes whose normalised inputs have no layer of raw integers."""
    return _mapped(
        inputs, images, lambda one, x: x if one.normal is None else normalised(x, one.pixels.bits, one.normal)
    )


def arrays(images: Batch, kinds: Mapping[str, str]) -> Any:
    """Samples as the network file's reference takes them: an array, or one a name, of the types ``kinds``."""
    if isinstance(images, Tensor):
        return images.numpy().astype(next(iter(kinds.values())))
    return {name: np.asarray(x).astype(kinds[name]) for name, x in images.parts.items()}
