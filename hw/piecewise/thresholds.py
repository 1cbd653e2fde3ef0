"""Thresholds: integers to piece indices, with a row of end-points for each channel (batch norm folded in)."""

import numpy as np
from amaranth.hdl import Const, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.memory import Rom
from fermatnet.hw.piecewise.pipeline import elastic
from fermatnet.model.errors import InputError

__all__ = ["ThresholdUnit", "pack_words", "shape_range"]


def shape_range(shape: Shape) -> tuple[int, int]:
    """Inclusive range of a shape's values."""
    return (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)


def pack_words(fields: list[list[tuple[int, int]]]) -> list[int]:
    """Words of (value, width) fields, the first field lowest; negative values wrap into their field."""
    words = []
    for row in fields:
        word, at = 0, 0
        for value, width in row:
            word |= (int(value) & ((1 << width) - 1)) << at
            at += width
        words.append(word)
    return words


class ThresholdUnit(wiring.Component):
    """``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])`` for a stream of pixels, ``lanes`` channels a beat.

    One comparator for each lane and threshold; their outputs are a thermometer code, so the index needs only the position of
    its one step. A negative sign is turned into ``not (x >= 1 - t)``: stored thresholds and one flip bit, no negation of x.

    Latency: 2 cycles, 1 when all channels pass in one beat (the thresholds are then constants). Throughput: one beat a cycle,
    C/lanes beats a pixel.

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

    Attributes
    ----------
    latency, cycles : int
        Cycles from an input beat to its output beat; cycles for one pixel.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes))
    o : Out(stream of ArrayLayout(unsigned(ceil(log2(N+1))), lanes))
    """

    def __init__(self, thresholds: ArrayLike, sign: ArrayLike, x_shape: Shape, *, lanes: int):
        self.thresholds, self.sign = np.asarray(thresholds, np.int64), np.asarray(sign, np.int64)
        self.x_shape, self.lanes = Shape.cast(x_shape), lanes
        if self.thresholds.ndim != 2 or not 1 <= self.thresholds.shape[1] <= 255 or self.sign.shape != self.thresholds.shape[:1]:
            raise InputError(f"thresholds must be (C, N) with 1 <= N <= 255 and sign (C,), not {self.thresholds.shape} and {self.sign.shape}")
        if np.any(np.diff(self.thresholds, axis=1) < 0) or np.any(np.abs(self.sign) != 1):
            raise InputError("threshold rows must ascend and signs be +1 or -1")
        self.channels, self.pieces = self.thresholds.shape
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.cycles = self.channels // lanes
        self.latency = 2 if self.cycles > 1 else 1
        self.index_bits = self.pieces.bit_length()
        # x >= bound, with bounds clipped to one past each end of x's range: the answers stay, the field is as narrow as it can be.
        lo, hi = shape_range(self.x_shape)
        flipped = self.sign[:, None] < 0
        self.bounds = np.clip(np.where(flipped, 1 - self.thresholds, self.thresholds), lo, hi + 1)
        self.bound_shape = Shape(self.x_shape.width + int(self.bounds.max() > hi), self.x_shape.signed)
        self.flips = bool(np.any(flipped))
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
            "o": Out(stream.Signature(data.ArrayLayout(self.index_bits, lanes))),
        })

    @property
    def word(self) -> data.StructLayout:
        """What one beat needs: the bounds and flip bit of each lane."""
        lane = data.StructLayout({"bounds": data.ArrayLayout(self.bound_shape, self.pieces), "flip": int(self.flips)})
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

    def elaborate(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.latency)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        x = Signal.like(self.i.payload)
        if self.cycles == 1:
            m.d.comb += x.eq(self.i.payload)
            word = Const(self.words()[0], self.word.size)
        else:
            with m.If(enables[0]):
                m.d.sync += x.eq(self.i.payload)
            word = self._read(m, enables[0])
        table = self.word(word)
        index = Signal.like(self.o.payload)
        for lane in range(self.lanes):
            entry = table.lanes[lane]
            steps = [(x[lane] >= entry.bounds[j]) ^ (entry.flip if self.flips else 0) for j in range(self.pieces)]
            m.d.comb += index[lane].eq(_thermometer_to_binary(m, steps, self.index_bits, f"steps{lane}"))
        with m.If(enables[-1]):
            m.d.sync += self.o.payload.eq(index)
        return m

    def _read(self, m: Module, enable: Signal) -> Signal:
        """The word of the beat now in stage 0: a counter over the beats of a pixel and the memory."""
        m.submodules.table = rom = Rom(self.word.size, self.words(), "thresholds")
        beat = Signal(range(self.cycles))
        with m.If(enable & self.i.valid):
            m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enable)]
        return rom.data


def _thermometer_to_binary(m: Module, steps: list, bits: int, name: str):
    """Number of ones of a thermometer code (steps[j] implies steps[j-1]): bit k is the parity of every 2^k-th step."""
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
