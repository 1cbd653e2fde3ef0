"""Weights that do not fit on the chip: a layer's array takes each weight word from a stream instead of from
its memory."""

from typing import Any

from amaranth.hdl import Elaboratable, Fragment, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.platform import Within
from fermatnet.hw.rtl.rom import Rom
from fermatnet.hw.stream.fifo import Fifo

__all__ = ["Streamed", "WithPlatform"]


class WithPlatform(Elaboratable):
    """A component elaborated for a platform of its own; its latency and rate are the component's."""

    def __init__(self, component: wiring.Component, platform: Any):
        self.component, self.platform = component, platform

    def elaborate(self, platform):
        return Fragment.get(self.component, self.platform)


class _Head(Within):
    """Platform of one array: its weight memory becomes a register that loads the word at the head of the
    stream."""

    def __init__(self, outer: Any, head: Signal):
        super().__init__(outer)
        self._head = head

    def memory_block(self, rom: Rom) -> Any:
        if rom.name != "weights":
            return self.outer.memory_block(rom)
        m = Module()
        with m.If(rom.en):
            m.d.sync += rom.data.eq(self._head)
        return m


class Streamed(wiring.Component):
    """An array whose weight words come in on ``w`` in the order of its memory, over and over: one word a beat
    of ``i``.

    Latency and throughput are those of the array while words are there; without one the array waits.

    Members
    -------
    i, o : as the array's
    w : In(stream of ``width`` bits)
    """

    def __init__(self, array: Any):
        self.array, self.width = array, array.weight_width
        self.latency, self.cycles = array.latency, array.cycles
        super().__init__(
            {
                "i": In(stream.Signature(array.i.payload.shape())),
                "w": In(stream.Signature(self.width)),
                "o": Out(stream.Signature(array.o.payload.shape())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        array, head = self.array, Signal(self.width)
        m.submodules.array = WithPlatform(array, _Head(platform, head))
        m.submodules.words = words = Fifo(self.width, 2)
        wiring.connect(m, wiring.flipped(self.w), words.i)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        m.d.comb += [
            head.eq(words.o.payload),
            array.i.payload.eq(self.i.payload),
            array.i.valid.eq(self.i.valid & words.o.valid),
            self.i.ready.eq(array.i.ready & words.o.valid),
            words.o.ready.eq(self.i.valid & array.i.ready),
        ]
        return m
