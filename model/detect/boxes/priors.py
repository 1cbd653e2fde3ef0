"""Priors: the boxes that a detector corrects, some at each place of each of its maps.

A map of ``step`` pixels has priors about the centres (i + 1/2) step. Of the first of its ``sizes`` there is
one for each aspect ratio too, and its upright twin (SSD, Liu et al. 2016, section 2.2; SSD300 has 8,732).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from fermatnet.model.errors import InputError

__all__ = ["SSD300", "SSDLITE300", "Level", "priors", "small_levels", "ssd_levels"]


@dataclass(frozen=True)
class Level:
    """One map: ``step`` in pixels (y, x) between its places, ``sizes`` of square priors in pixels, and
    ``ratios`` above 1 of width to height of others of the first size's area; each gives a wide and a high
    one."""

    step: tuple[float, float]
    sizes: tuple[float, ...]
    ratios: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if min(self.step) <= 0 or not self.sizes or min(self.sizes) <= 0:
            raise InputError(f"a level needs a positive step and positive sizes, not {self}")
        if any(ratio <= 1 for ratio in self.ratios):
            raise InputError(f"ratios of a level must be above 1, not {self.ratios}")

    @property
    def shapes(self) -> tuple[tuple[float, float], ...]:
        """(width, height) in pixels of the priors at one place, in the order of the head's channels."""
        roots = [math.sqrt(ratio) for ratio in self.ratios]
        first = self.sizes[0]
        turned = [shape for r in roots for shape in ((first * r, first / r), (first / r, first * r))]
        return (*((size, size) for size in self.sizes), *turned)


def priors(
    levels: Sequence[Level], maps: Sequence[tuple[int, int]], image: tuple[int, int], *, clip: bool = False
) -> Tensor:
    """float32 (P, 4): centres and sizes in units of the image, level by level, row by row, shape by shape.

    maps: (height, width) of each level's map;  image: (height, width) in pixels;  clip: cut off what stands
    out of the image, as SSD does.
    """
    if len(levels) != len(maps):
        raise InputError(f"{len(levels)} levels need as many maps, not {len(maps)}")
    height, width = image
    made = []
    for level, (rows, columns) in zip(levels, maps, strict=True):
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * level.step[0] / height
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * level.step[1] / width
        sizes = torch.tensor(level.shapes, dtype=torch.float64) / torch.tensor([width, height])
        places = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[:, :, None]
        shape = (rows, columns, len(sizes), 2)
        made.append(torch.cat([places.expand(shape), sizes.expand(shape)], -1).reshape(-1, 4))
    found = torch.cat(made)
    if clip:
        low = (found[:, :2] - found[:, 2:] / 2).clamp(0, 1)
        high = (found[:, :2] + found[:, 2:] / 2).clamp(0, 1)
        found = torch.cat([(low + high) / 2, high - low], 1)
    return found.float()


SSD300 = (30, 60, 111, 162, 213, 264, 315)
"""Sizes of SSD300's priors on an image of 300 pixels, and the end of the last level."""
SSDLITE300 = (60, 105, 150, 195, 240, 285, 330)
"""Those of SSDLite300, whose first map is as coarse as SSD300's second."""
RATIOS = (1, 2, 2, 2, 1, 1)
"""How many of the ratios 2 and 3 each level of SSD300 has; SSDLite300 has both on every one."""


def ssd_levels(
    image: tuple[int, int],
    steps: Sequence[tuple[float, float]],
    sizes: Sequence[float] = SSD300,
    ratios: Sequence[int] = RATIOS,
) -> list[Level]:
    """A level for each of ``steps`` (y, x) in pixels; ``sizes``, one more, are of an image of 300 pixels and
    grow with the shorter side.

    The first size of a level is its own, the second the geometric mean with the next level's.
    """
    scale = min(image) / 300
    pairs = pairwise(size * scale for size in sizes)
    return [
        Level(step, (size, math.sqrt(size * after)), (2.0, 3.0)[:count])
        for step, (size, after), count in zip(steps, pairs, ratios, strict=True)
    ]


def small_levels(image: tuple[int, int], steps: Sequence[tuple[float, float]]) -> list[Level]:
    """Three levels for images of small things: a twelfth to three fifths of the shorter side."""
    scale = min(image) / 144
    sizes = ((12.0, 18.0, 26.0, 33.0), (36.0, 48.0), (60.0, 84.0))
    ratios = ((), (1.5,), (1.5,))
    return [
        Level(step, tuple(size * scale for size in sizes[number]), ratios[number])
        for number, step in enumerate(steps)
    ]
