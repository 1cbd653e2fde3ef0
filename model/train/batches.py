"""Batches in an order that depends on (seed, epoch) alone, augmented a whole batch at a time: resuming needs
no state.

Augmentation is that of chapters 6 and 7: pad by p, crop back at a random place, flip left to right with
probability 1/2. It runs on uint8 and costs a fraction of a training step, so there are no loader processes to
wait for.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.train.data import Part
from fermatnet.model.train.parts import WHOLE, Cut, Parted

__all__ = ["Batches", "augment"]


def augment(images: np.ndarray, rng: np.random.Generator, pad: int, flip: bool) -> np.ndarray:
    """uint8 (n, C, H, W), each image shifted by up to ``pad`` pixels (zeros come in) and, if asked, flipped
    with probability 1/2."""
    count, _, height, width = images.shape
    if pad:
        wide = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        images = np.empty_like(images)
        # plain slices beat fancy indexing tenfold
        for i, (dy, dx) in enumerate(rng.integers(0, 2 * pad + 1, (count, 2)).tolist()):
            images[i] = wide[i, :, dy : dy + height, dx : dx + width]
    if flip:
        turn = rng.random(count) < 0.5
        images[turn] = images[turn, :, :, ::-1]
    return images


class Batches(Parted):
    """Epochs over a part of a dataset, ``size`` images a batch of all processes together, of which one takes
    what its ``cut`` says."""

    def __init__(
        self,
        part: Part,
        size: int,
        seed: int,
        *,
        pad: int = 0,
        flip: bool = False,
        cut: Cut = WHOLE,
    ):
        self.images, self.labels = part.images, part.labels
        self.size, self.seed, self.pad, self.flip, self.cut = min(size, len(part)), seed, pad, flip, cut

    def __len__(self) -> int:
        """Batches an epoch; a last incomplete one is left out (the order differs from epoch to epoch)."""
        return len(self.labels) // self.size

    def sample(self, count: int) -> Tensor:
        """The first images as they are, for quantizers to measure."""
        return torch.from_numpy(self.images[:count].copy())

    def parts_of(self, number: int, start: int = 0) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """(images of each part, labels of all) of the batches ``start``, ``start`` + 1, ... of an epoch."""
        rng = np.random.default_rng((self.seed, number))
        order = rng.permutation(len(self.labels))
        for place in range(0, len(self) * self.size, self.size):
            chosen = order[place : place + self.size]
            # batches before the start are made too: their draws come out of the same generator
            images = augment(self.images[chosen], rng, self.pad, self.flip)
            if place < start * self.size:
                continue
            mine = torch.from_numpy(images[self.places])
            sizes = [len(part.places) for part in self.parts]
            yield mine.split(sizes), torch.from_numpy(self.labels[chosen][self.places])
