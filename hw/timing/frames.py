"""Blocks that put beats of their own between those that come, and that emit rows and pixels several times."""

from dataclasses import dataclass

import numpy as np

from fermatnet.hw.timing.spacing import FAR, earliest, latest

__all__ = ["Frames", "Repeats"]


@dataclass(frozen=True, eq=False)
class Frames:
    """One step a cycle; those ``chosen`` (bool, a step of an image each) take a beat, all emit one ``delay``
    cycles later. An image's first step waits for its first beat, taken or not."""

    chosen: np.ndarray
    delay: int = 1

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taking = np.flatnonzero(self.chosen)
        offered = offered.reshape(-1, len(taking))
        ready = np.full((len(offered), len(self.chosen)), -FAR)
        ready[:, taking] = offered
        ready[:, 0] = np.maximum(ready[:, 0], offered[:, 0])
        steps = earliest(ready.reshape(-1))
        return steps.reshape(ready.shape)[:, taking].reshape(-1), steps + self.delay

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        steps = latest(wanted - self.delay, period)
        inputs = steps[self.chosen]
        inputs[0] = min(inputs[0], steps[0])
        return latest(inputs, period)


@dataclass(frozen=True)
class Repeats:
    """A ring of ``rows`` rows from which each row leaves ``factor[0]`` times, its pixels ``factor[1]`` times
    each: `fermatnet.hw.stream.repeat.Repeat`."""

    width: int
    chunks: int
    factor: tuple[int, int]
    rows: int

    @property
    def order(self) -> np.ndarray:
        """Beats of a row, as they leave."""
        pixels = np.repeat(np.arange(self.width), self.factor[1])
        once = (pixels[:, None] * self.chunks + np.arange(self.chunks)).reshape(-1)
        return np.tile(once, self.factor[0])

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = self.order
        offered = offered.reshape(-1, self.width * self.chunks)
        taken, read = np.empty_like(offered), np.empty((len(offered), len(order)), np.int64)
        last_taken = last_read = -FAR
        for row, times in enumerate(offered):
            room = read[row - self.rows, -1] + 1 if row >= self.rows else -FAR
            taken[row] = earliest(np.maximum(times, max(room, last_taken + 1)))
            read[row] = earliest(np.maximum(taken[row][order] + 1, last_read + 1))
            last_taken, last_read = taken[row, -1], read[row, -1]
        return taken.reshape(-1), read.reshape(-1) + 1

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        order = self.order
        read = latest(wanted - 1, period).reshape(-1, len(order))
        inputs = np.full((len(read), self.width * self.chunks), FAR)
        for row, times in enumerate(read):
            np.minimum.at(inputs[row], order, times - 1)
        return latest(inputs.reshape(-1), period)
