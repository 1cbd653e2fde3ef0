"""Thresholds before there is hardware: the cheapest form, its latency, and what its memories hold."""

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.memory_size import is_block
from fermatnet.hw.rtl.words import pack_words, shape_range
from fermatnet.hw.stream.pipeline import queue_latency
from fermatnet.model.errors import InputError

__all__ = ["ThresholdPlan"]


class ThresholdPlan:
    """Numbers of a `fermatnet.hw.piecewise.thresholds.ThresholdUnit`; InputError for rows out of order, signs
    that are not +1 or -1, lanes that do not divide the channels and forms that are not possible.

    Parameters
    ----------
    thresholds : (C, N) int
        Rows ascending, 1 <= N <= 255.
    sign : (C,) int
        +1 or -1.
    x_shape : Shape
        Shape of an incoming integer.
    lanes : int
        Channels a beat; divides C.
    form : str
        "auto", "parallel", "search" or "serial"; the searches need more than one beat a pixel.
    interval : int
        Cycles between beats that the neighbours leave anyway: "auto" takes the cheapest form by `costs` whose
        gap is no longer.
    contents : (thresholds, sign) or None
        What the memory holds, where ``thresholds`` and ``sign`` are the extremes that size it.
    clock : Clock or None
        By which a comparison is cut; None: not at all.

    Attributes
    ----------
    latency, depth, cycles : int
        Cycles from an input beat to its output beat, and less those of a queue behind it
        (`fermatnet.hw.stream.pipeline`); beats of one pixel.
    form, gap : str, int
        What was built; least cycles between two beats.
    cuts : int
        Registers within a comparison, 0 to 2: see `cuts_of`.
    """

    def __init__(
        self,
        thresholds: ArrayLike,
        sign: ArrayLike,
        x_shape: Shape,
        *,
        lanes: int,
        form: str = "auto",
        interval: int = 1,
        contents: tuple[np.ndarray, np.ndarray] | None = None,
        clock: Clock | None = None,
    ):
        self.clock = clock
        self.thresholds, self.sign = np.asarray(thresholds, np.int64), np.asarray(sign, np.int64)
        self.x_shape, self.lanes = Shape.cast(x_shape), lanes
        if (
            self.thresholds.ndim != 2
            or not 1 <= self.thresholds.shape[1] <= 255
            or self.sign.shape != self.thresholds.shape[:1]
        ):
            raise InputError(
                f"thresholds must be (C, N) with 1 <= N <= 255 and sign (C,), not {self.thresholds.shape} "
                f"and {self.sign.shape}"
            )
        if np.any(np.diff(self.thresholds, axis=1) < 0) or np.any(np.abs(self.sign) != 1):
            raise InputError("threshold rows must ascend and signs be +1 or -1")
        self.channels, self.pieces = self.thresholds.shape
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.cycles = self.channels // lanes
        self.index_bits = self.pieces.bit_length()
        self.bounds = self._bounds(self.thresholds, self.sign)
        past = int(self.bounds.max() > shape_range(self.x_shape)[1])
        self.bound_shape = Shape(self.x_shape.width + past, self.x_shape.signed)
        self.flips = bool(np.any(self.sign < 0))
        self.form = self._choose(form, interval)
        self.cuts = self.cuts_of(self.form)
        self.gap, self.depth = self.gap_of(self.form), self._depth()
        self.latency = self.depth + (0 if self.form == "serial" else queue_latency(self.depth, clock))
        if contents is not None:
            self.sign = np.asarray(contents[1], np.int64)
            self.bounds = self._bounds(np.asarray(contents[0], np.int64), self.sign)

    def _bounds(self, thresholds: np.ndarray, sign: np.ndarray) -> np.ndarray:
        """x >= bound, with bounds clipped to one past each end of x's range: the answers stay, the field is
        as narrow as it can be."""
        lo, hi = shape_range(self.x_shape)
        return np.clip(np.where(sign[:, None] < 0, 1 - thresholds, thresholds), lo, hi + 1)

    @property
    def word(self) -> data.StructLayout:
        """What one beat needs: the bounds and flip bit of each lane."""
        lane = data.StructLayout(
            {"bounds": data.ArrayLayout(self.bound_shape, self.pieces), "flip": int(self.flips)}
        )
        return data.StructLayout({"lanes": data.ArrayLayout(lane, self.lanes)})

    def words(self) -> list[int]:
        """Memory contents, one word a beat of a pixel."""
        rows: list[list[tuple[int, int]]] = []
        for start in range(0, self.channels, self.lanes):
            row: list[tuple[int, int]] = []
            for channel in range(start, start + self.lanes):
                row += [(bound, self.bound_shape.width) for bound in self.bounds[channel]]
                row.append((int(self.sign[channel] < 0), int(self.flips)))
            rows.append(row)
        return pack_words(rows)

    def costs(self) -> dict[str, float]:
        """Rough LUTs of each form that is possible: comparators, encoder, control, and small memories made of
        LUTs."""
        width, steps = self.bound_shape.width, self.index_bits
        if self.cycles == 1:
            return {"parallel": self.lanes * self.pieces * width / 2}
        found = {
            "parallel": self.lanes * (self.pieces * width + self.pieces)
            + _memory_luts(self.word.size, self.cycles)
        }
        memories = [_memory_luts(self.entry.size, self.cycles << level) for level in range(steps)]
        found["search"] = self.lanes * (steps * width + sum(memories)) + 2 * steps
        found["serial"] = (
            self.lanes * (width + 2 * steps + _memory_luts(self.entry.size, self.cycles << steps)) + 12
        )
        return found

    def cuts_of(self, form: str) -> int:
        """Registers that the clock asks for between a memory's read and the next one.

        The searches: one behind the comparison, then one behind the memory. *parallel*: one behind the
        memory, then one behind the comparisons; where all channels pass in one beat, there is no memory and
        at most the latter.
        """
        if self.clock is None:
            return 0
        clock, words = self.clock, self.cycles << (0 if form == "parallel" else self.index_bits - 1)
        width = self.word.size if form == "parallel" else self.entry.size
        read = clock.delays.memory if self.cycles > 1 and is_block(width, words) else 0.0
        compare = clock.comparison(self.bound_shape.width) + (clock.table() if self.flips else 0.0)
        if form == "parallel":
            follow = clock.table() * (1 + self.pieces // 8)  # the encoder
        else:  # the next address (of a new beat, too), and what a memory of tables reads there
            tables = (form == "serial") + (1 if is_block(width, words) else 2 + (words > 64))
            follow = clock.table() * tables
        if read + compare + follow <= clock.budget:
            return 0
        if self.cycles == 1:
            return 1
        return 1 if (compare + follow if form == "parallel" else read + compare) <= clock.budget else 2

    def gap_of(self, form: str) -> int:
        """Least cycles between two beats."""
        return self.index_bits * (1 + self.cuts_of(form)) if form == "serial" else 1

    def _depth(self) -> int:
        """Cycles from a beat to its answer, before there is a queue."""
        if self.form == "parallel":
            return 1 + self.cuts + (self.cycles > 1)
        # what a search with a register behind each comparison finds needs no other one
        return self.index_bits * (1 + self.cuts) + (self.form == "serial" or not self.cuts)

    def _choose(self, form: str, interval: int) -> str:
        costs = self.costs()
        if form == "auto":
            fitting = [
                name
                for name in costs
                if name != "serial" or (1 < self.index_bits and self.gap_of(name) <= interval)
            ]
            return min(fitting, key=lambda name: costs[name])
        if form not in ("parallel", "search", "serial"):
            raise InputError(f"form must be one of auto, parallel, search, serial, not {form!r}")
        if form not in costs:
            raise InputError(
                f"form {form} needs more than one beat a pixel: all {self.channels} channels pass in one"
            )
        return form

    @property
    def entry(self) -> data.StructLayout:
        """What one step of a search needs. Where N+1 is no power of two some steps always say no: by a flip,
        or by a bound past x's range."""
        past = (
            self.pieces + 1 < 1 << self.index_bits
            and not self.flips
            and self.bound_shape.width == self.x_shape.width
        )
        return data.StructLayout(
            {"bound": Shape(self.bound_shape.width + past, self.x_shape.signed), "flip": int(self.flips)}
        )

    def search_words(self, lane: int, level: int) -> list[int]:
        """Memory of one lane at a level of the search: for each beat, by the ``level`` upper bits of the
        index found so far, the bound that decides the next bit. Past the last piece the answer is no."""
        (lo, hi), width = shape_range(self.x_shape), self.entry.size - int(self.flips)
        rows = []
        for channel in range(lane, self.channels, self.lanes):
            flip = int(self.sign[channel] < 0)
            for found in range(1 << level):
                piece = (2 * found + 1 << self.index_bits - 1 - level) - 1
                row = (
                    (int(self.bounds[channel, piece]), flip)
                    if piece < self.pieces
                    else (lo, 1)
                    if self.flips
                    else (hi + 1, 0)
                )
                rows.append([(row[0], width), (row[1], int(self.flips))])
        return pack_words(rows)

    def heaps(self, lane: int) -> list[list[int]]:
        """For each beat the bounds of a lane as a heap: place 0 is unused, 1 the first bound, 2 and 3 the
        next ones, ..."""
        levels = [self.search_words(lane, level) for level in range(self.index_bits)]
        return [
            [
                0,
                *(
                    word
                    for level, words in enumerate(levels)
                    for word in words[beat << level : beat + 1 << level]
                ),
            ]
            for beat in range(self.cycles)
        ]


def _memory_luts(width: int, words: int) -> float:
    """LUTs of a read-only memory: none where block memory takes it, else a table of six inputs a bit."""
    return 0.0 if is_block(width, words) else width * -(-words // 64)
