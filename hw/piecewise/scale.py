"""Fixed-point scale and level tables: what joins piecewise layers to residual sums."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.hard_product import hard_product
from fermatnet.hw.rtl.memory_size import is_block
from fermatnet.hw.rtl.registered_rom import RegisteredRom
from fermatnet.hw.rtl.rom import Rom, constant
from fermatnet.hw.rtl.wide_product import partial_factors, sum_at
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.hw.stream.pipeline import pipeline, queue_latency
from fermatnet.model.errors import InputError

__all__ = ["AffineUnit", "LevelsUnit"]


class _Cuts(NamedTuple):
    """Registers: behind the memory of factors, and behind each of the sums."""

    word: bool
    sums: tuple[bool, ...]


class AffineUnit(wiring.Component):
    """``y[c] = clip((x[c] * multiplier[c] + offset[c]) >> shift, lo, hi)`` for a stream of pixels, ``lanes``
    channels a beat.

    The shift is arithmetic (floor). Multipliers and offsets are stored no wider than their largest value.

    Latency: 3 cycles, 2 when all channels pass in one beat (the factors are then constants), and one for each
    register that the clock asks for (``cuts``): behind the memory, and behind sums of the parts of a wide
    product and of the offset; one more at a short clock, where it runs free behind credits
    (`fermatnet.hw.stream.pipeline`). Throughput: one beat a cycle, C/lanes beats a pixel.

    Parameters
    ----------
    multiplier, offset : (C,) int
        |multiplier| < 2^31.
    shift : int
        Not negative.
    lo, hi : int
        Inclusive bounds of the result.
    x_shape : Shape
        Shape of an incoming integer.
    lanes : int
        Channels a beat; divides C.
    contents : (multiplier, offset) or None
        What the memory holds, where ``multiplier`` and ``offset`` are the extremes that size it.
    clock : Clock or None
        By which the sums are cut, and for whose target's multipliers the product; None: no more registers
        than said.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes))
    o : Out(stream of ArrayLayout(shape of lo..hi, lanes))
    """

    def __init__(
        self,
        multiplier: ArrayLike,
        offset: ArrayLike,
        shift: int,
        lo: int,
        hi: int,
        x_shape: Shape,
        *,
        lanes: int,
        contents: tuple[np.ndarray, np.ndarray] | None = None,
        clock: Clock | None = None,
    ):
        self.multiplier, self.offset = np.asarray(multiplier, np.int64), np.asarray(offset, np.int64)
        self.shift, self.lo, self.hi, self.x_shape, self.lanes = (
            int(shift),
            int(lo),
            int(hi),
            Shape.cast(x_shape),
            lanes,
        )
        if (
            self.multiplier.ndim != 1
            or not self.multiplier.size
            or self.offset.shape != self.multiplier.shape
        ):
            raise InputError(
                f"multiplier and offset must be (C,), not {self.multiplier.shape} and {self.offset.shape}"
            )
        if np.abs(self.multiplier).max() >= 1 << 31 or not 0 <= self.shift <= 62:
            raise InputError("|multiplier| must be below 2^31 and shift within 0..62")
        self.channels = self.multiplier.size
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.cycles = self.channels // lanes
        self.multiplier_shape = range_shape(min(int(self.multiplier.min()), 0), int(self.multiplier.max()))
        self.offset_shape = range_shape(min(int(self.offset.min()), 0), max(int(self.offset.max()), 0))
        ends = [int(m) * end for m in self.multiplier for end in shape_range(self.x_shape)]
        low, high = min([0, *ends]), max([0, *ends])
        reach = shape_range(self.offset_shape)
        self.total_shape = range_shape(low + reach[0], high + reach[1])
        self.clock, self.target = clock, clock.target if clock else "generic"
        self.cuts = self._cuts(clock)
        self.depth = 2 + (self.cycles > 1) + self.cuts.word + sum(self.cuts.sums)
        self.latency = self.depth + queue_latency(self.depth, clock)
        self.o_shape = range_shape(self.lo, self.hi)
        if contents is not None:
            self.multiplier, self.offset = (np.asarray(values, np.int64) for values in contents)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.o_shape, lanes))),
            }
        )

    def _cuts(self, clock: Clock | None) -> _Cuts:
        """Where the clock asks for a register: behind the memory where its read and the product are too much
        for a cycle, behind a sum where the next one or the clip is."""
        sums = len(partial_factors(Signal(self.x_shape), Signal(self.multiplier_shape), self.target))
        if clock is None:
            return _Cuts(False, (False,) * sums)
        read = clock.delays.memory if is_block(self.word.size, self.cycles) else 0.0
        product = read + clock.multiplier(self.x_shape.width, self.multiplier_shape.width)
        clip = clock.chain(self.total_shape.width - self.shift) + clock.table()
        steps: list[float] = [clock.chain(self.total_shape.width)] * sums + [clip]
        cuts: list[bool] = []
        ns = 0.0
        for step, following in pairwise(steps):
            ns += step
            cuts.append(ns + following > clock.budget)
            ns = 0.0 if cuts[-1] else ns
        return _Cuts(self.cycles > 1 and product > clock.budget, tuple(cuts))

    @property
    def word(self) -> data.ArrayLayout:
        """What one beat needs."""
        return data.ArrayLayout(
            data.StructLayout({"multiplier": self.multiplier_shape, "offset": self.offset_shape}), self.lanes
        )

    def words(self) -> list[int]:
        """Memory contents, one word a beat of a pixel."""
        rows = []
        for start in range(0, self.channels, self.lanes):
            row = []
            for channel in range(start, start + self.lanes):
                row += [
                    (self.multiplier[channel], self.multiplier_shape.width),
                    (self.offset[channel], self.offset_shape.width),
                ]
            rows.append(row)
        return pack_words(rows)

    def elaborate(self, platform) -> Module:
        m = Module()
        pipe = pipeline(m, self.i, self.o, self.depth, clock=self.clock)
        x, factors, stage = self._fetch(m, platform, pipe)
        for lane in range(self.lanes):
            result = self._lane(m, platform, lane, x[lane], factors[lane], pipe.enables[stage:])
            with m.If(pipe.enables[-1]):
                m.d.sync += pipe.result[lane].eq(result)
        return m

    def _fetch(self, m, platform, pipe):
        """The beat and its factors, and the number of stages that took."""
        x, factors = Signal.like(self.i.payload), Signal(self.word)
        if self.cycles == 1:
            word = constant(m, platform, self.word.size, self.words()[0], "affine")
            m.d.comb += [x.eq(self.i.payload), factors.eq(word)]
            return x, factors, 0
        m.submodules.table = rom = self._memory()
        beat = Signal(range(self.cycles))
        enables = pipe.enables
        with m.If(enables[0]):
            m.d.sync += x.eq(self.i.payload)
        with m.If(pipe.accept):
            m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enables[0]), factors.eq(rom.data)]
        if not self.cuts.word:
            return x, factors, 1
        m.d.comb += rom.load.eq(enables[1])
        later = Signal.like(x, name="later")
        with m.If(enables[1]):
            m.d.sync += later.eq(x)
        return later, factors, 2

    def _memory(self) -> Rom | RegisteredRom:
        """The factors, behind a register where the clock asks for one."""
        if not self.cuts.word:
            return Rom(self.word.size, self.words(), "affine")
        return RegisteredRom(self.word.size, self.words(), "affine", target=self.target, enabled=True)

    def _lane(self, m, platform, lane, x, factors, enables):
        """Products, their sum with the offset, the clip of it: by the clock a register behind each sum."""
        stage = iter(enables)
        parts = partial_factors(x, factors.multiplier, self.target)
        terms = [Signal((a * b).shape(), name=f"product{lane}_{k}") for k, (a, b, _) in enumerate(parts)]
        offset = Signal(self.offset_shape, name=f"offset{lane}")
        multiply = next(stage)
        target = self.target if self.cycles > 1 else "generic"  # by a constant: yosys knows better
        for term, (a, b, _) in zip(terms, parts, strict=True):
            hard_product(m, platform, a, b, term, target=target, enable=multiply)
        with m.If(multiply):
            m.d.sync += offset.eq(factors.offset)
        places = [place for _, _, place in parts[1:]] + [0]
        total, rest = terms[0], [*terms[1:], offset]
        for n, cut in enumerate(self.cuts.sums):
            total, rest = sum_at(total, rest[0], places[n]), rest[1:]
            if cut:
                total, rest = self._held(m, next(stage), f"{lane}_{n}", total, rest)
        moved = total >> self.shift
        return Mux(moved < self.lo, self.lo, Mux(moved > self.hi, self.hi, moved))

    def _held(self, m, enable, name, total, rest):
        """A sum so far, and what is to be added to it, in registers."""
        shape = self.total_shape if not rest else total.shape()
        held = [Signal(shape, name=f"sum{name}")]
        held += [Signal(value.shape(), name=f"rest{name}_{k}") for k, value in enumerate(rest)]
        with m.If(enable):
            m.d.sync += [register.eq(value) for register, value in zip(held, [total, *rest], strict=True)]
        return held[0], held[1:]


class LevelsUnit(wiring.Component):
    """``y = levels[index]`` for a stream, ``lanes`` indices a beat.

    Latency: 1 cycle. Throughput: one beat a cycle (``cycles`` = 1).

    Parameters
    ----------
    levels : (N+1,) int
        The table; an index past its end reads an undefined level.
    index_bits : int
        Width of an index, enough for N.
    lanes : int
        Indices a beat.

    Members
    -------
    i : In(stream of ArrayLayout(unsigned(index_bits), lanes))
    o : Out(stream of ArrayLayout(shape of the smallest..largest level, lanes))
    """

    latency = 1
    cycles = 1

    def __init__(self, levels: ArrayLike, index_bits: int, *, lanes: int):
        self.levels, self.index_bits, self.lanes = np.asarray(levels, np.int64), index_bits, lanes
        if self.levels.ndim != 1 or not self.levels.size or self.levels.size > 1 << index_bits:
            raise InputError(
                f"levels must be one row of 1..{1 << index_bits} integers, not {self.levels.shape}"
            )
        if lanes < 1:
            raise InputError(f"lanes must be at least 1, not {lanes}")
        self.o_shape = range_shape(int(self.levels.min()), int(self.levels.max()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(index_bits, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.o_shape, lanes))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, 1)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[0])]
        width = signed(self.o_shape.width) if self.o_shape.signed else self.o_shape
        table = Array(Const(int(level), width) for level in self.levels)
        with m.If(enables[0]):
            m.d.sync += [self.o.payload[lane].eq(table[self.i.payload[lane]]) for lane in range(self.lanes)]
        return m
