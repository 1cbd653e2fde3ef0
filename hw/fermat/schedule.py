"""When each part of the convolver works: the exact cycle counts of its unstalled steady state, without
simulating gates.

The convolver is a chain of jobs of fixed length (rows in, tiles, products, inverse transforms, bands out)
that wait only for each other's memories. A tile's spectra are read one word a cycle behind their writing,
and written one word a cycle behind the last reading of those they replace. Job starts therefore obey
recurrences in (max, +); here they are iterated until they repeat.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

__all__ = ["Jobs", "Timing", "least_memories", "run", "steady"]


@dataclass(frozen=True)
class Timing:
    """Job lengths and delays of one convolver, in cycles.

    row_beats: a row in; rows: rows of an image; ring: rows kept; need, free: rows each band waits for and
    gives back;
    tiles: tiles in a band; frame: a tile read and transformed; jobs: product jobs a tile; job: their length;
    drain: length of an inverse job; band_beats: beats of each band out. Delays: first point (``point``), its
    spectrum written (``begun``), a bank given back (``released``), sums complete (``sums``), inverse result
    (``result``).
    """

    row_beats: int
    rows: int
    ring: int
    need: Sequence[int]
    free: Sequence[int]
    tiles: int
    frame: int
    jobs: int
    job: int
    drain: int
    band_beats: Sequence[int]
    spectra_banks: int
    sums_banks: int
    band_banks: int
    point: int
    begun: int
    released: int
    sums: int
    result: int


class Jobs:
    """The recurrence of one convolver: when tiles, products, inverse transforms and bands begin, each as soon
    as what it reads is full and what it writes is free. A band leaves with ``gap`` cycles between its
    beats."""

    def __init__(self, timing: Timing, gap: int = 1):
        self.timing, self.gap = timing, gap
        self.tiles: list[int] = []  # cycle in which each starts
        self.products: list[int] = []
        self.drains: list[int] = []
        self.band_ends: list[int] = []  # cycle in which a band's last beat is read

    def band(self, ready: int, beats: int) -> tuple[int, int]:
        """One more band, whose rows are known to be there in cycle ``ready``: (cycle in which the rows that
        it gives back are seen to be free, cycle in which the first of its ``beats`` is read)."""
        for tile in range(self.timing.tiles):
            start = self._tile(ready)
            for job in range(self.timing.jobs):
                self._job(start, first=job == 0, new_band=tile == 0 and job == 0)
        t = self.timing
        full = self.drains[-1] + t.result + t.drain - 1 + 3
        begin = max(full, self.band_ends[-1] + 1) if self.band_ends else full
        self.band_ends.append(begin + (beats - 1) * self.gap)
        return self.tiles[-1] + t.frame, begin

    def _tile(self, ready: int) -> int:
        t, number = self.timing, len(self.tiles)
        start = max(self.tiles[-1] + t.frame, ready) if self.tiles else ready
        if number >= t.spectra_banks:  # new words follow the reads of the last job of the tile before
            last = (number - t.spectra_banks + 1) * t.jobs - 1
            start = max(start, self.products[last] + t.released + 1)
        self.tiles.append(start)
        return start

    def _job(self, tile_start: int, *, first: bool, new_band: bool) -> None:
        t = self.timing
        start = self.products[-1] + t.job if self.products else tile_start  # times may lie before cycle 0
        if first:
            start = max(start, tile_start + t.point + t.begun + 1)
        if len(self.products) >= t.sums_banks:
            start = max(start, self.drains[-t.sums_banks] + t.drain)
        self.products.append(start)
        drain = start + t.sums + 1
        if self.drains:
            drain = max(drain, self.drains[-1] + t.drain)
        if new_band and len(self.band_ends) >= t.band_banks:
            drain = max(drain, self.band_ends[-t.band_banks] + 1)
        self.drains.append(drain)


def run(timing: Timing, images: int) -> tuple[int, list[int]]:
    """(latency of the first output beat, cycle of each image's last output beat), the first input beat being
    accepted in cycle 0."""
    t, jobs = timing, Jobs(timing)
    row_ends: list[int] = []  # cycle in which a row's last beat is accepted
    freed: list[tuple[int, int]] = [(0, 0)]  # rows given back in all, first cycle in which that is seen
    first_out, image_ends = -1, []
    for _ in range(images):
        for need, free, beats in zip(t.need, t.free, t.band_beats, strict=True):
            kept_from = freed[-1][0]
            _accept_rows(t, row_ends, freed, kept_from + need)
            seen, begin = jobs.band(row_ends[kept_from + need - 1] + 1 if need else 0, beats)
            freed.append((kept_from + free, seen))
            if first_out < 0:
                first_out = begin + 1
        image_ends.append(jobs.band_ends[-1] + 1)
    return first_out, image_ends


def _accept_rows(t: Timing, row_ends: list[int], freed: list[tuple[int, int]], count: int) -> None:
    while len(row_ends) < count:
        row = len(row_ends)
        start = row_ends[-1] + 1 if row_ends else 0
        if row >= t.ring:
            start = max(start, freed[bisect_left(freed, (row - t.ring + 1, 0))][1])
        row_ends.append(start + t.row_beats - 1)


def steady(timing: Timing, limit: int = 64) -> tuple[int, int]:
    """(latency, cycles an image) once image ends are evenly spaced; the mean of the last images if they never
    are."""
    images = 8
    while True:
        latency, ends = run(timing, images)
        gaps = [b - a for a, b in pairwise(ends)]
        if len(set(gaps[-4:])) == 1 or images >= limit:
            return latency, gaps[-1] if len(set(gaps[-4:])) == 1 else -(
                -sum(gaps[images // 2 :]) // len(gaps[images // 2 :])
            )
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
