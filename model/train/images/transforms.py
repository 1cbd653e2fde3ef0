"""From an image file to pixels of one size: the crops and colour changes of ImageNet trainings, each drawn
from the generator it is given.

``centre``: shorter edge to ``resize``, the middle ``size`` x ``size`` (chapter 7 validates so).
``scale``: shorter edge to a random length in [resize, 15/8 resize], a random ``size`` x ``size`` of it
("resized for scale augmentation", chapter 6; He et al. 2016 draw from [256, 480]).
``resized``: a random part of 8 % to all of the area and of aspect 3/4 to 4/3, resized (Szegedy et al. 2015).
"""

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.train.files import unreadable

__all__ = ["Recipe", "decode"]

_EIGENVALUES = np.array([55.46, 4.794, 1.148])
_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
"""Principal components of ImageNet's colours in 0..255 (Krizhevsky et al. 2012, section 4.1)."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Recipe:
    """How a file becomes (3, size, size) pixels; ``jitter`` 0..1 on brightness, contrast and saturation,
    ``lighting``: standard deviation of the PCA noise."""

    size: int
    resize: int
    crop: str = "centre"
    flip: bool = False
    jitter: float = 0.0
    lighting: float = 0.0


def _middle(width: int, height: int, recipe: Recipe) -> Box:
    side = min(width, height) * recipe.size / recipe.resize
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _scaled(width: int, height: int, recipe: Recipe, rng: np.random.Generator) -> Box:
    edge = rng.integers(recipe.resize, recipe.resize * 15 // 8 + 1)
    side = min(width, height) * recipe.size / float(edge)
    left, top = rng.random() * (width - side), rng.random() * (height - side)
    return left, top, left + side, top + side


def _resized(width: int, height: int, recipe: Recipe, rng: np.random.Generator) -> Box:
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1.0)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if wide <= width and high <= height:
            left, top = rng.random() * (width - wide), rng.random() * (height - high)
            return left, top, left + wide, top + high
    side = min(width, height)  # no part fitted: the middle square
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _coloured(pixels: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """uint8 (H, W, 3) with its colours changed; the three changes of ``jitter`` in a random order."""
    x = pixels.astype(np.float32)
    factors = rng.uniform(max(0.0, 1 - recipe.jitter), 1 + recipe.jitter, 3)
    for which in rng.permutation(3) if recipe.jitter else ():
        if which == 0:
            x = x * factors[0]
        elif which == 1:
            x = (x - (x @ _GREY).mean()) * factors[1] + (x @ _GREY).mean()
        else:
            grey = (x @ _GREY)[..., None]
            x = (x - grey) * factors[2] + grey
        x = x.clip(0, 255)
    if recipe.lighting:
        drawn = rng.normal(0, recipe.lighting, 3) * _EIGENVALUES
        x = x + (_EIGENVECTORS @ drawn).astype(np.float32)
    return np.floor(x.clip(0, 255) + 0.5).astype(np.uint8)


def decode(path: Path, recipe: Recipe, rng: np.random.Generator | None = None) -> np.ndarray:
    """uint8 (3, size, size) of an image file of any size; grey ones become colour.

    ``rng`` None: the middle, whatever the recipe's crop. InputError in one line where the file is no image,
    is truncated or is a decompression bomb.
    """
    from PIL import Image

    try:
        with Image.open(BytesIO(path.read_bytes())) as picture:
            width, height = picture.size
            if rng is None or recipe.crop == "centre":
                box = _middle(width, height, recipe)
            else:
                make = _scaled if recipe.crop == "scale" else _resized
                box = make(width, height, recipe, rng)
            shrink = min(box[2] - box[0], box[3] - box[1]) / recipe.size
            if rng is not None and shrink >= 2:  # JPEG can be decoded at a half, a quarter, an eighth
                picture.draft(None, (int(width / shrink) + 1, int(height / shrink) + 1))
            wide, high = picture.size
            across, down = wide / width, high / height
            scaled = (
                max(0.0, box[0] * across),
                max(0.0, box[1] * down),
                min(float(wide), box[2] * across),
                min(float(high), box[3] * down),
            )
            colour = picture if picture.mode == "RGB" else _rgb(picture)
            sized = colour.resize((recipe.size,) * 2, Image.Resampling.BILINEAR, scaled, reducing_gap=2.0)
            pixels = np.asarray(sized, np.uint8)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image: {unreadable(error)}") from error
    if rng is not None:
        if recipe.flip and rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        if recipe.jitter or recipe.lighting:
            pixels = _coloured(pixels, recipe, rng)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _rgb(picture):  # type: ignore[no-untyped-def]
    """An image of another mode in three colours; 16-bit grey keeps its high byte."""
    if picture.mode.startswith("I;16"):
        picture = picture.point(lambda value: value / 256).convert("L")
    return picture.convert("RGB")
