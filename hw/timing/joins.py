"""Blocks where streams meet."""

import itertools
from dataclasses import dataclass

import numpy as np

from fermatnet.hw.timing.spacing import FAR, earliest, latest

__all__ = ["Broadcast", "Gather", "Join"]


@dataclass(frozen=True)
class Join:
    """Residual add, product: one register on each side; the result leaves ``latency`` cycles after the later
    beat, of which all but the first are registers behind the join."""

    latency: int = 1

    def forward(self, first: np.ndarray, second: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        out = earliest(np.maximum(first, second) + 1)
        before = np.concatenate([[-FAR], out[:-1]])
        return [np.maximum(first, before), np.maximum(second, before)], out + self.latency - 1

    def backward(self, wanted: np.ndarray, period: int) -> list[np.ndarray]:
        inputs = latest(wanted - self.latency, period)
        return [inputs, inputs]


@dataclass(frozen=True)
class Broadcast:
    """A stream of images meets one of single pixels, whose ``chunks`` beats come with those of the first of
    an image's ``pixels``; out ``latency`` cycles later."""

    pixels: int
    chunks: int
    latency: int

    def forward(self, first: np.ndarray, second: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        ready = first.reshape(-1, self.pixels, self.chunks).copy()
        ready[:, 0] = np.maximum(ready[:, 0], second.reshape(-1, self.chunks))
        taken = earliest(ready.reshape(-1))
        return [taken, taken.reshape(ready.shape)[:, 0].reshape(-1)], taken + self.latency

    def backward(self, wanted: np.ndarray, period: int) -> list[np.ndarray]:
        inputs = latest(wanted - self.latency, period)
        return [inputs, inputs[: self.chunks]]


@dataclass(frozen=True)
class Gather:
    """Concatenation: in each pixel ``counts[0]`` beats of the first stream, then ``counts[1]`` of the next,
    ...; one cycle each."""

    counts: tuple[int, ...]

    def _places(self) -> list[np.ndarray]:
        ends = np.cumsum((0, *self.counts))
        return [np.arange(a, b) for a, b in itertools.pairwise(ends)]

    def forward(self, *offered: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        total = sum(self.counts)
        merged = np.empty((len(offered[0]) // self.counts[0], total), np.int64)
        for place, times, count in zip(self._places(), offered, self.counts, strict=True):
            merged[:, place] = times.reshape(-1, count)
        taken = earliest(merged.reshape(-1))
        return [taken.reshape(-1, total)[:, place].reshape(-1) for place in self._places()], taken + 1

    def backward(self, wanted: np.ndarray, period: int) -> list[np.ndarray]:
        taken = latest(wanted - 1, period).reshape(-1, sum(self.counts))
        return [taken[:, place].reshape(-1) for place in self._places()]
