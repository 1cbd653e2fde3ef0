# amaranth: UnusedElaboratable=no
"""Sums over windows that overlap, leave gaps or are padded."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.link import link
from fermatnet.hw.stream.window import SlidingWindow

__all__ = ["SumReduce", "WindowSum"]


class SumReduce(wiring.Component):
    """Sum of each run of ``beats`` beats, lane by lane.

    Latency: 1 cycle after the last beat of the run. Throughput: one beat in a cycle.

    Parameters
    ----------
    shape, out_shape : ShapeLike
        Of one value, of one sum (its proven range: partial sums may pass it, they wrap and come back).
    beats, lanes : int

    Members: i : In(stream of ``lanes``), o : Out(stream of ``lanes``), one beat a run.
    """

    latency = 1

    def __init__(self, shape, out_shape, *, beats, lanes):
        self.beats, self.lanes, self.out_shape = beats, lanes, Shape.cast(out_shape)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(Shape.cast(shape), lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.out_shape, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(max(2, self.beats)))
        total = Signal.like(self.o.payload)
        last = count == self.beats - 1
        m.d.comb += self.i.ready.eq(~last | self.o.ready | ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
            for k in range(self.lanes):
                more = Signal(self.out_shape, name=f"more{k}")
                m.d.comb += more.eq(self.i.payload[k] + Mux(count == 0, 0, total[k]))
                m.d.sync += total[k].eq(more)
                with m.If(last):
                    m.d.sync += self.o.payload[k].eq(more)
            with m.If(last):
                m.d.sync += self.o.valid.eq(1)
        return m


class WindowSum(wiring.Component):
    """Sum over windows; padding counts as ``pad_value``.

    A `SlidingWindow` whose windows come channel chunk by channel chunk, and a running sum.

    Latency: kernel area + 6 cycles from the beat that completes a window to its first beat out.
    Throughput: windows * kernel area * channels / lanes cycles an image.

    Parameters
    ----------
    shape : ShapeLike
        Of one value that comes in.
    geometry : dict
        Of the `SlidingWindow`: its shape holds the values and the padding; as many groups as beats a pixel.
    out_shape : ShapeLike
        Of one sum.
    rows : int
        Of the window's ring; 0: the least.

    Members: i : In(stream), o : Out(stream).
    """

    def __init__(self, shape, geometry, out_shape, *, rows=0):
        self.window = SlidingWindow(**geometry, rows=rows)
        self.reduce = SumReduce(
            self.window.shape, out_shape, beats=self.window.beats, lanes=self.window.lanes
        )
        self.latency = self.window.latency + self.window.beats
        self.cycles = self.window.cycles
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(Shape.cast(shape), self.window.lanes))),
                "o": Out(self.reduce.signature.members["o"].signature),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.window, m.submodules.reduce = self.window, self.reduce
        link(m, self.i, self.window.i)
        wiring.connect(m, self.window.o, self.reduce.i)
        wiring.connect(m, self.reduce.o, wiring.flipped(self.o))
        return m
