"""Channels of a pixel in another order."""

from collections.abc import Iterable

from amaranth.hdl import Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.elastic import elastic

__all__ = ["Select"]


class Select(wiring.Component):
    """``y[k] = x[order[k]]``: wires and a register.

    Latency: 1 cycle. Throughput: one pixel a cycle.

    Parameters
    ----------
    order : iterable of int
        Of 0..channels-1, repeats allowed.
    shape : ShapeLike
        Of one value.
    channels : int
        Of a pixel that comes in.

    Members: i : In(stream of ``channels``), o : Out(stream of ``len(order)``).
    """

    latency = 1

    def __init__(self, order: Iterable[int], shape, channels: int):
        self.order = [int(place) for place in order]
        shape = Shape.cast(shape)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(shape, channels))),
                "o": Out(stream.Signature(data.ArrayLayout(shape, len(self.order)))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, 1)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[0])]
        with m.If(enables[0]):
            for k, place in enumerate(self.order):
                m.d.sync += self.o.payload[k].eq(self.i.payload[place])
        return m
