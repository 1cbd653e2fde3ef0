# amaranth: UnusedElaboratable=no
"""The block of a layer with a window: window, two places, array."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring

from fermatnet.hw.arrays.streamed import Streamed
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.link import link

__all__ = ["WindowedArray", "array_of"]


class WindowedArray(wiring.Component):
    """Window and array one after the other, with two places between them: the array's stalls reach the
    window's reader, with all its counters, from a register. Latency: window's + 1 + array's."""

    def __init__(self, window: wiring.Component, array: wiring.Component):
        self.parts = (window, array)
        self.latency = window.latency + 1 + array.latency
        super().__init__(
            {
                "i": wiring.In(stream.Signature(window.i.payload.shape())),
                "o": wiring.Out(stream.Signature(array.o.payload.shape())),
                **({"w": wiring.In(stream.Signature(array.width))} if isinstance(array, Streamed) else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        window, array = self.parts
        m.submodules.window, m.submodules.array = window, array
        m.submodules.between = between = Fifo(window.o.payload.shape(), 2, deep=False)
        wiring.connect(m, wiring.flipped(self.i), window.i)
        wiring.connect(m, window.o, between.i)
        link(m, between.o, array.i)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        if isinstance(array, Streamed):
            wiring.connect(m, wiring.flipped(self.w), array.w)
        return m


def array_of(component: Any) -> Any:
    """The array of a layer's block, with or without a window before it."""
    return component.parts[1] if isinstance(component, WindowedArray) else component
