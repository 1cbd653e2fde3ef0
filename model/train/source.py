"""The data of a run: small sets as arrays in memory, image trees as streams.

``images:DIR`` is in memory where all images have one size and no ``size`` is asked for, and streamed with a
``size``. ``imagenet:DIR`` is always streamed.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Data, check_name, load
from fermatnet.model.train.images.loader import Corrupt, StreamBatches, StreamPart
from fermatnet.model.train.images.transforms import Recipe
from fermatnet.model.train.images.tree import read_tree
from fermatnet.model.train.options import Options
from fermatnet.model.train.parts import Cut

__all__ = ["Stream", "check_source", "make_batches", "open_source", "pixel_statistics"]

SIDE = 224
"""Of ImageNet's crops in every chapter."""
_STATISTICS = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and standard deviation of ImageNet's training pixels by channel, as every public training has them."""
_SAMPLE = 512


@dataclass(frozen=True)
class Stream:
    """An image tree with the attributes of `fermatnet.model.train.data.Data` that a run needs. Images are
    uint8 (3, size, size)."""

    name: str
    train: StreamPart
    test: StreamPart
    classes: tuple[str, ...]
    sha256: str
    corrupt: Corrupt
    value_range: tuple[int, int] = (0, 255)
    bits: int = 8

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of an image."""
        return 3, self.train.recipe.size, self.train.recipe.size


def check_source(what: str) -> None:
    """`fermatnet.model.train.data.check_name`, which also knows ``imagenet:DIR``."""
    name, _, folder = what.partition(":")
    check_name(f"images:{folder}" if name == "imagenet" else what)


def open_source(what: str, given: Options) -> Data | Stream:
    """The data that ``what`` names, as these options want it."""
    check_source(what)
    name, _, folder = what.partition(":")
    if name == "imagenet" or (name == "images" and given.size):
        return _stream(name, Path(folder).expanduser(), given)
    if given.size:
        raise InputError(f"size is for images:DIR and imagenet:DIR; {what} has a size of its own")
    return load(what)


def _stream(name: str, folder: Path, options: Options) -> Stream:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise InputError("decoding image files needs Pillow: pip install pillow") from error
    train, test, classes, digest = read_tree(folder)
    size = options.size or SIDE
    resize = options.resize or round(size * 256 / 224)
    if resize < size:
        raise InputError(f"resize is the shorter edge before a crop of {size} pixels, it cannot be {resize}")
    recipe = Recipe(size, resize, options.crop, options.flip, options.jitter, options.lighting)
    workers = options.workers if options.workers is not None else max(1, min(8, (os.cpu_count() or 2) - 1))
    corrupt = Corrupt(options.corrupt)
    parts = [StreamPart(index, recipe, workers, corrupt) for index in (train, test)]
    return Stream(name, parts[0], parts[1], classes, digest, corrupt)


def make_batches(part: object, given: Options, cut: Cut) -> Batches | StreamBatches:
    """Epochs over a training part, whichever kind it is; each batch ``cut`` into parts."""
    if isinstance(part, StreamPart):
        return StreamBatches(part, given.batch, given.seed, cut=cut)
    return Batches(
        part,  # type: ignore[arg-type]
        given.batch,
        given.seed,
        pad=given.pad,
        flip=given.flip,
        cut=cut,
    )


def pixel_statistics(data: Data | Stream) -> tuple[Tensor, Tensor]:
    """(mean, standard deviation) by channel of the training pixels, float32 (C,).

    Of an image tree a sample of 512 images; of ImageNet the published figures.
    """
    if isinstance(data, Data):
        pixels = data.train.images
        return (
            torch.from_numpy(np.atleast_1d(pixels.mean((0, 2, 3)))).float(),
            torch.from_numpy(np.atleast_1d(pixels.std((0, 2, 3)))).float(),
        )
    if data.name == "imagenet":
        return torch.tensor(_STATISTICS[0]), torch.tensor(_STATISTICS[1])
    sample = data.train.sample(_SAMPLE).double()
    return sample.mean((0, 2, 3)).float(), sample.std((0, 2, 3), correction=0).float()
