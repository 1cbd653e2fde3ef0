"""SSD's augmentation (Liu et al. 2016, sections 2.2 and 3.6): colours, a larger canvas, a crop that overlaps
an object by so much, a flip. All of it is drawn from the generator that it is given.

The canvas and the crop are one region of the picture, so that pixels are resampled once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fermatnet.model.detect.data.items import Item
from fermatnet.model.detect.data.pictures import Region, open_picture, view
from fermatnet.model.errors import InputError

__all__ = ["Augmentation", "Sample", "load", "recoloured"]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_CROPS = (None, 0.1, 0.3, 0.5, 0.7, 0.9, 0.0)
"""Least overlap of the crop with an object, as SSD draws it: None is the whole image, 0 any crop."""
_TRIES = 50


@dataclass(frozen=True)
class Augmentation:
    """expand: largest side of the canvas in sides of the image, 1 is off (SSD: 4); least: smallest side of a
    crop in sides of the image, 1 is off (SSD: 0.3);  flip, upside: left to right, top to bottom, each half of
    the time (SSD: the first);  colour: 1 for SSD's changes of brightness (32), contrast (0.5 to 1.5),
    saturation (the same) and hue (18 degrees), 0 for none."""

    expand: float = 4.0
    least: float = 0.3
    flip: bool = True
    upside: bool = False
    colour: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.expand <= 16 or not 0.05 <= self.least <= 1 or not 0 <= self.colour <= 1:
            raise InputError(
                f"expand must be 1 to 16, least 0.05 to 1, colour 0 to 1, not {self.expand}, {self.least}, "
                f"{self.colour}"
            )


@dataclass(frozen=True)
class Sample:
    """pixels uint8 (3, H, W); corners float32 (n, 4) in units of the image; labels from 1; difficult."""

    pixels: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


def recoloured(pixels: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 (H, W, 3) with its colours changed, each way half of the time."""
    x = pixels.astype(np.float32)
    coins, drawn = rng.random(4) < 0.5, rng.uniform(-1, 1, 4) * amount
    if coins[0]:
        x = x + 32 * drawn[0]
    if coins[1]:
        x = x * (1 + drawn[1] / 2)
    if coins[2]:
        grey = (x @ _GREY)[..., None]
        x = (x - grey) * (1 + drawn[2] / 2) + grey
    if coins[3]:
        x = x @ _turn(18 * drawn[3]).T
    return np.floor(x.clip(0, 255) + 0.5).astype(np.uint8)


def _turn(degrees: float) -> np.ndarray:
    """Float32 (3, 3): a turn about the grey axis, which changes the hue and keeps greys."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    third, root = (1 - c) / 3, s / np.sqrt(3)
    rows = [[c + third, third - root, third + root], [third + root, c + third, third - root]]
    return np.asarray([*rows, [third - root, third + root, c + third]], np.float32)


def _canvas(size: tuple[int, int], how: Augmentation, rng: np.random.Generator) -> Region:
    """The image, or half of the time a larger canvas about it."""
    width, height = size
    if how.expand <= 1 or rng.random() < 0.5:
        return 0.0, 0.0, float(width), float(height)
    ratio = rng.uniform(1, how.expand)
    left, top = rng.uniform(0, width * (ratio - 1)), rng.uniform(0, height * (ratio - 1))
    return -left, -top, width * ratio - left, height * ratio - top


def _inside(boxes: np.ndarray, region: Region) -> np.ndarray:
    """bool (n,): whose centre lies in the region."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((middle > region[:2]) & (middle < region[2:])).all(1)


def _overlap(boxes: np.ndarray, region: Region) -> np.ndarray:
    """Intersection over union of boxes (n, 4) with the region."""
    low, high = np.maximum(boxes[:, :2], region[:2]), np.minimum(boxes[:, 2:], region[2:])
    shared = (high - low).clip(0).prod(1)
    whole = (region[2] - region[0]) * (region[3] - region[1])
    return shared / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + whole - shared)


def _crop(canvas: Region, boxes: np.ndarray, how: Augmentation, rng: np.random.Generator) -> Region:
    """A part of the canvas that overlaps an object as it was drawn and holds a centre; else the canvas."""
    if how.least >= 1 or not len(boxes):
        return canvas
    wide, high = canvas[2] - canvas[0], canvas[3] - canvas[1]
    for _ in range(_TRIES):
        least = _CROPS[rng.integers(len(_CROPS))]
        if least is None:
            return canvas
        across, down = rng.uniform(how.least, 1, 2)
        if not 0.5 <= (across * wide) / (down * high) <= 2:
            continue
        left = canvas[0] + rng.random() * (1 - across) * wide
        top = canvas[1] + rng.random() * (1 - down) * high
        region = (left, top, left + across * wide, top + down * high)
        if _inside(boxes, region).any() and _overlap(boxes, region).max() >= least:
            return region
    return canvas


def _placed(item: Item, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """(corners in units of the region, which objects have their centre in it)."""
    kept = _inside(item.boxes, region)
    origin, sides = np.asarray(region[:2] * 2), np.asarray((region[2] - region[0], region[3] - region[1]) * 2)
    return ((item.boxes[kept] - origin) / sides).clip(0, 1).astype(np.float32), kept


def load(
    item: Item,
    size: tuple[int, int],
    how: Augmentation | None = None,
    rng: np.random.Generator | None = None,
    picture: Any = None,
) -> Sample:
    """An image at ``size`` (height, width), whole, or changed as ``how`` says by draws from ``rng``.

    picture: the decoded file, where it is at hand.
    """
    picture = open_picture(item.path) if picture is None else picture
    region: Region = (0.0, 0.0, float(item.size[0]), float(item.size[1]))
    if how is not None and rng is not None:
        region = _crop(_canvas(item.size, how, rng), item.boxes, how, rng)
    pixels = view(picture, region, size)
    boxes, kept = _placed(item, region)
    if how is not None and rng is not None:
        if how.colour:
            pixels = recoloured(pixels, how.colour, rng)
        if how.flip and rng.random() < 0.5:
            pixels, boxes = pixels[:, ::-1], _mirrored(boxes, 0)
        if how.upside and rng.random() < 0.5:
            pixels, boxes = pixels[::-1], _mirrored(boxes, 1)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return Sample(planes, boxes, item.labels[kept], item.difficult[kept])


def _mirrored(boxes: np.ndarray, axis: int) -> np.ndarray:
    """Corners after a flip along x (axis 0) or y (1)."""
    turned = boxes.copy()
    turned[:, axis], turned[:, axis + 2] = 1 - boxes[:, axis + 2], 1 - boxes[:, axis]
    return turned
