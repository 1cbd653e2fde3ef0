"""When each part of the Fermat convolver works, without simulating gates.

The convolver is a chain of jobs of fixed length (rows in, tiles, products, inverse transforms, bands out)
that wait only for each other's memories. A tile's spectra are read one word a cycle behind their writing,
and written one word a cycle behind the last reading of those they replace. Job starts therefore obey
recurrences in (max, +).
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Jobs", "Timing"]


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
