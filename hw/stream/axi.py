"""The edge: AXI4-Stream in and out, lanes in fields of whole bytes, what leaves from registers."""

from amaranth.hdl import Cat, Const, Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.words import whole_bytes
from fermatnet.hw.stream.register_slice import RegisterSlice

__all__ = ["AxiStreamIn", "AxiStreamOut", "field_bits"]


def field_bits(shape):
    """Bits of the byte-aligned field that carries one value."""
    return max(8, whole_bytes(Shape.cast(shape).width))


class AxiStreamIn(wiring.Component):
    """AXI4-Stream to a stream of lanes: takes the low bits of each field; bits above the lanes are ignored.

    Latency: 1 cycle (`RegisterSlice`; ``tready`` is a register). Throughput: one beat per cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes : int
    tdata_bits : int or None
        Bits of ``tdata``; None: as many as the lanes' fields take.
    tkeep : bool
        Whether there is a port ``tkeep``.

    Members
    -------
    tdata : In, tvalid : In(1), tready : Out(1), tlast : In(1), tkeep : In(tdata_bits / 8)
    o : Out(stream of ``lanes``)
    last : Out(1)
        ``tlast`` of the beat at ``o``.
    whole : Out(1)
        ``tkeep`` was set for every byte of the lanes.
    """

    latency = 1

    def __init__(self, shape, *, lanes, tdata_bits=None, tkeep=False):
        self.shape, self.lanes, self.tkeep_used = Shape.cast(shape), lanes, tkeep
        self.field = field_bits(shape)
        self.tdata_bits = tdata_bits or self.field * lanes
        super().__init__(
            {
                "tdata": In(self.tdata_bits),
                "tvalid": In(1),
                "tready": Out(1),
                "tlast": In(1),
                **({"tkeep": In(self.tdata_bits // 8)} if tkeep else {}),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "last": Out(1),
                "whole": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = data.StructLayout({"lanes": data.ArrayLayout(self.shape, self.lanes), "last": 1, "whole": 1})
        m.submodules.cut = cut = RegisterSlice(layout)
        kept = self.tkeep[: self.field // 8 * self.lanes].all() if self.tkeep_used else 1
        m.d.comb += [
            cut.i.valid.eq(self.tvalid),
            self.tready.eq(cut.i.ready),
            cut.i.payload.last.eq(self.tlast),
            cut.i.payload.whole.eq(kept),
            self.o.valid.eq(cut.o.valid),
            cut.o.ready.eq(self.o.ready),
            self.o.payload.eq(cut.o.payload.lanes),
            self.last.eq(cut.o.payload.last),
            self.whole.eq(cut.o.payload.whole),
        ]
        for k in range(self.lanes):
            field = self.tdata[k * self.field : k * self.field + self.shape.width]
            m.d.comb += cut.i.payload.lanes[k].eq(field)
        return m


class AxiStreamOut(wiring.Component):
    """Stream of lanes to AXI4-Stream: each lane sign- or zero-extended into its field, zeros above the lanes.

    Latency: 1 cycle (`RegisterSlice`; nothing inside sees ``tready`` in the same cycle). Throughput: one
    beat per cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes : int
    tdata_bits : int or None
        Bits of ``tdata``; None: as many as the lanes' fields take.

    Members
    -------
    i : In(stream of ``lanes``), last : In(1), user : In(1)
        A beat with its ``tlast`` and ``tuser``.
    tdata : Out, tvalid : Out(1), tready : In(1), tlast : Out(1), tuser : Out(1)
    """

    latency = 1

    def __init__(self, shape, *, lanes, tdata_bits=None):
        self.shape, self.lanes = Shape.cast(shape), lanes
        self.field = field_bits(shape)
        self.tdata_bits = tdata_bits or self.field * lanes
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "last": In(1),
                "user": In(1),
                "tdata": Out(self.tdata_bits),
                "tvalid": Out(1),
                "tready": In(1),
                "tlast": Out(1),
                "tuser": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = data.StructLayout({"lanes": data.ArrayLayout(self.shape, self.lanes), "last": 1, "user": 1})
        m.submodules.cut = cut = RegisterSlice(layout)
        m.d.comb += [
            cut.i.valid.eq(self.i.valid),
            self.i.ready.eq(cut.i.ready),
            cut.i.payload.lanes.eq(self.i.payload),
            cut.i.payload.last.eq(self.last),
            cut.i.payload.user.eq(self.user),
            self.tvalid.eq(cut.o.valid),
            cut.o.ready.eq(self.tready),
            self.tlast.eq(cut.o.payload.last),
            self.tuser.eq(cut.o.payload.user),
        ]
        for k in range(self.lanes):
            value = cut.o.payload.lanes[k]
            sign = value[-1] if self.shape.signed else Const(0, 1)
            extended = Cat(value, sign.replicate(self.field - self.shape.width))
            m.d.comb += self.tdata[k * self.field : (k + 1) * self.field].eq(extended)
        return m
