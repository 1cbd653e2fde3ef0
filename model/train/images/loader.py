"""Batches of an indexed image tree, decoded by worker processes while the step before is computed.

What an image looks like depends on (seed, epoch, image) alone, and which batch it is in on (seed, epoch), so
neither the number of workers nor that of processes changes either; a run goes on in the middle of an epoch by
starting at a later batch. Memory: workers x 2 batches of uint8 pixels, however large the tree is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fermatnet.model.errors import InputError
from fermatnet.model.train.images.transforms import Recipe, decode
from fermatnet.model.train.images.tree import Index
from fermatnet.model.train.parts import WHOLE, Cut, Parted

__all__ = ["Corrupt", "StreamBatches", "StreamPart"]

_AHEAD = 2
"""Batches a worker may be in front."""
_Decoded = tuple[Tensor, Tensor, np.ndarray]
"""Images, their labels, and which of the files asked for they are (the others are lost)."""


class Corrupt:
    """What is done with files that are no image: ``refuse`` ends the run at the first, ``skip`` leaves them
    out of their batches; each is counted once and its name kept."""

    def __init__(self, rule: str = "refuse"):
        self.rule = rule
        self.names: dict[str, str] = {}

    def add(self, found: Sequence[tuple[str, str]]) -> None:
        """Notes files that cannot be read, each with its reason; InputError where the rule is to
        refuse them."""
        for name, words in found:
            if self.rule == "refuse":
                raise InputError(f"{words}; --corrupt skip leaves such files out and counts them")
            self.names[name] = words


class _Decoder(Dataset):  # type: ignore[type-arg]
    """``[numbers]`` -> (what was decoded, what could not be read). Nothing is raised in a worker."""

    def __init__(self, index: Index, recipe: Recipe, seed: tuple[int, int] | None):
        self.index, self.recipe, self.seed = index, recipe, seed

    def __getitem__(self, numbers: np.ndarray) -> tuple[_Decoded, list[tuple[str, str]]]:
        images, labels, lost = [], [], []
        read = np.ones(len(numbers), bool)
        for place, number in enumerate(numbers):
            path = self.index.path(number)
            rng = None if self.seed is None else np.random.default_rng((*self.seed, int(number)))
            try:
                images.append(decode(path, self.recipe, rng))
                labels.append(int(self.index.labels[number]))
            except InputError as error:
                read[place] = False
                lost.append((str(path.relative_to(self.index.folder)), str(error)))
        side = self.recipe.size
        stacked = np.stack(images) if images else np.empty((0, 3, side, side), np.uint8)
        return (torch.from_numpy(stacked), torch.tensor(labels, dtype=torch.int64), read), lost


def _same(item: Any) -> Any:
    return item


def _decoded(
    decoder: _Decoder, lists: list[np.ndarray], workers: int, corrupt: Corrupt
) -> Iterator[_Decoded]:
    loader = DataLoader(
        decoder,
        batch_size=None,
        sampler=lists,  # type: ignore[arg-type]
        num_workers=min(workers, max(1, len(lists))) if workers else 0,
        collate_fn=_same,
        prefetch_factor=_AHEAD if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    for decoded, lost in loader:
        corrupt.add(lost)
        yield decoded


class StreamPart:
    """A training or test part that is read when it is needed. ``len``, ``labels`` and ``split`` as
    `fermatnet.model.train.data.Part` has them."""

    def __init__(self, index: Index, recipe: Recipe, workers: int, corrupt: Corrupt):
        self.index, self.recipe, self.workers, self.corrupt = index, recipe, workers, corrupt

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> np.ndarray:
        """Class number of each image."""
        return self.index.labels

    def split(self, fraction: float, seed: int) -> tuple["StreamPart", "StreamPart"]:
        """(rest, ``fraction`` of the images), drawn by ``seed``."""
        rest, part = self.index.split(fraction, seed)
        return (
            StreamPart(rest, self.recipe, self.workers, self.corrupt),
            StreamPart(part, self.recipe, self.workers, self.corrupt),
        )

    def chunks(self, size: int, rank: int = 0, world: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, labels) of every world-th image, centre crops, in order."""
        mine = np.arange(rank, len(self), world)
        lists = [mine[start : start + size] for start in range(0, len(mine), size)]
        decoder = _Decoder(self.index, replace(self.recipe, crop="centre"), None)
        for images, labels, _ in _decoded(decoder, lists, self.workers, self.corrupt):
            yield images, labels

    def sample(self, count: int) -> Tensor:
        """``count`` images evenly spaced over the part, in the middle crop; those that can be read."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))
        decoder = _Decoder(self.index, replace(self.recipe, crop="centre"), None)
        decoded = list(
            _decoded(
                decoder, list(np.array_split(chosen, max(1, len(chosen) // 16))), self.workers, self.corrupt
            )
        )
        return torch.cat([images for images, *_ in decoded])


class StreamBatches(Parted):
    """Epochs over a streamed part, the interface of `fermatnet.model.train.batches.Batches`: a process
    decodes the images of its parts of each batch and no others."""

    def __init__(self, part: StreamPart, size: int, seed: int, *, cut: Cut = WHOLE):
        self.part, self.seed, self.cut = part, seed, cut
        self.size = min(size, len(part))

    def __len__(self) -> int:
        """Batches an epoch; a last incomplete one is left out."""
        return len(self.part) // self.size

    def sample(self, count: int) -> Tensor:
        """Images for quantizers to measure, the same in every process."""
        return self.part.sample(count)

    def parts_of(self, number: int, start: int = 0) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """(images of each part, labels of all) of the batches ``start``, ``start`` + 1, ... of an epoch.
        Files that cannot be read are missing in their parts."""
        order = np.random.default_rng((self.seed, number)).permutation(len(self.part))
        places = range(start * self.size, len(self) * self.size, self.size)
        lists = [order[place : place + self.size][self.places] for place in places]
        ends = np.cumsum([len(part.places) for part in self.parts])[:-1]
        decoder = _Decoder(self.part.index, self.part.recipe, (self.seed, number))
        for images, labels, read in _decoded(decoder, lists, self.part.workers, self.part.corrupt):
            if not len(labels):
                raise InputError(f"epoch {number + 1}: no image of a batch can be read; look at the data")
            yield images.split([int(part.sum()) for part in np.split(read, ends)]), labels
