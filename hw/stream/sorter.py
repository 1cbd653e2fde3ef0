"""The largest values of a stream, in order."""

from amaranth.hdl import Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["TopK"]


class TopK(wiring.Component):
    """Places of the ``k`` largest of ``count`` values, the largest first, of equal ones the earlier place: an
    insertion sorter, a value a cycle.

    Latency: 1 cycle from the last value. Throughput: one value a cycle, ``cycles`` = count.

    Members: i : In(stream of one value), o : Out(stream of k unsigned places).
    """

    latency = 1

    def __init__(self, shape, count, k):
        self.shape, self.count, self.k, self.cycles = Shape.cast(shape), count, k, count
        self.out_shape = unsigned(max(1, (count - 1).bit_length()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, 1))),
                "o": Out(stream.Signature(data.ArrayLayout(self.out_shape, k))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place = Signal(self.out_shape)
        last = place == self.count - 1
        values = [Signal(self.shape, name=f"value{at}") for at in range(self.k)]
        places = [Signal(self.out_shape, name=f"place{at}") for at in range(self.k)]
        value = self.i.payload[0]
        above = [(place > at) & (values[at] >= value) for at in range(self.k)]  # stays where it is
        sorted_places = [Signal(self.out_shape, name=f"sorted{at}") for at in range(self.k)]
        for at in range(self.k):
            moved = Mux(above[at - 1], place, places[at - 1]) if at else place
            m.d.comb += sorted_places[at].eq(Mux(above[at], places[at], moved))
        m.d.comb += self.i.ready.eq(~last | self.o.ready | ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += place.eq(Mux(last, 0, place + 1))
            for at in range(self.k):
                moved = Mux(above[at - 1], value, values[at - 1]) if at else value
                m.d.sync += [
                    values[at].eq(Mux(above[at], values[at], moved)),
                    places[at].eq(sorted_places[at]),
                ]
            with m.If(last):
                m.d.sync += [self.o.valid.eq(1)]
                m.d.sync += [self.o.payload[at].eq(sorted_places[at]) for at in range(self.k)]
        return m
