"""The Fermat convolver: rows, tiles, products, bands; with rows that come when they come, and in its
unstalled steady state."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from fermatnet.hw.timing.jobs import Jobs, Timing
from fermatnet.hw.timing.spacing import FAR, earliest

__all__ = ["Tiles", "least_memories", "steady"]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The Fermat convolver: rows in, tiles, products, inverse transforms, bands of rows out, by the
    recurrence of `fermatnet.hw.timing.jobs.Jobs`, with rows that come when they come.

    A finished band may leave slowly, because the engine keeps it until it is taken: ``gap`` cycles between
    its beats.
    """

    jobs: Timing
    gap: int = 1

    def relaxed(self, period: int) -> "Tiles":
        """With the largest gap that still keeps the period: what follows then need not queue whole bands."""
        beats = sum(self.jobs.band_beats)
        for share in (1.0, 0.9, 0.75, 0.5, 0.25):
            gap = int(period * share) // beats
            if gap <= 1:
                break
            slow = Tiles(self.jobs, gap)
            _, out = slow.forward(slow._back_to_back(period))
            # with two banks of bands images can alternate
            if (np.diff(out.reshape(-1, beats)[-5:], axis=0) == period).all():
                return slow
        return self

    def _back_to_back(self, period: int, images: int = 8) -> np.ndarray:
        return (
            np.arange(images)[:, None] * period + np.arange(self.jobs.row_beats * self.jobs.rows)
        ).reshape(-1)

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = self.jobs
        offered = offered.reshape(-1, t.row_beats)
        rows, jobs, images = _OfferedRows(offered, t.ring), Jobs(t, self.gap), len(offered) // t.rows
        bands = [begin + np.arange(beats) * self.gap for begin, beats in _bands(jobs, rows, images)]
        return rows.finish(), np.concatenate(bands)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        """From the steady state with images back to back: safe, because earlier inputs never make later
        outputs."""
        images, beats = 8, self.jobs.row_beats * self.jobs.rows
        taken, out = self.forward(self._back_to_back(period, images))
        shift = int((wanted - (out[-len(wanted) :] - (images - 1) * period)).min())
        return taken[-beats:] - (images - 1) * period + shift


class _Rows(ABC):
    """Rows entering a ring of ``ring`` rows whose places are given back by count."""

    def __init__(self, ring: int):
        self._ring = ring
        self._released = 0
        self._seen: list[int] = []  # cycle in which each row's place is seen to be free

    def give_back(self, rows: int, cycle: int) -> None:
        """The places of ``rows`` rows, seen to be free in ``cycle``."""
        self._seen += [cycle] * rows
        self._released += rows

    def _room(self, row: int) -> int:
        """Cycle from which there is room for a row."""
        return self._seen[row - self._ring] if row >= self._ring else -int(FAR)

    def wait(self, rows: int) -> int:
        """Cycle in which ``rows`` rows from the first one kept are known to be there."""
        return self._end(self._released + rows - 1) + 1 if rows else self._start()

    @abstractmethod
    def _start(self) -> int:
        """Cycle of the first beat."""

    @abstractmethod
    def _end(self, row: int) -> int:
        """Cycle in which the last beat of a row is taken."""


class _OfferedRows(_Rows):
    """Rows whose beats are ``offered`` (rows, beats) in given cycles."""

    def __init__(self, offered: np.ndarray, ring: int):
        super().__init__(ring)
        self._offered, self._taken, self._filled = offered, np.empty_like(offered), 0

    def _fill(self, until: int) -> None:
        while self._filled < until:
            row = self._filled
            before = self._taken[row - 1, -1] + 1 if row else -FAR
            self._taken[row] = earliest(np.maximum(self._offered[row], max(self._room(row), before)))
            self._filled += 1

    def _start(self) -> int:
        return int(self._offered[0, 0])

    def _end(self, row: int) -> int:
        self._fill(row + 1)
        return int(self._taken[row, -1])

    def finish(self) -> np.ndarray:
        """Cycles in which all beats are taken."""
        self._fill(len(self._offered))
        return self._taken.reshape(-1)


class _SoonestRows(_Rows):
    """Rows of ``beats`` beats that are taken as soon as there is room, from cycle 0 on: only their ends are
    kept."""

    def __init__(self, beats: int, ring: int):
        super().__init__(ring)
        self._beats, self._ends = beats, list[int]()

    def _start(self) -> int:
        return 0

    def _end(self, row: int) -> int:
        while len(self._ends) <= row:
            before = self._ends[-1] + 1 if self._ends else 0
            self._ends.append(max(before, self._room(len(self._ends))) + self._beats - 1)
        return self._ends[row]


def _bands(jobs: Jobs, rows: _Rows, images: int) -> Iterator[tuple[int, int]]:
    """Cycle in which the first beat of each band of ``images`` images leaves, and its beats."""
    t = jobs.timing
    for _ in range(images):
        for need, free, beats in zip(t.need, t.free, t.band_beats, strict=True):
            seen, begin = jobs.band(rows.wait(need), beats)
            rows.give_back(free, seen)
            yield begin + 1, beats


def _soonest(timing: Timing, images: int) -> tuple[int, list[int]]:
    """(latency of the first output beat, cycle of each image's last output beat), the first input beat being
    accepted in cycle 0."""
    rows, count = _SoonestRows(timing.row_beats, timing.ring), len(timing.band_beats)
    bands = list(_bands(Jobs(timing), rows, images))
    return bands[0][0], [begin + beats - 1 for begin, beats in bands[count - 1 :: count]]


def steady(timing: Timing, limit: int = 64) -> tuple[int, int]:
    """(latency, cycles an image) once image ends are evenly spaced; the mean of the last images, rounded up,
    if they are not within ``limit`` images."""
    images = 8
    while True:
        latency, ends = _soonest(timing, images)
        gaps = [b - a for a, b in pairwise(ends)]
        if len(set(gaps[-4:])) == 1:
            return latency, gaps[-1]
        if images >= limit:
            last = gaps[images // 2 :]
            return latency, -(-sum(last) // len(last))
        images *= 2


def least_memories(timing: Timing, even: bool) -> Timing:
    """The schedule with the fewest banks, and rows of the ring, that keep its cycles.

    ``even``: the ring and two bands of rows stay as they are, for neighbours that do not move in bursts.
    """
    longest = steady(timing)[1]
    ranges = {"spectra_banks": range(1, timing.spectra_banks)}
    if not even:
        least, most = max(1, *timing.need), timing.ring
        ranges["ring"] = range(least, most, max(1, (most - least) // 8))
    ranges["band_banks"] = range(2 if even else 1, timing.band_banks)
    for name, smaller in ranges.items():
        changes: list[dict[str, Any]] = [{name: count} for count in smaller]
        fitting = (replace(timing, **change) for change in changes)
        timing = next((fewer for fewer in fitting if steady(fewer)[1] <= longest), timing)
    return timing
