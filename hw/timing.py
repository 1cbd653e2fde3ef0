"""When beats move: exact cycle times of each block's beats, forwards (as soon as possible) and backwards (as late as possible).

Times are cycle numbers in int64 arrays, one per beat, in stream order. Forward functions take the times at which beats are
*offered* and return the times at which the block takes them and offers its own; they work on any number of images one after
another. Backward functions take, for one image of a periodic schedule, the latest times by which the outputs are wanted,
and return the latest times by which inputs must be taken.

Every block here is *monotone*: offered earlier or taken earlier, nothing leaves later. That is what carries the proof in
`fermatnet.hw.schedule`.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fermatnet.hw.stream.window import output_size, ring_rows

__all__ = ["Chain", "Collect", "Gather", "Join", "Repack", "Runs", "Select", "Serialise", "Tiles", "Windows", "earliest", "latest"]

FAR = np.int64(1) << 60


def earliest(times: np.ndarray, gap: int = 1) -> np.ndarray:
    """Smallest times >= ``times`` that are at least ``gap`` apart."""
    ramp = np.arange(len(times), dtype=np.int64) * gap
    return np.maximum.accumulate(times - ramp) + ramp


def latest(times: np.ndarray, period: int, gap: int = 1) -> np.ndarray:
    """Largest times <= ``times`` that are at least ``gap`` apart, also from the next period's (``period`` >= gap * len)."""
    two = np.concatenate([times, np.minimum(times, FAR) + period])
    ramp = np.arange(len(two), dtype=np.int64) * gap
    return (np.minimum.accumulate((two - ramp)[::-1])[::-1] + ramp)[: len(times)]


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
    """One beat in, ``ratio`` out, the first one cycle later; takes the next one as the last piece leaves."""

    ratio: int

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken = earliest(offered, self.ratio)
        return taken, (taken[:, None] + 1 + np.arange(self.ratio)).reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        return latest((wanted.reshape(-1, self.ratio) - 1 - np.arange(self.ratio)).min(axis=1), period, self.ratio)


@dataclass(frozen=True)
class Runs:
    """One beat out for ``beats`` in, ``delay`` cycles after the last of them: folded sums without a window, arg max."""

    beats: int
    delay: int

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taken = earliest(offered)
        return taken, taken[self.beats - 1 :: self.beats] + self.delay

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        inputs = np.full(len(wanted) * self.beats, FAR)
        inputs[self.beats - 1 :: self.beats] = wanted - self.delay
        return latest(inputs, period)


def Collect(ratio: int) -> Runs:
    """``ratio`` beats in, one out, one cycle after the last."""
    return Runs(ratio, 1)


@dataclass(frozen=True)
class Repack:
    """Collects ``collect`` beats and serialises the whole into ``ratio``: the whole waits in the collector until the serialiser takes it, and
    no beat of the next one comes in before."""

    collect: int
    ratio: int

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        complete = earliest(offered)[self.collect - 1 :: self.collect]
        moved = earliest(complete + 1, max(self.collect, self.ratio))
        free = offered.copy()
        free[self.collect :: self.collect] = np.maximum(free[self.collect :: self.collect], moved[:-1])
        return earliest(free), (moved[:, None] + 1 + np.arange(self.ratio)).reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        return Collect(self.collect).backward(Serialise(self.ratio).backward(wanted, period), period)


@dataclass(frozen=True, eq=False)
class Select:
    """One beat out, ``delay`` cycles after each of the chosen beats of an image of ``beats``: sums over windows."""

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


