# amaranth: UnusedElaboratable=no
"""Rows and pixels that leave several times: nearest upsampling, and depth to space."""

from amaranth.hdl import Array, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["LEAST_ROWS", "Repeat"]

LEAST_ROWS = 2  # of the ring: one is written while the other one leaves


class Repeat(wiring.Component):
    """Emits each row of a map ``factor[0]`` times, and in it each pixel ``factor[1]`` times.

    With ``pieces`` the repetitions differ: in the i-th repetition of a row and the j-th of a pixel, lane k
    leaves with the value of lane ``k * pieces + i * factor[1] + j`` that came in: depth to space.

    Rows lie in a ring; a beat may leave one cycle after it was written, and a row's place is free again after
    the last beat of its last repetition.

    Latency: 2 cycles from a beat to its first repetition. Throughput: one beat out a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    height, width, chunks : int
        Rows, pixels of a row, beats of a pixel that comes in.
    lanes : int
        Values of a beat that comes in.
    factor : (int, int)
    pieces : int
        1, or ``factor[0] * factor[1]``, which divides ``lanes``.
    rows : int
        Of the ring; 0: `LEAST_ROWS`.

    Members: i : In(stream of ``lanes``), o : Out(stream of ``lanes / pieces``).
    """

    latency = 2

    def __init__(self, shape, height, width, *, chunks, lanes, factor, pieces=1, rows=0):
        self.shape, self.height, self.width, self.chunks = Shape.cast(shape), height, width, chunks
        self.lanes, self.factor, self.pieces, self.rows = lanes, factor, pieces, rows or LEAST_ROWS
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes // pieces))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        line = self.width * self.chunks
        depth = self.rows * line
        layout = data.ArrayLayout(self.shape, self.lanes)
        m.submodules.ring = ring = Memory(shape=layout, depth=depth, init=[], attrs={"ram_style": "auto"})
        write, read = ring.write_port(), ring.read_port()
        released, advance, step = Signal(), Signal(), Signal()
        held, written = self._writer(m, write, released, line, depth)
        position, base, piece = self._reader(m, step, released, line, depth)
        there = Signal()
        m.d.comb += [
            there.eq((held != 0) | (written > position)),
            advance.eq(self.o.ready | ~self.o.valid),
            step.eq(advance & there),
            read.addr.eq(base + position),
            read.en.eq(advance),
        ]
        chosen = Signal.like(piece)
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(there), chosen.eq(piece)]
        for k in range(self.lanes // self.pieces):
            own = [read.data[k * self.pieces + at] for at in range(self.pieces)]
            m.d.comb += self.o.payload[k].eq(own[0] if self.pieces == 1 else Array(own)[chosen])
        return m

    def _writer(self, m, write, released, line, depth):
        """Fills the ring; rows that are whole and not given back, and beats of the row being written."""
        held, written = Signal(range(self.rows + 1)), Signal(range(max(2, line)))
        address, accept, row_end = Signal(range(max(2, depth))), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(held < self.rows),
            accept.eq(self.i.valid & self.i.ready),
            row_end.eq(accept & (written == line - 1)),
            write.addr.eq(address),
            write.data.eq(self.i.payload),
            write.en.eq(accept),
        ]
        with m.If(accept):
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
            m.d.sync += written.eq(Mux(row_end, 0, written + 1))
        m.d.sync += held.eq(held + row_end - released)
        return held, written

    def _reader(self, m, step, released, line, depth):
        """The loops; word of the row that leaves, where the row lies, and number of the repetition."""
        counters, inner = {}, step
        sizes = {"chunk": self.chunks, "again": self.factor[1], "x": self.width, "turn": self.factor[0]}
        end = {}
        for name, size in sizes.items():
            counters[name] = Signal(range(max(2, size)), name=name)
            last = counters[name] == size - 1
            with m.If(inner):
                m.d.sync += counters[name].eq(Mux(last, 0, counters[name] + 1))
            end[name] = Signal(name=f"end_{name}")
            m.d.comb += end[name].eq(inner & last)
            inner = end[name]
        position, first = Signal(range(max(2, line))), Signal(range(max(2, line)))
        base = Signal(range(max(2, depth)))
        with m.If(end["x"]):
            m.d.sync += [position.eq(0), first.eq(0)]
        with m.Elif(end["again"]):
            m.d.sync += [position.eq(position + 1), first.eq(position + 1)]
        with m.Elif(end["chunk"]):
            m.d.sync += position.eq(first)
        with m.Elif(step):
            m.d.sync += position.eq(position + 1)
        with m.If(end["turn"]):
            m.d.sync += base.eq(Mux(base == depth - line, 0, base + line))
        m.d.comb += released.eq(end["turn"])
        piece = Signal(range(max(2, self.factor[0] * self.factor[1])))
        m.d.comb += piece.eq(counters["turn"] * self.factor[1] + counters["again"])
        return position, base, piece
