"""Bytes from the line to the bytes of frames: escapes undone, ends found."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.boards.link.protocol import ESCAPE, FLAG, XOR

__all__ = ["Unframe"]


class Unframe(wiring.Component):
    """Undoes the escapes of `fermatnet.boards.link.protocol`.

    Latency: 0 cycles. Throughput: one byte a cycle.

    Members
    -------
    line : In(8), arrived : In(1), broken : In(1)
        A byte from the line, or the news of one that was none.
    data : Out(8), strobe : Out(1)
        A byte of a frame.
    end : Out(1)
        For one cycle: a frame ends here (and the next begins).
    spoiled : Out(1)
        Together with ``end``: something on the way was no byte of a frame.
    """

    def __init__(self):
        super().__init__(
            {
                "line": In(8),
                "arrived": In(1),
                "broken": In(1),
                "data": Out(8),
                "strobe": Out(1),
                "end": Out(1),
                "spoiled": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        escaped, spoilt = Signal(), Signal()
        flag, escape = self.line == FLAG, self.line == ESCAPE
        m.d.comb += [
            self.data.eq(self.line ^ Mux(escaped, XOR, 0)),
            self.strobe.eq(self.arrived & ~flag & ~escape),
            self.end.eq(self.arrived & flag),
            self.spoiled.eq(spoilt | escaped),
        ]
        with m.If(self.arrived):
            m.d.sync += escaped.eq(escape)
            with m.If(flag):
                m.d.sync += spoilt.eq(0)
            with m.Elif(escaped & escape):
                m.d.sync += spoilt.eq(1)
        with m.Elif(self.broken):
            m.d.sync += [spoilt.eq(1), escaped.eq(0)]
        return m
