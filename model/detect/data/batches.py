"""Batches of images with boxes, the interface of `fermatnet.model.train.batches.Batches`: what an image looks
like depends on (seed, epoch, image) alone, which batch it is in on (seed, epoch)."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fermatnet.model.detect.data.augment import Augmentation, Sample, load
from fermatnet.model.detect.data.items import BoxSet
from fermatnet.model.train.parts import WHOLE, Cut, Parted

__all__ = ["ROW", "BoxBatches", "packed"]
ROW = 6
"""Numbers of an object in a batch: corners, label (0: an empty row), 1 where it is difficult."""


def packed(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """(pixels uint8 (n, 3, H, W), objects float32 (n, most, `ROW`)) with empty rows after an image's own."""
    most = max(1, *(len(sample.labels) for sample in samples))
    objects = np.zeros((len(samples), most, ROW), np.float32)
    for number, sample in enumerate(samples):
        rows = objects[number, : len(sample.labels)]
        rows[:, :4], rows[:, 4], rows[:, 5] = sample.boxes, sample.labels, sample.difficult
    return torch.from_numpy(np.stack([sample.pixels for sample in samples])), torch.from_numpy(objects)


class _Loader(Dataset):  # type: ignore[type-arg]
    """Lists of numbers -> a batch; made in a worker process where there are some."""

    def __init__(self, batches: "BoxBatches", epoch: int):
        self.batches, self.epoch = batches, epoch

    def __getitem__(self, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        return packed([self.batches.sample_of(int(number), self.epoch) for number in numbers])


class BoxBatches(Parted):
    """Epochs over a set: ``size`` images a batch of all processes together, (height, width) ``image``; a
    process takes of each batch what its ``cut`` says."""

    def __init__(
        self,
        part: BoxSet,
        image: tuple[int, int],
        size: int,
        seed: int,
        how: Augmentation,
        *,
        cut: Cut = WHOLE,
        workers: int = 0,
    ):
        self.part, self.image, self.seed, self.how = part, image, seed, how
        self.cut, self.workers = cut, workers
        self.size = min(size, len(part))

    def __len__(self) -> int:
        """Batches an epoch; a last incomplete one is left out."""
        return len(self.part) // self.size

    def sample_of(self, number: int, epoch: int) -> Sample:
        """An image of an epoch."""
        rng = np.random.default_rng((self.seed, epoch, number))
        return load(self.part.items[number], self.image, self.how, rng)

    def sample(self, count: int) -> Tensor:
        """The first images whole, for quantizers to measure."""
        return packed([load(item, self.image) for item in self.part.items[:count]])[0]

    def parts_of(self, number: int, start: int = 0) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """(pixels of each part, objects of all) of the batches ``start``, ``start`` + 1, ... of an epoch, as
        `packed` gives them."""
        order = np.random.default_rng((self.seed, number)).permutation(len(self.part))
        places = range(start * self.size, len(self) * self.size, self.size)
        lists = [order[place : place + self.size][self.places] for place in places]
        loader = DataLoader(
            _Loader(self, number),
            batch_size=None,
            sampler=lists,  # type: ignore[arg-type]
            num_workers=self.workers,
            prefetch_factor=2 if self.workers else None,
        )
        sizes = [len(part.places) for part in self.parts]
        for pixels, objects in loader:
            yield pixels.split(sizes), objects
