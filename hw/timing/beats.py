"""Blocks with one input whose beats move in a fixed pattern: as they come, in runs, collected, serialised, or
only some of them."""

from dataclasses import dataclass

import numpy as np

from fermatnet.hw.timing.spacing import FAR, earliest, latest

__all__ = ["Chain", "Collect", "Repack", "Runs", "Select", "Serialise"]


@dataclass(frozen=True)
class Chain:
    """Passes every beat ``latency`` cycles later, one in ``gap`` cycles at most."""

    latency: int
    gap: int = 1

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken = earliest(offered, self.gap)
        return taken, taken + self.latency

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        return latest(wanted - self.latency, period, self.gap)


@dataclass(frozen=True)
class Serialise:
    """One beat in, ``ratio`` out, the first one cycle later; takes the next one as the last piece leaves, or
    the cycle after where it ``rests``. ``halves``: takes it a cycle later, and rests behind every
    piece."""

    ratio: int
    rests: bool = False
    halves: bool = False

    @property
    def _gap(self) -> int:
        """Cycles between two beats in, at least."""
        return 2 * self.ratio if self.halves else self.ratio + self.rests

    @property
    def _pieces(self) -> np.ndarray:
        """When pieces leave, after the beat was offered."""
        return (1 + np.arange(self.ratio)) * (1 + self.halves)

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = earliest(offered, self._gap)
        return seen + self.halves, (seen[:, None] + self._pieces).reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        return latest((wanted.reshape(-1, self.ratio) - self._pieces).min(axis=1), period, self._gap)


@dataclass(frozen=True)
class Runs:
    """One beat out for ``beats`` in, ``delay`` cycles after the last of them: folded sums without a window,
    arg max. One that ``rests`` takes nothing in the cycle after the last of them."""

    beats: int
    delay: int
    rests: bool = False

    @property
    def _run(self) -> int:
        """Beats after which it rests."""
        return self.beats if self.rests else 0

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken = earliest(offered, run=self._run)
        return taken, taken[self.beats - 1 :: self.beats] + self.delay

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        inputs = np.full(len(wanted) * self.beats, FAR)
        inputs[self.beats - 1 :: self.beats] = wanted - self.delay
        return latest(inputs, period, run=self._run)


def Collect(ratio: int, rests: bool = False) -> Runs:
    """``ratio`` beats in, one out, one cycle after the last."""
    return Runs(ratio, 1, rests)


@dataclass(frozen=True)
class Repack:
    """Collects ``collect`` beats and serialises the whole into ``ratio``: the whole waits in the collector
    until the serialiser takes it, and no beat of the next one comes in before, nor in the same cycle where
    the collector ``rests``."""

    collect: int
    ratio: int
    rests: bool = False

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        complete = earliest(offered)[self.collect - 1 :: self.collect]
        moved = earliest(complete + 1, max(self.collect + self.rests, self.ratio))
        free, first = offered.copy(), slice(self.collect, None, self.collect)
        free[first] = np.maximum(free[first], moved[:-1] + self.rests)
        return earliest(free), (moved[:, None] + 1 + np.arange(self.ratio)).reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        whole = Serialise(self.ratio).backward(wanted, period)
        return Collect(self.collect, self.rests).backward(whole, period)


@dataclass(frozen=True, eq=False)
class Select:
    """One beat out, ``delay`` cycles after each of the chosen beats of an image of ``beats``: sums over
    windows."""

    beats: int
    chosen: np.ndarray
    delay: int

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken = earliest(offered)
        return taken, taken.reshape(-1, self.beats)[:, self.chosen].reshape(-1) + self.delay

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        inputs = np.full(self.beats, FAR)
        inputs[self.chosen] = wanted - self.delay
        return latest(inputs, period)
