# amaranth: UnusedElaboratable=no
"""The block of a layer with a window: window, array."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring

from fermatnet.hw.arrays.streamed import Streamed
from fermatnet.hw.stream.credits import Credits
from fermatnet.hw.stream.link import link

__all__ = ["WindowedArray", "array_of"]


class WindowedArray(wiring.Component):
    """Window and array one after the other. A free window and its array are one pipeline without a stop: the
    window's reader reserves the places of the array's queue. From other windows, which have queues of their
    own, an array takes its beats when it likes: when its streamed weights are there. Latency: window's +
    array's."""

    def __init__(self, window: Any, array: wiring.Component):
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
        wiring.connect(m, array.o, wiring.flipped(self.o))
        if "o" in window.signature.members:
            link(m, window.o, array.i)
        else:
            m.submodules.credits = credits = Credits(array.places)
            m.d.comb += [array.i.payload[k].eq(window.beat[k]) for k in range(window.lanes)]
            m.d.comb += [
                array.i.valid.eq(window.valid),
                window.room.eq(credits.room),
                credits.reserve.eq(window.reserve),
                credits.leave.eq(self.o.valid & self.o.ready),
            ]
        if isinstance(array, Streamed):
            wiring.connect(m, wiring.flipped(self.w), array.w)
        return m


def array_of(component: Any) -> Any:
    """The array of a layer's block, with or without a window before it."""
    return component.parts[1] if isinstance(component, WindowedArray) else component
