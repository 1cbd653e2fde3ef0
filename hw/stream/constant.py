# amaranth: UnusedElaboratable=no
"""A constant image added to every image of a stream."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.rom import Rom
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.stream.elastic import elastic

__all__ = ["ConstantAdder"]


class ConstantAdder(wiring.Component):
    """``y = x + value``, the constant in a read-only memory, a word a beat.

    Latency: 2 cycles. Throughput: one beat a cycle.

    Parameters
    ----------
    value : (C, H, W) int
    shape, out_shape : ShapeLike
        Of one value that comes in, of one sum (its proven range).
    lanes : int
        Divides C.

    Members: i : In(stream), o : Out(stream).
    """

    latency = 2

    def __init__(self, value: Iterable[Any], shape, out_shape, *, lanes: int):
        self.value, self.lanes = np.asarray(value, np.int64), lanes
        self.part = range_shape(int(self.value.min()), int(self.value.max()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(Shape.cast(shape), lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(Shape.cast(out_shape), lanes))),
            }
        )

    def words(self) -> list[int]:
        """The constant in raster order, a beat a word, lane 0 lowest."""
        width = self.part.width
        beats = self.value.transpose(1, 2, 0).reshape(-1, self.lanes).tolist()
        mask = (1 << width) - 1
        return [sum((part & mask) << (k * width) for k, part in enumerate(beat)) for beat in beats]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, 2)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        words = self.words()
        layout = data.ArrayLayout(self.part, self.lanes)
        m.submodules.table = rom = Rom(layout.size, words, "constant")
        beat, x, part = Signal(range(max(2, len(words)))), Signal.like(self.i.payload), Signal(layout)
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enables[0]), part.eq(rom.data)]
        with m.If(enables[0]):
            m.d.sync += x.eq(self.i.payload)
            with m.If(self.i.valid):
                m.d.sync += beat.eq(Mux(beat == len(words) - 1, 0, beat + 1))
        with m.If(enables[1]):
            for k in range(self.lanes):
                m.d.sync += self.o.payload[k].eq(x[k] + part[k])
        return m
