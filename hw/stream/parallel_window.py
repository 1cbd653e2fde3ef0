"""Sliding windows that come whole: all taps of a window in one beat."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.credits import Credits
from fermatnet.hw.stream.loop_nest import LoopNest
from fermatnet.hw.stream.result_queue import ResultQueue
from fermatnet.hw.stream.scout import Scout
from fermatnet.hw.stream.window import PLACES, FreeWindow
from fermatnet.hw.stream.window_plan import WindowPlan
from fermatnet.model.errors import InputError

__all__ = ["ParallelWindow"]


class ParallelWindow(FreeWindow):
    """As `fermatnet.hw.stream.window.SlidingWindow`, but a beat is a whole pixel on the way in and a whole
    window on the way out, in the order (ky, kx, channel).

    The ring of rows has a read port for each tap, so a window a cycle comes with any stride, padding and
    dilation, and padding takes no cycles.

    Latency: `WindowPlan.latency` cycles from the pixel that completes a window to the window. Throughput: one
    window a cycle, each ``repeats`` times, back to back between images, where the writer keeps up.

    Parameters are those of `WindowPlan`, with ``lanes`` = ``channels`` and one group.

    Members
    -------
    i : In(stream of ``channels`` values)
    o : Out(stream of kh * kw * ``channels`` values)
    """

    latency = WindowPlan.latency

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
        reads = [ring.read_port() for _ in range(self.taps)]
        m.submodules.queue = queue = ResultQueue(self.o.payload.shape(), PLACES)
        m.submodules.credits = credits = Credits(PLACES)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        step, released = Signal(), Signal(range(self.height + 1))
        found = Scout(m, self, self._writer(m, ring.write_port(), released))
        m.d.comb += [step.eq(found.some & credits.room), credits.reserve.eq(step)]
        m.d.comb += credits.leave.eq(self.o.valid & self.o.ready)
        inside, addresses = self._reader(m, step, found, released)
        # step, addresses, memory, register, queue: a cycle each
        there = [Signal(name=f"there{k}") for k in range(3)]
        m.d.sync += [there[0].eq(step), there[1].eq(there[0]), there[2].eq(there[1])]
        words = []
        for tap, read in enumerate(reads):
            within = [Signal(name=f"within{tap}_{k}", reset_less=True) for k in range(2)]
            word = Signal(bits, name=f"word{tap}", reset_less=True)
            m.d.sync += [read.addr.eq(addresses[tap]), within[0].eq(inside[tap]), within[1].eq(within[0])]
            m.d.sync += word.eq(Mux(within[1], read.data, self._outside()) if any(self.pad) else read.data)
            words.append(word)
        m.d.comb += [queue.put.eq(there[2].replicate(queue.copies)), queue.result.eq(Cat(words))]
        return m

    def _reader(self, m, step, found, released):
        """Reads a window with ``step``: for each tap whether it lies inside the image, and its address in the
        ring; gives rows back."""
        sizes = [("y", self.rows_out), ("x", self.columns_out), ("group", 1), ("repeat", self.repeats)]
        nest = LoopNest(m, step, [*sizes, ("ky", 1), ("kx", 1), ("chunk", 1)])
        m.d.comb += found.used.eq(nest.end["group"])
        row, column = self._rows(m, nest), self._columns(m, nest, step)
        self._give_back(m, nest, row, released)
        inside, addresses = [], []
        for ky in range(self.kernel[0]):
            down = ky * self.dilation[0]
            place = self._further(row.place, down)
            in_rows = (row.at + down >= 0) & (row.at + down < self.height)
            for kx in range(self.kernel[1]):
                at = column.at + kx * self.dilation[1]
                inside.append(in_rows & (at >= 0) & (at < self.width))
                addresses.append(place + column.place + kx * self.dilation[1])
        return inside, addresses

    def _further(self, place, rows):
        """The ring address some rows further down."""
        far = rows % self.rows * self._row_words
        return Mux(place >= self._depth - far, place - (self._depth - far), place + far) if far else place
