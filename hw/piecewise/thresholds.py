"""Thresholds: integers to piece indices, with a row of end-points for each channel (batch norm folded in)."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.rom import Rom, constant
from fermatnet.hw.rtl.words import pack_words, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["ThresholdUnit"]


class ThresholdUnit(wiring.Component):
    """``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])`` for a stream of pixels, ``lanes`` channels a
    beat.

    A negative sign is turned into ``not (x >= 1 - t)``: stored thresholds and one flip bit, no negation of x.
    Forms:

    *parallel*: one comparator for each lane and threshold; their outputs are a thermometer code, so the index
    needs only the position of its one step. Latency: 2 cycles, 1 when all channels pass in one beat (the
    thresholds are then constants).
    *search*: binary search, S = ceil(log2(N+1)) stages of one comparator and one memory a lane; the bits
    found so far address the next stage's memory. Latency: S + 1 cycles. *serial*: the same search by one
    comparator and one memory a lane, S cycles a beat.
    Latency: S + 1 cycles.

    Throughput: one beat in ``gap`` cycles (S for serial, else 1), C/lanes beats a pixel.

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

    Attributes
    ----------
    latency, cycles : int
        Cycles from an input beat to its output beat; beats of one pixel.
    form, gap : str, int
        What was built; least cycles between two beats.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes))
    o : Out(stream of ArrayLayout(unsigned(ceil(log2(N+1))), lanes))
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
    ):
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
        self.gap = self.index_bits if self.form == "serial" else 1
        self.latency = self.index_bits + 1 if self.form != "parallel" else 2 if self.cycles > 1 else 1
        if contents is not None:
            self.sign = np.asarray(contents[1], np.int64)
            self.bounds = self._bounds(np.asarray(contents[0], np.int64), self.sign)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.index_bits, lanes))),
            }
        )

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

    def _choose(self, form: str, interval: int) -> str:
        costs = self.costs()
        if form == "auto":
            fitting = [name for name in costs if name != "serial" or 1 < self.index_bits <= interval]
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

    def elaborate(self, platform) -> Module:
        return (
            self._parallel(platform)
            if self.form == "parallel"
            else self._search()
            if self.form == "search"
            else self._serial()
        )

    def _search(self) -> Module:
        m = Module()
        steps = self.index_bits
        valids, enables = elastic(m, self.i.valid, self.o.ready, steps + 1)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        beat = self._beat(m, enables[0] & self.i.valid)
        for lane in range(self.lanes):
            x, place, found = self.i.payload[lane], beat, Const(0, 0)
            for level in range(steps):
                rom = Rom(self.entry.size, self.search_words(lane, level), "thresholds")
                m.submodules[f"table{lane}_{level}"] = rom
                m.d.comb += [rom.addr.eq(Cat(found, place)), rom.en.eq(enables[level])]
                held_x, held_place = (
                    Signal(self.x_shape, name=f"x{lane}_{level}"),
                    Signal(len(beat), name=f"place{lane}_{level}"),
                )
                with m.If(enables[level]):
                    m.d.sync += [held_x.eq(x), held_place.eq(place)]
                    if level:
                        held_found = Signal(level, name=f"found{lane}_{level}")
                        m.d.sync += held_found.eq(found)
                x, place = held_x, held_place
                found = Cat(self._step(x, rom.data), held_found if level else Const(0, 0))
            with m.If(enables[steps]):
                m.d.sync += self.o.payload[lane].eq(found)
        return m

    def _serial(self) -> Module:
        m = Module()
        steps = self.index_bits
        busy, step, done = Signal(), Signal(range(steps)), Signal()
        free = ~self.o.valid | self.o.ready
        m.d.comb += [done.eq(busy & (step == steps - 1) & free), self.i.ready.eq(~busy | done)]
        accept = Signal()
        m.d.comb += accept.eq(self.i.valid & self.i.ready)
        beat = self._beat(m, accept)
        place, move = Signal.like(beat), Signal()
        m.d.comb += move.eq(accept | (busy & (step != steps - 1)))
        with m.If(accept):
            m.d.sync += [busy.eq(1), step.eq(0), place.eq(beat)]
        with m.Elif(done):
            m.d.sync += busy.eq(0)
        with m.Elif(move):
            m.d.sync += step.eq(step + 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(done):
            m.d.sync += self.o.valid.eq(1)
        for lane in range(self.lanes):
            x, found, following = (
                Signal(self.x_shape, name=f"x{lane}"),
                Signal(steps, name=f"found{lane}"),
                Signal(steps, name=f"next{lane}"),
            )
            # One memory holds all levels of a beat: the index found so far behind a leading one is the place
            # of its bound.
            words = [word for words in self._heaps(lane) for word in words]
            m.submodules[f"table{lane}"] = rom = Rom(self.entry.size, words, "thresholds")
            m.d.comb += following.eq(Cat(self._step(x, rom.data), found))
            m.d.comb += [
                rom.addr.eq(Mux(accept, Cat(Const(1, steps), beat), Cat(following, place))),
                rom.en.eq(move),
            ]
            with m.If(accept):
                m.d.sync += [x.eq(self.i.payload[lane]), found.eq(1)]
            with m.Elif(move):
                m.d.sync += found.eq(following)
            with m.If(done):
                m.d.sync += self.o.payload[lane].eq(following)
        return m

    def _heaps(self, lane: int) -> list[list[int]]:
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

    def _step(self, x, word):
        """Whether x lies in an upper piece."""
        entry = self.entry(word)
        return (x >= entry.bound) ^ (entry.flip if self.flips else 0)

    def _beat(self, m: Module, advance) -> Signal:
        """Beat of the pixel that is at the input."""
        beat = Signal(range(max(2, self.cycles)))
        with m.If(advance):
            m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        return beat

    def _parallel(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.latency)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        x = Signal.like(self.i.payload)
        if self.cycles == 1:
            m.d.comb += x.eq(self.i.payload)
            word = constant(m, platform, self.word.size, self.words()[0], "thresholds")
        else:
            with m.If(enables[0]):
                m.d.sync += x.eq(self.i.payload)
            word = self._read(m, enables[0])
        table = self.word(word)
        index = Signal.like(self.o.payload)
        for lane in range(self.lanes):
            entry = table.lanes[lane]
            steps = [
                (x[lane] >= entry.bounds[j]) ^ (entry.flip if self.flips else 0) for j in range(self.pieces)
            ]
            m.d.comb += index[lane].eq(_thermometer_to_binary(m, steps, self.index_bits, f"steps{lane}"))
        with m.If(enables[-1]):
            m.d.sync += self.o.payload.eq(index)
        return m

    def _read(self, m: Module, enable: Signal) -> Signal:
        """The word of the beat now in stage 0: a counter over the beats of a pixel and the memory."""
        m.submodules.table = rom = Rom(self.word.size, self.words(), "thresholds")
        beat = self._beat(m, enable & self.i.valid)
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enable)]
        return rom.data


def _memory_luts(width: int, words: int) -> float:
    """LUTs of a read-only memory: none where block memory takes it (from about 1,000 bits), else a table of
    six inputs a bit."""
    return 0.0 if width * words >= 1024 else width * -(-words // 64)


def _thermometer_to_binary(m: Module, steps: list, bits: int, name: str):
    """Number of ones of a thermometer code (steps[j] implies steps[j-1]): bit k is the parity of every 2^k-th
    step."""
    code = Signal(len(steps), name=name)
    m.d.comb += [code[j].eq(step) for j, step in enumerate(steps)]
    result = Signal(bits, name=f"{name}_count")
    for k in range(bits):
        taps = [code[j] for j in range((1 << k) - 1, len(steps), 1 << k)]
        parity = taps[0]
        for tap in taps[1:]:
            parity ^= tap
        m.d.comb += result[k].eq(parity)
    return result
