"""The edge: AXI4-Stream in and out, each lane in a field of whole bytes."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AxiStreamIn", "AxiStreamOut", "field_bits"]


def field_bits(shape):
    """Bits of the byte-aligned field that carries one value."""
    return max(8, -(-Shape.cast(shape).width // 8) * 8)


class AxiStreamIn(wiring.Component):
    """AXI4-Stream to a stream of lanes: takes the low bits of each field; ``tlast`` is accepted and ignored.

    One register of its own, so that ``tready`` never waits for ``tvalid``. Latency: 1 cycle. Throughput: one
    beat per cycle.

    Members: tdata : In, tvalid : In(1), tready : Out(1), tlast : In(1); o : Out(stream of ``lanes``).
    """

    latency = 1

    def __init__(self, shape, *, lanes):
        self.shape, self.lanes = Shape.cast(shape), lanes
        self.field = field_bits(shape)
        super().__init__(
            {
                "tdata": In(self.field * lanes),
                "tvalid": In(1),
                "tready": Out(1),
                "tlast": In(1),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.tready.eq(self.o.ready | ~self.o.valid)
        with m.If(self.tready):
            m.d.sync += self.o.valid.eq(self.tvalid)
            for k in range(self.lanes):
                m.d.sync += self.o.payload[k].eq(
                    self.tdata[k * self.field : k * self.field + self.shape.width]
                )
        return m


class AxiStreamOut(wiring.Component):
    """Stream of lanes to AXI4-Stream: each lane sign- or zero-extended into its field, ``tlast`` on every
    ``beats``-th beat.

    Latency: 0. Throughput: one beat per cycle.

    Members: i : In(stream of ``lanes``); tdata : Out, tvalid : Out(1), tready : In(1), tlast : Out(1).
    """

    latency = 0

    def __init__(self, shape, *, lanes, beats):
        self.shape, self.lanes, self.beats = Shape.cast(shape), lanes, beats
        self.field = field_bits(shape)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "tdata": Out(self.field * lanes),
                "tvalid": Out(1),
                "tready": In(1),
                "tlast": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(max(2, self.beats)))
        m.d.comb += [
            self.tvalid.eq(self.i.valid),
            self.i.ready.eq(self.tready),
            self.tlast.eq(count == self.beats - 1),
        ]
        for k in range(self.lanes):
            value = self.i.payload[k]
            sign = value[-1] if self.shape.signed else Const(0, 1)
            extended = Cat(value, sign.replicate(self.field - self.shape.width))
            m.d.comb += self.tdata[k * self.field : (k + 1) * self.field].eq(extended)
        with m.If(self.i.valid & self.tready):
            m.d.sync += count.eq(Mux(self.tlast, 0, count + 1))
        return m
