"""The Fermat convolver: rows, tiles, products, bands."""

from dataclasses import dataclass

import numpy as np

from fermatnet.hw.fermat.schedule import Jobs, Timing
from fermatnet.hw.timing.spacing import FAR, earliest

__all__ = ["Tiles"]


@dataclass(frozen=True, eq=False)
class Tiles:
    """The Fermat convolver: rows in, tiles, products, inverse transforms, bands of rows out, by the
    recurrence of `fermatnet.hw.fermat.schedule.Jobs`, with rows that come when they come.

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
        rows, jobs, out = _Rows(offered, t.ring), Jobs(t, self.gap), []
        for _ in range(len(offered) // t.rows):
            for need, free, beats in zip(t.need, t.free, t.band_beats, strict=True):
                seen, begin = jobs.band(rows.wait(need), beats)
                rows.give_back(free, seen)
                out.append(begin + 1 + np.arange(beats) * self.gap)
        return rows.finish(), np.concatenate(out)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        """From the steady state with images back to back: safe, because earlier inputs never make later
        outputs."""
        images, beats = 8, self.jobs.row_beats * self.jobs.rows
        taken, out = self.forward(self._back_to_back(period, images))
        shift = int((wanted - (out[-len(wanted) :] - (images - 1) * period)).min())
        return taken[-beats:] - (images - 1) * period + shift


class _Rows:
    """Rows entering a ring whose places are given back by count."""

    def __init__(self, offered: np.ndarray, ring: int):
        self.offered, self.ring = offered, ring
        self.taken = np.empty_like(offered)
        self.filled = self.released = 0
        self.seen: list[int] = []  # cycle in which each row's place is seen to be free

    def _fill(self, until: int) -> None:
        while self.filled < min(until, len(self.offered)):
            row = self.filled
            room = self.seen[row - self.ring] if row >= self.ring else -FAR
            before = self.taken[row - 1, -1] + 1 if row else -FAR
            self.taken[row] = earliest(np.maximum(self.offered[row], max(room, before)))
            self.filled += 1

    def wait(self, rows: int) -> int:
        """Cycle in which ``rows`` rows from the first one kept are known to be there."""
        self._fill(self.released + rows)
        return int(self.taken[self.released + rows - 1, -1]) + 1 if rows else int(self.offered[0, 0])

    def give_back(self, rows: int, cycle: int) -> None:
        self.seen += [cycle] * rows
        self.released += rows

    def finish(self) -> np.ndarray:
        self._fill(len(self.offered))
        return self.taken.reshape(-1)
