"""Image files: their sizes, and a part of one as pixels of the network's size."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.train.files import unreadable

__all__ = ["MEAN", "Region", "open_picture", "picture_size", "view"]

MEAN = (123, 117, 104)
"""Colour beyond the edge of an image, the mean of ImageNet's (SSD's augmentation)."""
Region = tuple[float, float, float, float]


def open_picture(path: Path) -> Any:
    """A decoded Pillow image in three colours; InputError in one line where the file is none."""
    from PIL import Image

    try:
        with Image.open(BytesIO(path.read_bytes())) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image: {unreadable(error)}") from error


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) as the file's head says."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image: {unreadable(error)}") from error


def view(picture: Any, region: Region, size: tuple[int, int]) -> np.ndarray:
    """uint8 (height, width, 3): the ``region`` (x1, y1, x2, y2 in pixels of the picture) at ``size``
    (height, width); what lies beyond the picture is `MEAN`."""
    from PIL import Image

    height, width = size
    x1, y1, x2, y2 = region
    across, down = width / (x2 - x1), height / (y2 - y1)
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, picture.width), min(y2, picture.height))
    left, top = round((inside[0] - x1) * across), round((inside[1] - y1) * down)
    right, bottom = round((inside[2] - x1) * across), round((inside[3] - y1) * down)
    part = (max(1, right - left), max(1, bottom - top))
    scaled = picture.resize(part, Image.Resampling.BILINEAR, box=inside, reducing_gap=2.0)
    if part == (width, height):
        return np.asarray(scaled, np.uint8)
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = MEAN
    pixels = np.asarray(scaled, np.uint8)[: height - top, : width - left]
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
