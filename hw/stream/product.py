# amaranth: UnusedElaboratable=no
"""Products of two streams: value by value, and by one value a channel for a whole image."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.elastic import elastic

__all__ = ["Multiplier", "Scaler"]


class _Product(wiring.Component):
    """Ports and factors of both."""

    latency = 2

    def __init__(self, first, second, *, lanes, shape, zeros=(0, 0)):
        self.first, self.second, self.shape = Shape.cast(first), Shape.cast(second), Shape.cast(shape)
        self.lanes, self.zeros = lanes, zeros
        super().__init__(
            {
                "i0": In(stream.Signature(data.ArrayLayout(self.first, lanes))),
                "i1": In(stream.Signature(data.ArrayLayout(self.second, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes))),
            }
        )

    def _multiply(self, m, enable, a, b):
        with m.If(enable):
            for k in range(self.lanes):
                m.d.sync += self.o.payload[k].eq((a[k] - self.zeros[0]) * (b[k] - self.zeros[1]))


class Multiplier(_Product):
    """``(a - zeros[0]) (b - zeros[1])`` of two streams beat by beat; each has one register, the product
    another.

    Latency: 2 cycles after the later of the two. Throughput: one beat a cycle.

    Parameters
    ----------
    first, second, shape : ShapeLike
        Of one value on ``i0``, on ``i1``, of the product (its proven range).
    lanes : int
    zeros : (int, int)

    Members: i0, i1 : In(stream), o : Out(stream).
    """

    def elaborate(self, platform):
        m = Module()
        free, joined = Signal(), Signal()
        full, held = [], []
        for port, shape in ((self.i0, self.first), (self.i1, self.second)):
            full.append(Signal())
            held.append(Signal(data.ArrayLayout(shape, self.lanes)))
            m.d.comb += port.ready.eq(~full[-1] | (joined & free))
            with m.If(port.ready):
                m.d.sync += [full[-1].eq(port.valid), held[-1].eq(port.payload)]
        m.d.comb += [joined.eq(full[0] & full[1]), free.eq(self.o.ready | ~self.o.valid)]
        with m.If(free):
            m.d.sync += self.o.valid.eq(joined)
        self._multiply(m, free, *held)
        return m


class Scaler(_Product):
    """The same, where the second stream brings one pixel an image: it comes with the first pixel of the first
    stream, and is kept for the others.

    Latency: 2 cycles. Throughput: one beat a cycle.

    Parameters
    ----------
    first, second, lanes, shape, zeros : as those of `Multiplier`
    pixels, chunks : int
        Of an image; beats of a pixel.

    Members: i0, i1 : In(stream), o : Out(stream).
    """

    def __init__(self, first, second, *, lanes, shape, pixels, chunks, zeros=(0, 0)):
        self.pixels, self.chunks = pixels, chunks
        super().__init__(first, second, lanes=lanes, shape=shape, zeros=zeros)

    def elaborate(self, platform):
        m = Module()
        go, opening = Signal(), Signal()
        valids, enables = elastic(m, go, self.o.ready, 2)
        chunk, pixel = Signal(range(max(2, self.chunks))), Signal(range(max(2, self.pixels)))
        last = chunk == self.chunks - 1
        layout = data.ArrayLayout(self.second, self.lanes)
        m.submodules.kept = kept = Memory(shape=layout, depth=self.chunks, init=[])
        write, read = kept.write_port(), kept.read_port(domain="comb")
        a, b = Signal(data.ArrayLayout(self.first, self.lanes)), Signal(layout)
        m.d.comb += [
            opening.eq(pixel == 0),
            go.eq(self.i0.valid & (~opening | self.i1.valid)),
            self.i0.ready.eq(enables[0] & (~opening | self.i1.valid)),
            self.i1.ready.eq(enables[0] & opening & self.i0.valid),
            read.addr.eq(chunk),
            write.addr.eq(chunk),
            write.data.eq(self.i1.payload),
            write.en.eq(go & enables[0] & opening),
            self.o.valid.eq(valids[-1]),
        ]
        with m.If(go & enables[0]):
            m.d.sync += chunk.eq(Mux(last, 0, chunk + 1))
            with m.If(last):
                m.d.sync += pixel.eq(Mux(pixel == self.pixels - 1, 0, pixel + 1))
        with m.If(enables[0]):
            m.d.sync += a.eq(self.i0.payload)
            with m.If(opening):
                m.d.sync += b.eq(self.i1.payload)
            with m.Else():
                m.d.sync += b.eq(read.data)
        self._multiply(m, enables[1], a, b)
        return m
