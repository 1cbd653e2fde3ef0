"""A cut in a stream: every signal that leaves comes from a register, in both directions."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterSlice"]


class RegisterSlice(wiring.Component):
    """Two places (a skid buffer), so that payload, valid and ready are all registers.

    Latency: 1 cycle. Throughput: one beat per cycle.

    Parameters
    ----------
    payload : ShapeLike

    Members
    -------
    i : In(stream), o : Out(stream)
    """

    latency = 1

    def __init__(self, payload):
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform):
        m = Module()
        i, o = self.i, self.o
        skid = Signal(i.payload.shape())
        room = Signal(init=1)  # the skid place is free
        m.d.comb += i.ready.eq(room)
        with m.If(room):
            m.d.sync += skid.eq(i.payload)
        with m.If(o.ready | ~o.valid):
            m.d.sync += [o.payload.eq(Mux(room, i.payload, skid)), o.valid.eq(i.valid | ~room), room.eq(1)]
        with m.Elif(room):
            m.d.sync += room.eq(~i.valid)
        return m
