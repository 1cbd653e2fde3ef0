"""Sliding windows that come whole: all taps of a window in one beat."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.loop_nest import LoopNest
from fermatnet.hw.stream.window import SlidingWindow, _GivenBack
from fermatnet.hw.stream.window_plan import WindowPlan
from fermatnet.model.errors import InputError

__all__ = ["ParallelWindow"]


class ParallelWindow(SlidingWindow):
    """As `SlidingWindow`, but a beat is a whole pixel on the way in and a whole window on the way out, in the
    order (ky, kx, channel).

    The ring of rows has a read port for each tap, so a window a cycle comes with any stride, padding and
    dilation, and padding takes no cycles.

    Latency: 2 cycles from the pixel that completes a window to the window. Throughput: one window a cycle,
    each ``repeats`` times, back to back between images, where the writer keeps up.

    Parameters are those of `WindowPlan`, with ``lanes`` = ``channels`` and one group.

    Members
    -------
    i : In(stream of ``channels`` values)
    o : Out(stream of kh * kw * ``channels`` values)
    """

    def __init__(self, *args, **options):
        WindowPlan.__init__(self, *args, **options)
        if self.groups != 1 or self.chunks != 1:
            raise InputError(f"a whole window needs whole pixels in one group, not {self.lanes} lanes")
        self.taps, self.beats, self.pixel_cycles = self.kernel[0] * self.kernel[1], 1, self.repeats
        self.cycles = self.rows_out * self.columns_out * self.repeats
        pixel = data.ArrayLayout(self.shape, self.channels)
        window = data.ArrayLayout(self.shape, self.taps * self.channels)
        wiring.Component.__init__(
            self, {"i": In(stream.Signature(pixel)), "o": Out(stream.Signature(window))}
        )

    def elaborate(self, platform):
        m = Module()
        bits = self.shape.width * self.channels
        m.submodules.ring = ring = Memory(shape=bits, depth=self._depth, init=[], attrs={"ram_style": "auto"})
        released = Signal(signed(self.height.bit_length() + 2))
        given_back = _GivenBack(released, Signal())
        written = self._writer(m, ring.write_port(), given_back)
        advance, go = Signal(), Signal()
        m.d.comb += advance.eq(self.o.ready | ~self.o.valid)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(go)
        reads = [ring.read_port() for _ in range(self.taps)]
        inside = [Signal(name=f"inside{tap}") for tap in range(self.taps)]
        places = self._tracks(m, advance, go, written, given_back)
        for tap, (read, (address, within)) in enumerate(zip(reads, places, strict=True)):
            m.d.comb += [read.addr.eq(address), read.en.eq(advance)]
            with m.If(advance):
                m.d.sync += inside[tap].eq(within)
        values = [
            Mux(within, read.data, self._outside()) if any(self.pad) else read.data
            for read, within in zip(reads, inside, strict=True)
        ]
        m.d.comb += self.o.payload.as_value().eq(Cat(value[:bits] for value in values))
        return m

    def _tracks(self, m, advance, go, written, given_back):
        """Says when the next window goes, gives rows back; for each tap its address and whether it lies in
        the image."""
        step, running = Signal(), Signal()
        m.d.comb += step.eq(advance & go)
        sizes = [("y", self.rows_out), ("x", self.columns_out), ("group", 1), ("repeat", self.repeats)]
        nest = LoopNest(m, step, [*sizes, ("ky", 1), ("kx", 1), ("chunk", 1)])
        row, column = self._rows(m, nest), self._columns(m, nest, step)
        with m.If(step):
            m.d.sync += running.eq(~nest.end["group"])
        m.d.comb += go.eq(running | self._is_complete(m, row, column, written))
        self._give_back(m, nest, row, given_back)
        columns = []
        for kx in range(self.kernel[1]):
            at = column.at + kx * self.dilation[1]
            columns.append((column.place + kx * self.dilation[1], (at >= 0) & (at < self.width)))
        found = []
        for ky in range(self.kernel[0]):
            at, place = row.at + ky * self.dilation[0], self._further(row.place, ky * self.dilation[0])
            within = (at >= 0) & (at < self.height)
            found += [(place + word, within & own) for word, own in columns]
        return found

    def _further(self, place, rows):
        """The ring address some rows further down."""
        far = rows % self.rows * self._row_words
        return Mux(place >= self._depth - far, place - (self._depth - far), place + far) if far else place
