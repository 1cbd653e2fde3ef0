"""When each part of the convolver works: the exact cycle counts of its unstalled steady state, without
simulating gates.

The convolver is a chain of jobs of fixed length (rows in, tiles, products, inverse transforms, bands out)
that wait only for each other's memories. Job starts therefore obey recurrences in (max, +); here they are
iterated until they repeat.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Timing", "run", "steady"]


@dataclass(frozen=True)
class Timing:
    """Job lengths and delays of one convolver, in cycles.

    row_beats: a row in; rows: rows of an image; ring: rows kept; need, free: rows each band waits for and
    gives back;
    tiles: tiles in a band; frame: a tile read and transformed; jobs: product jobs a tile; job: their length;
    drain: length of an inverse job; band_beats: beats of each band out. Delays: first point (``point``),
    spectra written (``full``), read for the last time (``done``), sums complete (``sums``), inverse result
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
    full: int
    done: int
    sums: int
    result: int


def run(timing: Timing, images: int) -> tuple[int, list[int]]:
    """(latency of the first output beat, cycle of each image's last output beat), the first input beat being
    accepted in cycle 0."""
    t, bands = timing, len(timing.need)
    row_ends: list[int] = []  # cycle in which a row's last beat is accepted
    freed: list[tuple[int, int]] = [(0, 0)]  # rows given back in all, first cycle in which that is seen
    tile_starts: list[int] = []
    job_starts: list[int] = []
    drain_starts: list[int] = []
    band_ends: list[int] = []  # cycle in which a band's last beat is read
    first_out, image_ends = -1, []
    for _ in range(images):
        for band in range(bands):
            kept_from = freed[-1][0]
            for tile in range(t.tiles):
                start = tile_starts[-1] + t.frame if tile_starts else 0
                if tile == 0:
                    _accept_rows(t, row_ends, freed, kept_from + t.need[band])
                    start = max(start, row_ends[kept_from + t.need[band] - 1] + 1 if t.need[band] else 0)
                number = len(tile_starts)
                if number >= t.spectra_banks:  # a bank is free one cycle after its last read
                    start = max(start, job_starts[(number - t.spectra_banks + 1) * t.jobs - 1] + t.done + 1)
                tile_starts.append(start)
                for job in range(t.jobs):
                    _product_and_drain(t, job, start, band, bands, tile, job_starts, drain_starts, band_ends)
            freed.append((kept_from + t.free[band], tile_starts[-1] + t.frame))
            full = drain_starts[-1] + t.result + t.drain - 1 + 3
            begin = max(full, band_ends[-1] + 1 if band_ends else 0)
            band_ends.append(begin + t.band_beats[band] - 1)
            if first_out < 0:
                first_out = begin + 1
        image_ends.append(band_ends[-1] + 1)
    return first_out, image_ends


def _accept_rows(t: Timing, row_ends: list[int], freed: list[tuple[int, int]], count: int) -> None:
    while len(row_ends) < count:
        row = len(row_ends)
        start = row_ends[-1] + 1 if row_ends else 0
        if row >= t.ring:
            start = max(start, freed[bisect_left(freed, (row - t.ring + 1, 0))][1])
        row_ends.append(start + t.row_beats - 1)


def _product_and_drain(
    t: Timing,
    job: int,
    tile_start: int,
    band: int,
    bands: int,
    tile: int,
    job_starts: list[int],
    drain_starts: list[int],
    band_ends: list[int],
) -> None:
    start = job_starts[-1] + t.job if job_starts else 0
    if job == 0:
        start = max(start, tile_start + t.point + t.full + 1)
    number = len(job_starts)
    if number >= t.sums_banks:
        start = max(start, drain_starts[number - t.sums_banks] + t.drain)
    job_starts.append(start)
    drain = max(start + t.sums + 1, drain_starts[-1] + t.drain if drain_starts else 0)
    if tile == 0 and job == 0 and len(band_ends) >= t.band_banks:
        drain = max(drain, band_ends[-t.band_banks] + 1)
    drain_starts.append(drain)


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
