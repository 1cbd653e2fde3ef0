"""The queue behind a pipeline that never stops."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.copies import copies, spread
from fermatnet.hw.stream.credits import places_needed
from fermatnet.model.errors import InputError

__all__ = ["CHAIN", "ResultQueue", "places_behind"]

CHAIN = 4  # places up to which registers in a row take less than a memory with its counters


class ResultQueue(wiring.Component):
    """Results of ``lanes`` values in, each when it comes, out as a stream. Who puts them in has reserved a
    place for each (`fermatnet.hw.stream.credits.Credits`): the queue never says no.

    Few places are registers in a row, with an enable for each few dozen of them, so that the taker's ready
    drives a table for each; many are a memory that is read without a clock.

    Latency: `latency_of` (places): as many cycles as there are registers, 1 through the memory. Throughput:
    one result a cycle.

    Parameters
    ----------
    layout : ArrayLayout
        Of a result.
    places : int
    rests : bool
        Of few places: the last one is filled in the cycle after it was emptied, so that the taker's ready
        enables none of its registers. A result is then offered in every other cycle at most.

    Attributes
    ----------
    groups : list of int
        By lane, the bit of ``put`` that loads it.
    here, held, own : lists
        Which places are taken, by what, the newest first, and the copies of ``here`` that drive enables (few
        places); ``level``, ``some`` (whether it is not 0), ``write`` and ``read`` of the memory (many).

    Members
    -------
    put : In(copies), result : In(layout)
        A result comes in this cycle; ``put`` says so in each of its bits, one for each few dozen registers.
    o : Out(stream of layout)
    """

    def __init__(self, layout: data.ArrayLayout, places: int, *, rests: bool = False):
        if places < 1:
            raise InputError(f"result queue: there must be at least one place, not {places}")
        self.layout, self.places, self.latency = layout, places, self.latency_of(places)
        self.rests = rests and 1 < places <= CHAIN
        self.groups = spread([Shape.cast(layout.elem_shape).width] * layout.length)
        self.copies = self.groups[-1] + 1
        super().__init__({"put": In(self.copies), "result": In(layout), "o": Out(stream.Signature(layout))})
        if places <= CHAIN:
            self.own = [
                [Signal(name=f"own{k}_{copy}") for copy in range(self.copies)] for k in range(1, places)
            ]
            self.here = [Signal(name=f"here{k}") for k in range(places)]
            self.held = [Signal(layout, name=f"place{k}", reset_less=True) for k in range(places - 1)]
            self.held.append(self.o.payload)
        else:
            self.level = Signal(range(places + 1))
            self.some = Signal()  # what it offers goes far in its cycle
            self.write, self.read = Signal(range(places)), Signal(range(places))

    @staticmethod
    def latency_of(places: int) -> int:
        """Cycles from the one in which a result is put to the first one in which it is offered."""
        return places if places <= CHAIN else 1

    def elaborate(self, platform):
        m = Module()
        if self.places <= CHAIN:
            self._chain(m, platform)
        else:
            self._memory(m)
        return m

    def _chain(self, m, platform):
        depth = self.places
        here = self.here
        free = [Signal(name=f"free{k}") for k in range(depth)]  # the place is empty, or empties in this cycle
        held, before = self.result, self.put[0]
        for k in range(depth):
            place = self.held[k]
            rests = self.rests and k + 1 == depth
            follows = 0 if rests else self.o.ready if k + 1 == depth else free[k + 1]
            following = Signal(name=f"following{k}")
            m.d.comb += [free[k].eq(~here[k] | follows), following.eq(before | ~free[k])]
            if rests:
                m.d.comb += following.eq(Mux(here[k], ~self.o.ready, before))
            m.d.sync += here[k].eq(following)
            # the first place is free whenever a result comes
            loads = list(self.put)
            if k:
                copies(m, platform, following, self.own[k - 1])
                loads = [~copy | follows for copy in self.own[k - 1]]
            for lane, group in enumerate(self.groups):
                with m.If(loads[group]):
                    m.d.sync += place[lane].eq(held[lane])
            held, before = place, here[k]
        m.d.comb += self.o.valid.eq(here[-1])

    def _memory(self, m):
        depth = self.places
        m.submodules.memory = memory = Memory(shape=self.layout.size, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        leave = Signal()
        for address, advance in ((self.write, self.put[0]), (self.read, leave)):
            with m.If(advance):
                m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        m.d.comb += [write.data.eq(self.result.as_value()), write.en.eq(self.put[0])]
        m.d.comb += [write.addr.eq(self.write), read.addr.eq(self.read)]
        m.d.comb += [self.o.valid.eq(self.some), leave.eq(self.some & self.o.ready)]
        m.d.comb += self.o.payload.as_value().eq(read.data)
        following = Signal.like(self.level)
        m.d.comb += following.eq(self.level + self.put[0] - leave)
        m.d.sync += [self.level.eq(following), self.some.eq(following != 0)]


def places_behind(beats: int, cycles: int) -> int:
    """Places of the queue behind a pipeline that gives a result every ``beats`` cycles at most, ``cycles``
    after the one in which its place was reserved (`fermatnet.hw.stream.credits.places_needed`)."""

    def wanted(places: int) -> int:
        return places_needed(beats, cycles + ResultQueue.latency_of(places))

    # each place of a short queue is one more cycle; a long one is a memory
    short = [places for places in range(1, CHAIN + 1) if wanted(places) <= places]
    return short[0] if short else max(CHAIN + 1, wanted(CHAIN + 1))
