# amaranth: UnusedElaboratable=no
"""Sliding windows over a raster stream, from a ring of rows in RAM."""

from dataclasses import dataclass
from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.credits import Credits, places_needed
from fermatnet.hw.stream.loop_nest import LoopNest
from fermatnet.hw.stream.result_queue import ResultQueue
from fermatnet.hw.stream.row_memory import RowMemory
from fermatnet.hw.stream.scout import Scout
from fermatnet.hw.stream.window_plan import WindowPlan

__all__ = ["FreeWindow", "SlidingWindow"]

PLACES = places_needed(1, WindowPlan.READ)
"""Of the queue behind the reader."""


@dataclass(frozen=True)
class _Track:
    """Where the reader is along one side of the image: ``at`` which row (column), outside 0 to size - 1 in
    the padding, the ``first`` one of its window, and ``place``: what the row (column and chunk) adds to the
    address."""

    at: Signal
    first: Signal
    place: Signal


def _clipped(value, low, high):
    """``value`` moved into low to high."""
    return Mux(value < low, low, Mux(value > high, high, value))


class FreeWindow(WindowPlan, wiring.Component):
    """Line buffer: writes the raster stream into a ring of rows, emits for each output pixel its whole
    window, without a stop for whoever takes it.

    For each output pixel, in raster order: for each group of channels, ``repeats`` times, the window in the
    order (ky, kx, channel chunk), one beat of ``lanes`` channels per cycle. Beats outside the image carry
    ``pad_value``.
    A window starts once its last pixel is in memory: a scout walks ahead of the reader and counts complete
    windows. The writer waits only when the ring is full, so writing an image overlaps reading it and the one
    before. Rows are given back when the last window of an output row has been read.

    Latency: `WindowPlan.LAG` cycles from the beat that completes a window until its first beat is read,
    `WindowPlan.READ` - 1 from there until it is given. Throughput: one beat a cycle.

    Parameters are those of `WindowPlan`, and ``by_window``: whether a place is reserved with the last beat
    of each repeat of a group's window, instead of with every beat.

    Members
    -------
    i : In(stream of ``lanes`` channels)
    room : In(1), reserve : Out(1)
        Of `fermatnet.hw.stream.credits.Credits`.
    valid : Out(1), beat : Out(``lanes`` channels)
        A beat is given in this cycle.
    """

    latency = WindowPlan.latency - 1

    def __init__(self, *args, by_window=True, **options):
        WindowPlan.__init__(self, *args, **options)
        self.by_window = by_window
        layout = data.ArrayLayout(self.shape, self.lanes)
        wiring.Component.__init__(
            self,
            {
                "i": In(stream.Signature(layout)),
                "room": In(1),
                "reserve": Out(1),
                "valid": Out(1),
                "beat": Out(layout),
            },
        )

    def elaborate(self, platform):
        m = Module()
        bits = self.lanes * self.shape.width
        # A word is written so long before a beat of it is used, and so long after the last one is, that what
        # is read while it is written does not matter, and needs no logic of its own.
        m.submodules.ring = ring = RowMemory(bits, self._depth, self.clock)
        step, released = Signal(), Signal(range(self.height + 1))
        found = Scout(m, self, self._writer(m, ring.write, released))
        nest, inside, address = self._reader(m, step, found, released)
        last = nest.full["ky"] if self.by_window else 1
        m.d.comb += [step.eq(found.some & (self.room | ~Value.cast(last)[0])), self.reserve.eq(step & last)]
        # step, address, memory, register: a cycle each
        stages = [Signal(2, name=f"stage{k}") for k in range(3)]  # is there a beat, is it inside
        m.d.comb += ring.addr.eq(address)
        m.d.sync += stages[0].eq(Cat(step, inside))
        m.d.sync += [after.eq(before) for before, after in pairwise(stages)]
        beat = Signal(bits, reset_less=True)
        m.d.sync += beat.eq(ring.data)
        if any(self.pad):
            with m.If(~stages[1][1]):  # a constant: the registers' own reset does it
                m.d.sync += beat.eq(self._outside())
        m.d.comb += [self.valid.eq(stages[2][0]), self.beat.as_value().eq(beat)]
        return m

    @property
    def _row_words(self):
        """Words of the ring that hold a row."""
        return self.width * self.chunks

    @property
    def _depth(self):
        """Words of the ring."""
        return self.rows * self._row_words

    def _outside(self):
        """A beat outside the image: ``pad_value`` in every lane."""
        lane = self.pad_value & ((1 << self.shape.width) - 1)
        return sum(lane << (k * self.shape.width) for k in range(self.lanes))

    def _writer(self, m, write, released):
        """Fills the ring; returns whether a pixel is complete with this cycle."""
        address = Signal(range(max(2, self._depth)))
        # rows begun and not given back, less the rows there are and one or two more: with each its own sign
        # tells whether there is room, with one carry chain and no comparison behind it
        width = (self.rows + self.height).bit_length() + 2
        held = [Signal(signed(width), name=f"held{k}", init=k - self.rows) for k in range(3)]
        more = Signal(name="row_ended")  # a row that ``held`` is still to count
        accept, row_end, room = Signal(), Signal(), Signal(init=1)
        nest = LoopNest(m, accept, [("column_in", self.width), ("chunk_in", self.chunks)])
        m.d.comb += [
            self.i.ready.eq(room),
            accept.eq(self.i.valid & self.i.ready),
            row_end.eq(nest.end["column_in"]),
            write.addr.eq(address),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(accept),
        ]
        with m.If(accept):
            m.d.sync += address.eq(Mux(address == self._depth - 1, 0, address + 1))
        # all answers ready before it is known whether a row ends
        free = [Signal(name=f"free{k}") for k in range(3)]
        m.d.sync += more.eq(row_end)
        for k, rows in enumerate(held):
            kept = Signal.like(rows, name=f"kept{k}")
            m.d.comb += [kept.eq(rows - released), free[k].eq(kept[-1])]
            m.d.sync += rows.eq(kept + more)
        m.d.sync += room.eq(Mux(row_end, Mux(more, free[2], free[1]), Mux(more, free[1], free[0])))
        return nest.end["chunk_in"]

    def _reader(self, m, step, found, released):
        """Reads the next beat of a complete window with ``step``, and gives rows back. Returns the loops,
        whether the beat lies inside the image, and its address in the ring."""
        kh, kw = self.kernel
        levels = [
            ("y", self.rows_out),
            ("x", self.columns_out),
            ("group", self.groups),
            ("repeat", self.repeats),
            ("ky", kh),
            ("kx", kw),
            ("chunk", self.chunks // self.groups),
        ]
        nest = LoopNest(m, step, levels)
        m.d.comb += found.used.eq(nest.end["group"])
        row, column = self._rows(m, nest), self._columns(m, nest, step)
        in_row = (row.at >= 0) & (row.at < self.height)
        in_column = (column.at >= 0) & (column.at < self.width)
        self._give_back(m, nest, row, released)
        return nest, in_row & in_column, row.place + column.place

    def _give_back(self, m, nest, row, released):
        """Two cycles behind the end of a row of windows the rows that the next one does not read, behind the
        end of the image all that are left."""
        first, last, ended = Signal.like(row.first), Signal(), Signal()
        m.d.sync += [first.eq(row.first), last.eq(nest.last["y"]), ended.eq(nest.end["x"])]
        clip, following = Signal(range(self.height + 1)), Signal(range(self.height + 1))
        m.d.comb += clip.eq(_clipped(first, 0, self.height))
        m.d.comb += following.eq(Mux(last, self.height, _clipped(first + self.stride[0], 0, self.height)))
        m.d.sync += released.eq(Mux(ended, following - clip, 0))

    def _rows(self, m, nest):
        """Row read; its ``place`` is the ring address of the row."""
        kh, depth = self.kernel[0], self._depth
        span = self.height + self.pad[0] + self.pad[2] + self.dilation[0] * kh + self.stride[0]
        shape, places = signed(span.bit_length() + 1), range(max(2, depth))
        row, row_first = Signal(shape, init=-self.pad[0]), Signal(shape, init=-self.pad[0])
        start = (-self.pad[0]) % self.rows * self._row_words
        place, place_first = Signal(places, init=start), Signal(places, init=start)

        def moved(base, rows):
            far = (rows % self.rows) * self._row_words
            return Mux(base >= depth - far, base - (depth - far), base + far) if far else base

        # rows from the last windows to the next image's first ones
        wrap = self.height - (self.rows_out - 1) * self.stride[0]
        next_row, next_place = Signal(shape), Signal(places)
        end, last_y = nest.end, nest.end["y"]
        m.d.comb += next_row.eq(Mux(last_y, -self.pad[0], row_first + self.stride[0]))
        m.d.comb += next_place.eq(Mux(last_y, moved(place_first, wrap), moved(place_first, self.stride[0])))
        with m.If(end["x"]):
            m.d.sync += [
                row.eq(next_row),
                row_first.eq(next_row),
                place.eq(next_place),
                place_first.eq(next_place),
            ]
        if kh > 1:
            with m.Elif(end["ky"]):
                m.d.sync += [row.eq(row_first), place.eq(place_first)]
            with m.Elif(end["kx"]):
                m.d.sync += [row.eq(row + self.dilation[0]), place.eq(moved(place, self.dilation[0]))]
        return _Track(row, row_first, place)

    def _columns(self, m, nest, step):
        """Column read; its ``place`` is the word, in the row, of the beat."""
        chunks, left, group_chunks = self.chunks, self.pad[1], self.chunks // self.groups
        span = self.width + left + self.pad[3] + self.dilation[1] * self.kernel[1] + self.stride[1]
        shape, words = signed(span.bit_length() + 1), signed((span * chunks).bit_length() + 1)
        column, column_first = Signal(shape, init=-left), Signal(shape, init=-left)
        # first: of this group's window
        word, word_first = Signal(words, init=-left * chunks), Signal(words, init=-left * chunks)
        pixel_word = Signal(words, init=-left * chunks)
        next_column, next_word = Signal(shape), Signal(words)
        end = nest.end
        m.d.comb += next_column.eq(Mux(end["x"], -left, column_first + self.stride[1]))
        m.d.comb += next_word.eq(Mux(end["x"], -left * chunks, pixel_word + self.stride[1] * chunks))
        with m.If(end["group"]):
            m.d.sync += [column.eq(next_column), column_first.eq(next_column)]
            m.d.sync += [word.eq(next_word), word_first.eq(next_word), pixel_word.eq(next_word)]
        with m.Elif(end["repeat"]):
            m.d.sync += [
                column.eq(column_first),
                word.eq(word_first + group_chunks),
                word_first.eq(word_first + group_chunks),
            ]
        with m.Elif(end["kx"]):
            m.d.sync += [column.eq(column_first), word.eq(word_first)]
        with m.Elif(end["chunk"]):
            m.d.sync += [
                column.eq(column + self.dilation[1]),
                word.eq(word + (self.dilation[1] * chunks - group_chunks + 1)),
            ]
        with m.Elif(step):
            m.d.sync += word.eq(word + 1)
        return _Track(column, column_first, word)


class SlidingWindow(WindowPlan, wiring.Component):
    """A `FreeWindow` in front of a small queue, for whoever may take each beat when he likes: his ready moves
    only the queue.

    Latency: `WindowPlan.latency` cycles from the beat that completes a window to the first beat of that
    window. Throughput: one beat per cycle, ``cycles`` = rows * columns * repeats * beats of a window, back to
    back between images, where the writer keeps up.

    Parameters are those of `WindowPlan`.

    Members
    -------
    i : In(stream of ``lanes`` channels)
    o : Out(stream of ``lanes`` channels)
    """

    def __init__(self, *args, **options):
        WindowPlan.__init__(self, *args, **options)
        self.window = FreeWindow(*args, by_window=False, **options)
        layout = self.window.beat.shape()
        wiring.Component.__init__(
            self, {"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = window = self.window
        m.submodules.queue = queue = ResultQueue(self.o.payload.shape(), PLACES)
        m.submodules.credits = credits = Credits(PLACES)
        wiring.connect(m, wiring.flipped(self.i), window.i)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [
            window.room.eq(credits.room),
            credits.reserve.eq(window.reserve),
            credits.leave.eq(self.o.valid & self.o.ready),
            queue.put.eq(window.valid.replicate(queue.copies)),
            queue.result.eq(window.beat),
        ]
        return m
