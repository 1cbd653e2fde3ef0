"""Depthwise multiply-accumulate: each channel has its own window and its own kernel, ``lanes`` channels side
by side."""

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.rom import Rom
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["DepthwiseArray"]


class DepthwiseArray(wiring.Component):
    """``y[c] = sum_t w[c, t] x[c, t]`` over the T taps of a window, ``lanes`` channels a beat.

    For each output pixel and each chunk of ``lanes`` channels, the input brings the T taps in order (ky, kx):
    a :class:`SlidingWindow` with ``groups = channels / lanes``. With ``levels`` the input is a piece index
    and x its level.

    Latency: T + 2 cycles from the first tap of a chunk to its result. Throughput: one beat a cycle,
    ``cycles`` = C / lanes * T for one pixel.

    Parameters
    ----------
    weight : (C, T) int
    x_shape : Shape
        Of an incoming value; of an index where ``levels`` is given.
    lanes : int
        Divides C.
    levels : (N+1,) int or None
    contents : (C, T) int or None
        What the memory holds, where ``weight`` are the extremes that size it.

    Members
    -------
    i : In(stream of ``lanes`` values), o : Out(stream of ``lanes`` sums of ``acc_shape``)
    """

    def __init__(
        self,
        weight: ArrayLike,
        x_shape: Shape,
        *,
        lanes: int,
        levels: ArrayLike | None = None,
        contents: np.ndarray | None = None,
    ):
        self.weight, self.x_shape, self.lanes = np.asarray(weight, np.int64), Shape.cast(x_shape), lanes
        if self.weight.ndim != 2 or not self.weight.size:
            raise InputError(f"weight must be (C, T) and not empty, not {self.weight.shape}")
        self.channels, self.taps = self.weight.shape
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.levels = None if levels is None else np.asarray(levels, np.int64)
        lo, hi = (
            shape_range(self.x_shape)
            if self.levels is None
            else (int(self.levels.min()), int(self.levels.max()))
        )
        self.value_shape = self.x_shape if self.levels is None else range_shape(min(0, lo), max(0, hi))
        self.weight_shape = range_shape(min(0, int(self.weight.min())), max(0, int(self.weight.max())))
        ends = np.stack([self.weight * lo, self.weight * hi])
        low, high = (
            np.minimum(ends.min(axis=0), 0).sum(axis=1).min(),
            np.maximum(ends.max(axis=0), 0).sum(axis=1).max(),
        )
        self.acc_shape = range_shape(int(low), int(high))
        self.product_shape = range_shape(min(0, int(ends.min())), max(0, int(ends.max())))
        self.latency, self.cycles = self.taps + 2, self.channels // lanes * self.taps
        self.weight_width = lanes * self.weight_shape.width  # bits of a word of the weight memory, one a beat
        if contents is not None:
            self.weight = np.asarray(contents, np.int64)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.acc_shape, lanes))),
            }
        )

    def words(self) -> list[int]:
        """Weight memory: chunk after chunk of channels, tap after tap."""
        chunks = self.weight.reshape(-1, self.lanes, self.taps).transpose(0, 2, 1).reshape(-1, self.lanes)
        return pack_words([[(w, self.weight_shape.width) for w in row] for row in chunks])

    def elaborate(self, platform) -> Module:
        m = Module()
        take = Signal()
        valids, enables = elastic(m, self.i.valid, take, 2)
        address, tap = Signal(range(max(2, self.cycles))), Signal(range(max(2, self.taps)))
        first, last = tap == 0, tap == self.taps - 1
        with m.If(enables[0] & self.i.valid):
            m.d.sync += [
                address.eq(Mux(address == self.cycles - 1, 0, address + 1)),
                tap.eq(Mux(last, 0, tap + 1)),
            ]
        m.submodules.weights = rom = Rom(self.lanes * self.weight_shape.width, self.words(), "weights")
        m.d.comb += [self.i.ready.eq(enables[0]), rom.addr.eq(address), rom.en.eq(enables[0])]
        x = Signal(data.ArrayLayout(self.value_shape, self.lanes))
        flags = [Signal(2, name=f"flags{k}") for k in range(2)]  # first, last
        with m.If(enables[0]):
            m.d.sync += flags[0].eq(first | (last << 1))
            m.d.sync += [x[k].eq(self._value(self.i.payload[k])) for k in range(self.lanes)]
        with m.If(enables[1]):
            m.d.sync += flags[1].eq(flags[0])
        move = Signal()
        m.d.comb += [take.eq(~flags[1][1] | ~self.o.valid | self.o.ready), move.eq(valids[1] & take)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(move & flags[1][1]):
            m.d.sync += self.o.valid.eq(1)
        weights = data.ArrayLayout(self.weight_shape, self.lanes)(rom.data)
        for k in range(self.lanes):
            product = Signal(self.product_shape, name=f"product{k}")
            acc, total = Signal(self.acc_shape, name=f"acc{k}"), Signal(self.acc_shape, name=f"total{k}")
            with m.If(enables[1]):
                m.d.sync += product.eq(weights[k] * x[k])
            m.d.comb += total.eq(product + Mux(flags[1][0], 0, acc))
            with m.If(move):
                m.d.sync += acc.eq(total)
                with m.If(flags[1][1]):
                    m.d.sync += self.o.payload[k].eq(total)
        return m

    def _value(self, x):
        if self.levels is None:
            return x
        return Array(Const(int(level), self.value_shape) for level in self.levels)[x]