@dataclass(frozen=True)
class Join:
    """Residual add: one register on each side, the sum leaves one cycle after the later beat."""

    def forward(self, first: np.ndarray, second: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        out = earliest(np.maximum(first, second) + 1)
        before = np.concatenate([[-FAR], out[:-1]])
        return [np.maximum(first, before), np.maximum(second, before)], out

    def backward(self, wanted: np.ndarray, period: int) -> list[np.ndarray]:
        inputs = latest(wanted - 1, period)
        return [inputs, inputs]


@dataclass(frozen=True)
class Gather:
    """Concatenation: in each pixel ``counts[0]`` beats of the first stream, then ``counts[1]`` of the next, ...; one cycle each."""

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


@dataclass(frozen=True)
class Windows:
    """A sliding window and what consumes it: ``outputs`` results a window, each after ``beats`` beats, ``delay`` cycles after
    the cycle in which the first of its beats is read.

    The window's geometry is that of `fermatnet.hw.stream.window.SlidingWindow` (``rows`` of ring included).
    """

    height: int
    width: int
    chunks: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    outputs: int
    beats: int
    delay: int
    rows: int

    @staticmethod
    def of(window: Any, outputs: int, beats: int, delay: int) -> "Windows":
        """For a SlidingWindow component."""
        return Windows(window.height, window.width, window.chunks, window.kernel, window.stride, window.pad, window.dilation,
                       outputs, beats, delay, window.rows)

    @property
    def size(self) -> tuple[int, int]:
        return output_size(self.height, self.width, self.kernel, self.stride, self.pad, self.dilation)

    @property
    def least_rows(self) -> int:
        return ring_rows(self.height, self.kernel, self.stride, self.pad, self.dilation, self.size[0])

    @property
    def work(self) -> int:
        """Cycles a window is read."""
        return self.outputs * self.beats

    def _needed(self) -> tuple[np.ndarray, np.ndarray]:
        """Last row that each output row needs, and beats of a row that each output column needs."""
        rows, columns = self.size
        row = np.arange(rows) * self.stride[0] - self.pad[0] + self.dilation[0] * (self.kernel[0] - 1)
        column = np.arange(columns) * self.stride[1] - self.pad[1] + self.dilation[1] * (self.kernel[1] - 1)
        return np.minimum(row, self.height - 1), (np.minimum(column, self.width - 1) + 1) * self.chunks

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = self.size
        need_row, need_beats = self._needed()
        line = self.width * self.chunks
        offered = offered.reshape(-1, line)
        taken = np.empty_like(offered)
        images = len(offered) // self.height
        starts = np.empty((images * rows, columns), np.int64)
        released_at = np.empty(len(offered), np.int64)      # when a row's place is free again
        filled = released = 0
        last_taken, last_start = -FAR, -FAR
        for index in range(images * rows):
            image, y = divmod(index, rows)
            base = image * self.height
            while filled <= base + need_row[y]:
                room = released_at[filled - self.rows] if filled >= self.rows else -FAR
                taken[filled] = earliest(np.maximum(offered[filled], max(room, last_taken + 1)))
                last_taken = taken[filled, -1]
                filled += 1
            ready = taken[base + need_row[y], need_beats - 1] + 1
            starts[index] = earliest(np.maximum(ready, last_start + self.work), self.work)
            last_start = starts[index, -1]
            until = base + (self.height if y == rows - 1 else min(self.height, max(0, (y + 1) * self.stride[0] - self.pad[0])))
            released_at[released:until] = last_start + self.work
            released = max(released, until)
        while filled < len(offered):        # rows below the last window
            room = released_at[filled - self.rows] if filled >= self.rows else -FAR
            taken[filled] = earliest(np.maximum(offered[filled], max(room, last_taken + 1)))
            last_taken = taken[filled, -1]
            filled += 1
        out = starts.reshape(-1, 1) + np.arange(self.outputs) * self.beats + self.delay
        return taken.reshape(-1), out.reshape(-1)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        spread = wanted.reshape(-1, self.outputs) - np.arange(self.outputs) * self.beats - self.delay
        starts = latest(spread.min(axis=1), period, self.work)
        need_row, need_beats = self._needed()
        last = (need_row[:, None] * (self.width * self.chunks) + need_beats - 1).reshape(-1)
        inputs = np.full(self.height * self.width * self.chunks, FAR)
        np.minimum.at(inputs, last, starts - 1)
        return latest(inputs, period)


@dataclass(frozen=True, eq=False)
class Tiles:
    """The Fermat convolver: rows in, tiles, products, inverse transforms, bands of rows out; job lengths as in
    `fermatnet.hw.fermat.schedule.Timing`, whose recurrences these are, with rows that come when they come.

    A finished band may leave slowly, because the engine keeps it until it is taken: ``gap`` cycles between its beats.
    """

    jobs: Any
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
            if (np.diff(out.reshape(-1, beats)[-5:], axis=0) == period).all():   # with two banks of bands images can alternate
                return slow
        return self

    def _back_to_back(self, period: int, images: int = 8) -> np.ndarray:
        return (np.arange(images)[:, None] * period + np.arange(self.jobs.row_beats * self.jobs.rows)).reshape(-1)

    def forward(self, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = self.jobs
        offered = offered.reshape(-1, t.row_beats)
        rows = _Rows(offered, t.ring)
        tile_starts: list[int] = []
        job_starts: list[int] = []
        drain_starts: list[int] = []
        band_ends: list[int] = []
        out = []
        for _ in range(len(offered) // t.rows):
            for need, free, beats in zip(t.need, t.free, t.band_beats, strict=True):
                ready = rows.wait(need)
                for tile in range(t.tiles):
                    start = max(tile_starts[-1] + t.frame if tile_starts else ready, ready)
                    if len(tile_starts) >= t.spectra_banks:
                        start = max(start, job_starts[(len(tile_starts) - t.spectra_banks + 1) * t.jobs - 1] + t.done + 1)
                    tile_starts.append(start)
                    for job in range(t.jobs):
                        begin = start + t.point + t.full + 1 if job == 0 else job_starts[-1] + t.job
                        if job_starts:
                            begin = max(begin, job_starts[-1] + t.job)
                        if len(job_starts) >= t.sums_banks:
                            begin = max(begin, drain_starts[-t.sums_banks] + t.drain)
                        job_starts.append(begin)
                        drain = begin + t.sums + 1
                        if drain_starts:
                            drain = max(drain, drain_starts[-1] + t.drain)
                        if tile == 0 and job == 0 and len(band_ends) >= t.band_banks:
                            drain = max(drain, band_ends[-t.band_banks] + 1)
                        drain_starts.append(drain)
                rows.give_back(free, tile_starts[-1] + t.frame)
                full = drain_starts[-1] + t.result + t.drain - 1 + 3
                begin = max(full, band_ends[-1] + 1 if band_ends else full)
                band_ends.append(begin + (beats - 1) * self.gap)
                out.append(begin + 1 + np.arange(beats) * self.gap)
        return rows.finish(), np.concatenate(out)

    def backward(self, wanted: np.ndarray, period: int) -> np.ndarray:
        """From the steady state with images back to back: safe, because earlier inputs never make later outputs."""
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
        self.seen: list[int] = []       # cycle in which each row's place is seen to be free

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
