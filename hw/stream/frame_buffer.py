"""A store for whole images: what is too short or too long never leaves it."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["FrameBuffer"]


class FrameBuffer(wiring.Component):
    """Takes whole images in, forgets those of the wrong length, and gives the others on.

    There is room for two images, so that one is written while another is read: an image begins to come in
    when the one before last has been read, is there after ``beats`` cycles, and is wanted when the last one
    has been read, no sooner.

    Latency: ``beats`` + 1 cycles from an image's first beat in to its first beat out. Throughput: one beat
    per cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes : int
    beats : int
        Of one image.

    Members
    -------
    i : In(stream of ``lanes``), last : In(1), whole : In(1)
        A beat, whether it is its image's last one, and whether all its bytes are there.
    o : Out(stream of ``lanes``)
    bad : Out(1)
        High for one cycle for each image that is forgotten.
    """

    def __init__(self, shape, *, lanes, beats):
        self.beats, self.depth, self.latency = beats, 2 * beats, beats + 1
        self.layout = data.ArrayLayout(shape, lanes)
        self.width = self.layout.size
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "last": In(1),
                "whole": In(1),
                "o": Out(stream.Signature(self.layout)),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        level = Signal(range(self.depth + 1))  # beats of whole images inside
        commit = Signal()
        fetch = Signal()
        m.d.sync += level.eq(level + Mux(commit, self.beats, 0) - fetch)
        self._writer(m, write, level, commit)
        address = Signal(range(self.depth))
        m.d.comb += [
            fetch.eq((level != 0) & (self.o.ready | ~self.o.valid)),
            read.addr.eq(address),
            read.en.eq(fetch),
            self.o.payload.as_value().eq(read.data),
        ]
        with m.If(fetch):
            m.d.sync += address.eq(Mux(address == self.depth - 1, 0, address + 1))
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += self.o.valid.eq(level != 0)
        return m

    def _writer(self, m, write, level, commit):
        place = Signal(range(max(2, self.beats)))
        spoilt = Signal()  # a beat of this image had bytes missing
        surplus = Signal()  # beats come after an image's length, until its last
        address = Signal(range(self.depth))
        start = Signal(range(self.depth))  # of the image that comes in
        following = Signal(range(self.depth))
        store = Signal()
        at_end = Signal()
        taken = self.i.valid & self.i.ready
        m.d.comb += [
            # Once it begins an image has room for all its beats.
            self.i.ready.eq(surplus | (place != 0) | (level <= self.depth - self.beats)),
            store.eq(taken & ~surplus),
            at_end.eq(place == self.beats - 1),
            write.addr.eq(address),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(store),
            following.eq(Mux(address == self.depth - 1, 0, address + 1)),
            commit.eq(store & self.last & at_end & self.whole & ~spoilt),
            self.bad.eq(store & (self.last | at_end) & ~commit),
        ]
        with m.If(commit):
            m.d.sync += [address.eq(following), start.eq(following), place.eq(0), spoilt.eq(0)]
        with m.Elif(self.bad):
            m.d.sync += [address.eq(start), place.eq(0), spoilt.eq(0), surplus.eq(~self.last)]
        with m.Elif(store):
            m.d.sync += [address.eq(following), place.eq(place + 1), spoilt.eq(spoilt | ~self.whole)]
        with m.If(taken & surplus):
            m.d.sync += surplus.eq(~self.last)
