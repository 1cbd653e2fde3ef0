"""Several streams to one: the residual add, and channel concatenation."""

from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Adder", "Concat", "sum_shape"]


def sum_shape(first, second):
    """Shape that holds every sum of two values of these shapes."""
    first, second = Shape.cast(first), Shape.cast(second)
    lo = sum(-(1 << (s.width - 1)) if s.signed else 0 for s in (first, second))
    hi = sum((1 << (s.width - s.signed)) - 1 for s in (first, second))
    if lo < 0:
        return signed(max((-lo - 1).bit_length(), hi.bit_length()) + 1)
    return unsigned(hi.bit_length())


class Adder(wiring.Component):
    """Residual add: waits for a beat on both streams, emits the lane-wise sum. Each stream has one register.

    Latency: 1 cycle after the later of the two. Throughput: one beat per cycle.

    Parameters
    ----------
    first, second : Shape
        Of one lane on ``i0`` and ``i1``.
    lanes : int
    shape : Shape or None
        Of one lane of the sum; None: wide enough for any sum. A narrower one is for a proven range.

    Members
    -------
    i0, i1 : In(stream), o : Out(stream)
    """

    latency = 1

    def __init__(self, first, second, *, lanes, shape=None):
        self.first, self.second, self.lanes = Shape.cast(first), Shape.cast(second), lanes
        self.shape = sum_shape(first, second) if shape is None else Shape.cast(shape)
        super().__init__(
            {
                "i0": In(stream.Signature(data.ArrayLayout(self.first, lanes))),
                "i1": In(stream.Signature(data.ArrayLayout(self.second, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        full, held = [], []
        for port, shape in ((self.i0, self.first), (self.i1, self.second)):
            full.append(Signal())
            held.append(Signal(data.ArrayLayout(shape, self.lanes)))
            m.d.comb += port.ready.eq(~full[-1] | (self.o.valid & self.o.ready))
            with m.If(port.ready):
                m.d.sync += [full[-1].eq(port.valid), held[-1].eq(port.payload)]
        m.d.comb += self.o.valid.eq(full[0] & full[1])
        for lane in range(self.lanes):
            m.d.comb += self.o.payload[lane].eq(held[0][lane] + held[1][lane])
        return m


class Concat(wiring.Component):
    """For each pixel the channels of the first stream, then those of the next, and so on; values are widened
    to ``shape``.

    Latency: 1 cycle. Throughput: one beat per cycle.

    Parameters
    ----------
    shapes : list of Shape
        Of one lane of each stream.
    channels : list of int
        Values of each stream before it is the next one's turn (of a pixel; of a row or an image, to join rows
        or images); ``lanes`` divides them all.
    lanes : int
    shape : Shape
        Of one lane of the output.

    Members
    -------
    i0 ... i<n-1> : In(stream), o : Out(stream)
    """

    latency = 1

    def __init__(self, shapes, channels, *, lanes, shape):
        self.shapes, self.channels, self.lanes, self.shape = (
            [Shape.cast(s) for s in shapes],
            list(channels),
            lanes,
            Shape.cast(shape),
        )
        if any(c % lanes for c in channels):
            raise InputError(f"concat: {lanes} lanes do not divide all of {self.channels} channels")
        super().__init__(
            {
                **{
                    f"i{k}": In(stream.Signature(data.ArrayLayout(s, lanes)))
                    for k, s in enumerate(self.shapes)
                },
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        free = Signal()
        m.d.comb += free.eq(self.o.ready | ~self.o.valid)
        beat = Signal(range(max(2, max(self.channels) // self.lanes)))
        turn = Signal(range(max(2, len(self.channels))))
        with m.If(free):
            m.d.sync += self.o.valid.eq(0)
        with m.Switch(turn):
            for k, channels in enumerate(self.channels):
                port = getattr(self, f"i{k}")
                with m.Case(k):
                    m.d.comb += port.ready.eq(free)
                    with m.If(free & port.valid):
                        m.d.sync += self.o.valid.eq(1)
                        for lane in range(self.lanes):
                            m.d.sync += self.o.payload[lane].eq(port.payload[lane])
                        with m.If(beat == channels // self.lanes - 1):
                            m.d.sync += [beat.eq(0), turn.eq((k + 1) % len(self.channels))]
                        with m.Else():
                            m.d.sync += beat.eq(beat + 1)
        return m
