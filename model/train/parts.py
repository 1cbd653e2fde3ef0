"""The parts of a batch, each of which is normalised by itself, and who computes them.

The processes that begin a run cut every batch among them, and each its share into ``accumulate`` parts. Norms
see one part at a time, so the parts decide what is learned: a run that goes on with another number of
processes keeps them, and only gives each process more or fewer of them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.train.processes import share_buffers

__all__ = ["WHOLE", "BatchPart", "Cut", "Parted", "check_images", "in_turn", "same_parts", "taken_up"]


@dataclass(frozen=True)
class BatchPart:
    """Part ``number`` of a batch: the images at ``places`` in it, of the share of the process ``owner`` that
    cut it; ``weight``: its part of the owner's loss; ``rank``: of the process that computes it."""

    number: int
    owner: int
    places: np.ndarray
    weight: float
    rank: int


GivenPart = tuple[BatchPart, Tensor, Tensor]
"""A part with its images and labels."""


@dataclass(frozen=True)
class Cut:
    """How ``first`` processes (0: as many as compute now) cut batches into ``accumulate`` parts each, and
    what of it process ``rank`` of the ``world`` that compute now takes."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1
    first: int = 0

    @property
    def owners(self) -> int:
        """Processes that cut the batches."""
        return self.first or self.world

    @property
    def scale(self) -> float:
        """What the gradients of a process are to be multiplied with: their mean over those that compute is
        then the mean over the owners."""
        return self.world / self.owners

    def every(self, size: int) -> list[BatchPart]:
        """All parts of a batch of ``size`` images: owner r has every ``owners``-th image from the r-th one,
        and cuts them as `torch.chunk` does, so that there can be fewer parts than were asked for. Neighbours
        are of one process, and each owner's where there are as many processes as owners."""
        parts: list[BatchPart] = []
        for owner in range(self.owners):
            mine = np.arange(owner, size, self.owners)
            length = max(1, -(-len(mine) // self.accumulate))
            cuts = [mine[start : start + length] for start in range(0, len(mine), length)]
            for number, places in enumerate(cuts):
                rank = (owner * len(cuts) + number) * self.world // (self.owners * len(cuts))
                parts.append(BatchPart(len(parts), owner, places, len(places) / len(mine), rank))
        return parts


WHOLE = Cut()
"""One process, one part."""


class Parted:
    """Batches that hand out the parts of one process. A kind of them has to have a length, batches an epoch,
    ``sample`` and ``parts_of``."""

    size: int
    cut: Cut

    @cached_property
    def parts(self) -> list[BatchPart]:
        """Those of this process, of every batch."""
        return [part for part in self.cut.every(self.size) if part.rank == self.cut.rank]

    @cached_property
    def places(self) -> np.ndarray:
        """In the batch, of the images of this process, part after part."""
        return np.concatenate([part.places for part in self.parts])

    def __len__(self) -> int:
        raise NotImplementedError

    def sample(self, count: int) -> Tensor:
        """Images for quantizers to measure, the same in every process."""
        raise NotImplementedError

    def parts_of(self, number: int, start: int = 0) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """(images of each part, labels of all) of the batches ``start``, ``start`` + 1, ... of an epoch."""
        raise NotImplementedError

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, labels) of this process in the batches ``start``, ``start`` + 1, ... of an epoch."""
        for images, labels in self.parts_of(number, start):
            yield images[0] if len(images) == 1 else torch.cat(list(images)), labels


def in_turn(model: nn.Module, given: Sequence[GivenPart], cut: Cut) -> Iterator[GivenPart]:
    """``given``, one after the other. The parts of each owner find the buffers (running statistics and what
    quantizers measure) that the step began with, and what the first owner leaves in them stays: so it is
    where each owner is a process of its own."""
    if cut.world == cut.owners:
        yield from given
        return
    share_buffers(model, cut.world)  # in every process, though it may have one owner's parts alone
    buffers = list(model.buffers())
    begun = [buffer.clone() for buffer in buffers]
    left: list[Tensor] = []
    for before, one in zip([given[0], *given], given, strict=False):
        if one[0].owner != before[0].owner:
            left = left or [buffer.clone() for buffer in buffers]
            _fill(buffers, begun)
        yield one
    _fill(buffers, left or buffers)


@torch.no_grad()
def _fill(buffers: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)


def check_images(cut: Cut, batch: int) -> None:
    """InputError where a part of a batch would have fewer than two images: one has no variance."""
    if batch < 2 * cut.owners * cut.accumulate:
        raise InputError(f"a batch of {batch} leaves {cut.owners} processes fewer than 2 images a part")


def _begun_with(config: dict[str, Any]) -> tuple[int, int]:
    """(processes, accumulate) of a run's config; runs that are older than one of them had 1."""
    found = {"processes": config.get("processes", 1)}
    found["accumulate"] = config["options"].get("accumulate", 1)
    validate(found, {"processes": SIZE, "accumulate": SIZE}, "config.json")
    return found["processes"], found["accumulate"]


def same_parts(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether two runs, by their configs, cut a batch into equally many parts: ``--accumulate`` of the second
    then says in other words what the first began with."""
    return math.prod(_begun_with(old)) == math.prod(_begun_with(new))


def taken_up(old: dict[str, Any], now: Cut, size: int) -> tuple[Cut, str]:
    """(cut, what the user should know, "" where all is as it was) of a run with config ``old`` that goes on
    with the processes of ``now``; ``size``: images a batch.

    InputError where the config is damaged, or a batch too small for so many processes.
    """
    first, accumulate = _begun_with(old)
    kept = Cut(now.rank, now.world, accumulate, first)
    parts = kept.every(size)
    if len({part.rank for part in parts}) == now.world:
        return kept, ""
    other = Cut(now.rank, now.world, accumulate)
    check_images(other, size)
    return other, (
        f"the run began with {len(parts)} part{'s' * (len(parts) > 1)} a batch, which {now.world} processes "
        "cannot share: norms see smaller parts from here on, which changes the losses a little"
    )
