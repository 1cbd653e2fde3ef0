"""Sliding windows over a raster stream, from a ring of rows in RAM."""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.loop_nest import LoopNest
from fermatnet.hw.stream.window_plan import WindowPlan

__all__ = ["SlidingWindow"]


@dataclass(frozen=True)
class _Written:
    """How far the writer is: ``rows`` complete of the image being read, negative while it has none to read,
    and pixels (``columns``) complete in the row being written."""

    rows: Signal
    columns: Signal


@dataclass(frozen=True)
class _GivenBack:
    """What the reader is done with in this cycle: so many ``rows``, and the last one of an ``image``."""

    rows: Signal
    image: Signal


@dataclass(frozen=True)
class _Beat:
    """The beat that is read next: whether it can ``go``, whether it lies ``inside`` the image, and its
    ``address`` in the ring."""

    go: Signal
    inside: Signal
    address: Signal


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


class SlidingWindow(WindowPlan, wiring.Component):
    """Line buffer: writes the raster stream into a ring of rows, emits for each output pixel its whole
    window.

    For each output pixel, in raster order: for each group of channels, ``repeats`` times, the window in the
    order (ky, kx, channel chunk), one beat of ``lanes`` channels per cycle. Beats outside the image carry
    ``pad_value``.
    A window starts once its last pixel is in memory; the writer waits only when the ring is full, so writing
    an image overlaps reading it and the one before. Rows are given back when the last window of an output row
    has been read.

    A 1x1 window without stride and padding only needs two pixels of memory: the map is then treated as one
    column.

    Latency: 2 cycles from the beat that completes a window to the first beat of that window.
    Throughput: one beat per cycle, ``cycles`` = rows * columns * repeats * beats of a window, back to back
    between images, where the writer keeps up.

    Parameters are those of `WindowPlan`.

    Members
    -------
    i : In(stream of ``lanes`` channels)
    o : Out(stream of ``lanes`` channels)
    """

    def __init__(self, *args, **options):
        WindowPlan.__init__(self, *args, **options)
        layout = data.ArrayLayout(self.shape, self.lanes)
        wiring.Component.__init__(
            self, {"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))}
        )

    def elaborate(self, platform):
        m = Module()
        bits = self.shape.width * self.lanes
        m.submodules.ring = ring = Memory(shape=bits, depth=self._depth, init=[], attrs={"ram_style": "auto"})
        write, read = ring.write_port(), ring.read_port()
        released = Signal(signed(self.height.bit_length() + 2))
        image_done = Signal()
        given_back = _GivenBack(released, image_done)
        written = self._writer(m, write, given_back)

        # Reader: one address per cycle while the output register is free.
        advance, go, inside, address = Signal(), Signal(), Signal(), Signal(range(max(2, self._depth)))
        m.d.comb += advance.eq(self.o.ready | ~self.o.valid)
        self._reader(m, advance, _Beat(go, inside, address), written, given_back)
        inside_read = Signal()
        m.d.comb += [read.addr.eq(address), read.en.eq(advance)]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(go), inside_read.eq(inside)]
        payload = Mux(inside_read, read.data, self._outside()) if any(self.pad) else read.data
        m.d.comb += self.o.payload.as_value().eq(payload)
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

    def _writer(self, m, write, given_back):
        """Fills the ring; returns how far it is, as `_Written`."""
        address = Signal(range(max(2, self._depth)))
        held = Signal(signed((self.rows + self.height).bit_length() + 2))  # rows begun and not given back
        done_rows = Signal(signed((2 * self.height + self.rows).bit_length() + 2))
        done_columns = Signal(range(self.width + 1))
        chunk, column = Signal(range(max(2, self.chunks))), Signal(range(max(2, self.width)))
        last_chunk, last_column = chunk == self.chunks - 1, column == self.width - 1
        accept, row_end = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(held < self.rows),
            accept.eq(self.i.valid & self.i.ready),
            row_end.eq(accept & last_chunk & last_column),
            write.addr.eq(address),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(accept),
        ]
        with m.If(accept):
            m.d.sync += address.eq(Mux(address == self._depth - 1, 0, address + 1))
            m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
            with m.If(last_chunk):
                m.d.sync += [
                    column.eq(Mux(last_column, 0, column + 1)),
                    done_columns.eq(Mux(last_column, 0, done_columns + 1)),
                ]
        m.d.sync += held.eq(held + row_end - given_back.rows)
        m.d.sync += done_rows.eq(done_rows + row_end - Mux(given_back.image, self.height, 0))
        return _Written(done_rows, done_columns)

    def _reader(self, m, advance, beat, written, given_back):
        """Says which beat is read next, where it may ``advance``, and gives rows back."""
        kh, kw = self.kernel
        step = Signal()
        m.d.comb += step.eq(advance & beat.go)
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
        row, column = self._rows(m, nest), self._columns(m, nest, step)
        in_row = (row.at >= 0) & (row.at < self.height)
        in_column = (column.at >= 0) & (column.at < self.width)
        m.d.comb += beat.inside.eq(in_row & in_column)
        m.d.comb += beat.address.eq(row.place + column.place)
        ready = self._is_complete(m, row, column, written)
        running = Signal()
        with m.If(step):
            m.d.sync += running.eq(~nest.end["group"])
        m.d.comb += beat.go.eq(running | ready)
        self._give_back(m, nest, row, given_back)

    def _is_complete(self, m, row, column, written):
        """Whether the last pixel of the window that lies in the image is in memory: the window may start."""
        reach_y, reach_x = (d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        need_row, need_column = row.first + reach_y, column.first + reach_x
        need_row_clipped = Signal(range(max(2, self.height)))
        need_column_clipped = Signal(range(max(2, self.width)))
        m.d.comb += need_row_clipped.eq(Mux(need_row >= self.height, self.height - 1, need_row))
        m.d.comb += need_column_clipped.eq(Mux(need_column >= self.width, self.width - 1, need_column))
        return (written.rows > need_row_clipped) | (
            (written.rows == need_row_clipped) & (written.columns > need_column_clipped)
        )

    def _give_back(self, m, nest, row, given_back):
        """At the end of a row of windows the rows that the next one does not read, at the end of the image
        all that are left."""
        clip = Signal(range(self.height + 1))
        following = Signal(range(self.height + 1))
        next_first = row.first + self.stride[0]
        m.d.comb += clip.eq(_clipped(row.first, 0, self.height))
        m.d.comb += following.eq(Mux(nest.last["y"], self.height, _clipped(next_first, 0, self.height)))
        m.d.comb += given_back.rows.eq(Mux(nest.end["x"], following - clip, 0))
        m.d.comb += given_back.image.eq(nest.end["y"])

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
