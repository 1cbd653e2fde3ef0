"""Sliding windows over a raster stream, from a ring of rows in RAM."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.window_plan import WindowPlan

__all__ = ["SlidingWindow"]


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
        row_words = self.width * self.chunks
        depth = self.rows * row_words
        bits = self.shape.width * self.lanes
        m.submodules.ring = ring = Memory(shape=bits, depth=depth, init=[], attrs={"ram_style": "auto"})
        write, read = ring.write_port(), ring.read_port()
        released = Signal(signed(self.height.bit_length() + 2))  # rows given back in this cycle
        image_done = Signal()
        done_rows, done_columns = self._writer(m, write, released, image_done, row_words, depth)

        # Reader: one address per cycle while the output register is free.
        advance, go, inside, address = Signal(), Signal(), Signal(), Signal(range(max(2, depth)))
        m.d.comb += advance.eq(self.o.ready | ~self.o.valid)
        self._reader(
            m, advance, go, inside, address, released, image_done, done_rows, done_columns, row_words
        )
        inside_read = Signal()
        m.d.comb += [read.addr.eq(address), read.en.eq(advance)]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(go), inside_read.eq(inside)]
        outside = sum(
            (self.pad_value & ((1 << self.shape.width) - 1)) << (k * self.shape.width)
            for k in range(self.lanes)
        )
        m.d.comb += self.o.payload.as_value().eq(
            Mux(inside_read, read.data, outside) if any(self.pad) else read.data
        )
        return m

    def _writer(self, m, write, released, image_done, row_words, depth):
        """Fills the ring; returns rows complete of the image being read (negative while it has none to read),
        and pixels complete in the row being written."""
        address = Signal(range(max(2, depth)))
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
            m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
            m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
            with m.If(last_chunk):
                m.d.sync += [
                    column.eq(Mux(last_column, 0, column + 1)),
                    done_columns.eq(Mux(last_column, 0, done_columns + 1)),
                ]
        m.d.sync += held.eq(held + row_end - released)
        m.d.sync += done_rows.eq(done_rows + row_end - Mux(image_done, self.height, 0))
        return done_rows, done_columns

    def _reader(
        self, m, advance, go, inside, address, released, image_done, done_rows, done_columns, row_words
    ):
        kh, kw = self.kernel
        group_chunks = self.chunks // self.groups
        # Loop nest, outermost first; each level counts and knows its last turn.
        sizes = [
            ("y", self.rows_out),
            ("x", self.columns_out),
            ("group", self.groups),
            ("repeat", self.repeats),
            ("ky", kh),
            ("kx", kw),
            ("chunk", group_chunks),
        ]
        step = Signal()
        m.d.comb += step.eq(advance & go)
        last, end = {}, {}
        inner = step
        for name, size in reversed(sizes):
            counter = Signal(range(max(2, size)), name=name)
            last[name] = Signal(name=f"last_{name}")
            m.d.comb += last[name].eq(1 if size == 1 else counter == size - 1)
            end[name] = Signal(name=f"end_{name}")  # this level's loop ends in this cycle
            m.d.comb += end[name].eq(inner & last[name])
            if size > 1:
                with m.If(inner):
                    m.d.sync += counter.eq(Mux(last[name], 0, counter + 1))
            inner = end[name]
        row, row_first, image_row = self._rows(m, end, row_words)
        column, column_first, word = self._columns(m, step, last, end, group_chunks)
        in_row = (row >= 0) & (row < self.height)
        in_column = (column >= 0) & (column < self.width)
        m.d.comb += inside.eq(in_row & in_column)
        m.d.comb += address.eq(image_row + word)
        # The last pixel of the window that lies in the image must be complete before the window starts.
        reach_y, reach_x = self.dilation[0] * (kh - 1), self.dilation[1] * (kw - 1)
        need_row, need_column = row_first + reach_y, column_first + reach_x
        need_row_clipped = Signal(range(max(2, self.height)))
        need_column_clipped = Signal(range(max(2, self.width)))
        m.d.comb += need_row_clipped.eq(Mux(need_row >= self.height, self.height - 1, need_row))
        m.d.comb += need_column_clipped.eq(Mux(need_column >= self.width, self.width - 1, need_column))
        ready = (done_rows > need_row_clipped) | (
            (done_rows == need_row_clipped) & (done_columns > need_column_clipped)
        )
        running = Signal()
        with m.If(step):
            m.d.sync += running.eq(~end["group"])
        m.d.comb += go.eq(running | ready)
        # Give rows back.
        clip = Signal(range(self.height + 1))
        following = Signal(range(self.height + 1))
        next_first = row_first + self.stride[0]
        m.d.comb += clip.eq(Mux(row_first < 0, 0, Mux(row_first > self.height, self.height, row_first)))
        m.d.comb += following.eq(
            Mux(
                last["y"],
                self.height,
                Mux(next_first < 0, 0, Mux(next_first > self.height, self.height, next_first)),
            )
        )
        m.d.comb += released.eq(Mux(end["x"], following - clip, 0))
        m.d.comb += image_done.eq(end["y"])

    def _rows(self, m, end, row_words):
        """Row read, first row of the window, and the ring address of the row read."""
        kh, ring = self.kernel[0], self.rows
        span = self.height + self.pad[0] + self.pad[2] + self.dilation[0] * kh + self.stride[0]
        shape = signed(span.bit_length() + 1)
        row, row_first = Signal(shape, init=-self.pad[0]), Signal(shape, init=-self.pad[0])
        start = (-self.pad[0]) % ring * row_words
        place, place_first = (
            Signal(range(max(2, ring * row_words)), init=start),
            Signal(range(max(2, ring * row_words)), init=start),
        )

        def moved(base, rows):
            far = (rows % ring) * row_words
            if not far:
                return base
            return Mux(base >= ring * row_words - far, base - (ring * row_words - far), base + far)

        # rows from the last windows to the next image's first ones
        wrap = self.height - (self.rows_out - 1) * self.stride[0]
        next_row, next_place = Signal(shape), Signal(range(max(2, ring * row_words)))
        last_y = end["y"]
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
        return row, row_first, place

    def _columns(self, m, step, last, end, group_chunks):
        """Column read, first column of the window, and the word in the row of the beat read."""
        chunks, left = self.chunks, self.pad[1]
        span = self.width + left + self.pad[3] + self.dilation[1] * self.kernel[1] + self.stride[1]
        shape, words = signed(span.bit_length() + 1), signed((span * chunks).bit_length() + 1)
        column, column_first = Signal(shape, init=-left), Signal(shape, init=-left)
        # first: of this group's window
        word, word_first = Signal(words, init=-left * chunks), Signal(words, init=-left * chunks)
        pixel_word = Signal(words, init=-left * chunks)
        next_column, next_word = Signal(shape), Signal(words)
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
        return column, column_first, word
