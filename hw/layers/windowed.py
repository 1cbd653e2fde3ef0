# amaranth: UnusedElaboratable=no
"""The block of a layer with a window: window, array."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring

from fermatnet.hw.arrays.streamed import Streamed
from fermatnet.hw.stream.link import link

__all__ = ["WindowedArray", "array_of"]


class WindowedArray(wiring.Component):
    """Window and array one after the other; the array's stalls end in the window's queue. Latency: window's +
    array's."""

    def __init__(self, window: wiring.Component, array: wiring.Component):
        self.parts = (window, array)
        self.latency = window.latency + array.latency
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
        wiring.connect(m, wiring.flipped(self.i), window.i)
        link(m, window.o, array.i)
        wiring.connect(m, array.o, wiring.flipped(self.o))
        if isinstance(array, Streamed):
            wiring.connect(m, wiring.flipped(self.w), array.w)
        return m


def array_of(component: Any) -> Any:
    """The array of a layer's block, with or without a window before it."""
    return component.parts[1] if isinstance(component, WindowedArray) else component
