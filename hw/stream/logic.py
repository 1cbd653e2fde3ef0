"""A boolean function of two streams of bits: what a residual join is where shortcuts have one bit."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["LogicJoin"]


class LogicJoin(wiring.Component):
    """Lane by lane ``o = (table >> (2 i0 + i1)) & 1``, of two streams that are taken in the same cycle: one
    lookup table and one register a lane, no buffer.

    Latency: 1 cycle after the later of the two. Throughput: one beat a cycle.

    Parameters
    ----------
    table : int
        Truth table of four bits, 0 to 15.
    lanes : int

    Members
    -------
    i0, i1 : In(stream), o : Out(stream); a payload is one bit a lane.
    """

    latency = 1

    def __init__(self, table, *, lanes):
        if not 0 <= table <= 15:
            raise InputError(f"logic join: table must be four bits, 0 to 15, not {table!r}")
        self.table, self.lanes = table, lanes
        beat = stream.Signature(data.ArrayLayout(1, lanes))
        super().__init__({"i0": In(beat), "i1": In(beat), "o": Out(beat)})

    def elaborate(self, platform):
        m = Module()
        free = Signal()
        m.d.comb += [
            free.eq(self.o.ready | ~self.o.valid),
            # each side's ready waits for the other's valid: both leave in one cycle
            self.i0.ready.eq(free & self.i1.valid),
            self.i1.ready.eq(free & self.i0.valid),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(self.i0.valid & self.i1.valid)
            for lane in range(self.lanes):
                pair = Cat(self.i1.payload[lane], self.i0.payload[lane])
                m.d.sync += self.o.payload[lane].eq(Const(self.table, 4).bit_select(pair, 1))
        return m
