"""Two-dimensional transform, one point a cycle: transform, transpose, transform."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.serial_transform import SerialTransform, points_shape, serial_latency

__all__ = ["SerialTransform2d", "Transposer", "serial_latency2d"]


def serial_latency2d(b: int, rows: int, columns: int, adder_latency: int) -> int:
    """Latency of a `SerialTransform2d`, forward or inverse."""
    return (
        serial_latency(b, rows, adder_latency)
        + rows * columns
        + 1
        + serial_latency(b, columns, adder_latency)
    )


class Transposer(wiring.Component):
    """Frames of rows x columns words in raster order, out column by column, one word a cycle.

    A square frame needs one memory of its own size: each word is replaced, where it was read, by one of the
    next frame, and the addresses swap their halves from frame to frame. Other frames take two memories in
    turn.
    Latency: rows * columns + 1 cycles. Throughput: one word a cycle; frames may follow each other at once or
    after any gap.

    Members
    -------
    valid, i : In(1), In(shape); o_valid, o : Out(1), Out(shape).
    """

    def __init__(self, shape, rows: int, columns: int):
        for size in (rows, columns):
            if size < 2 or size & (size - 1):
                raise ValueError(f"rows and columns must be powers of two, at least 2, not {size!r}")
        self.shape, self.rows, self.columns, self.latency = shape, rows, columns, rows * columns + 1
        super().__init__({"valid": In(1), "i": In(shape), "o_valid": Out(1), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        size, square = self.rows * self.columns, self.rows == self.columns
        bits = (size - 1).bit_length()
        m.submodules.words = words = memory.Memory(
            shape=self.shape, depth=size if square else 2 * size, init=[]
        )
        write, read = words.write_port(), words.read_port()
        # places in two frames: the highest bit is the frame's parity, and a frame has come and not left while
        # the two of them differ
        put, get = Signal(bits + 1, name="put"), Signal(bits + 1, name="get")
        step = Signal()

        with m.If(self.valid):
            m.d.sync += put.eq(put + 1)
        # one cycle later than the read of the same place
        m.d.sync += [
            write.en.eq(self.valid),
            write.data.eq(self.i),
            write.addr.eq(self._address(put[:-1], False, put[-1])),
        ]
        # the last word of a frame is written in the cycle in which the first one is read; it is read rows
        # cycles later at the earliest
        m.d.comb += [
            step.eq(put[-1] ^ get[-1]),
            read.addr.eq(self._address(get[:-1], True, get[-1])),
            read.en.eq(step),
            self.o.eq(read.data),
        ]
        with m.If(step):
            m.d.sync += get.eq(get + 1)
        m.d.sync += self.o_valid.eq(step)
        return m

    def _address(self, at, by_columns, parity):
        """Memory address of position ``at`` of a frame, counted in raster order or by columns; ``parity`` is
        that of the frame."""
        row_bits = (self.rows - 1).bit_length()
        # position in the order (column, row) to row * columns + column
        swapped = Cat(at[row_bits:], at[:row_bits])
        if self.rows != self.columns:
            return Cat(swapped if by_columns else at, parity)
        return Mux(parity, at, swapped) if by_columns else Mux(parity, swapped, at)


class SerialTransform2d(wiring.Component):
    """Transform of rows x columns points modulo 2^b+1, one point a cycle.

    Forward: raster order in; rows, then columns; out column by column, both directions bit-reversed. Inverse:
    takes that order, columns first, and gives raster order, without the factor 1 / (rows * columns).
    Latency: ``latency`` cycles, about rows * columns + rows + columns. Throughput: one point a cycle.
    ``lanes`` transforms side by side share the counters, the delays and the transposer.

    Members
    -------
    valid, i : In(1), In(points); o_valid, o : Out(1), Out(points), as
    `fermatnet.hw.fermat.serial_transform.points_shape`.
    """

    def __init__(
        self,
        b: int,
        rows: int,
        columns: int,
        *,
        inverse: bool = False,
        adder_latency: int = 2,
        form: str = "chain",
        lanes: int | None = None,
    ):
        self.b, self.rows, self.columns, self.inverse, self.lanes = b, rows, columns, inverse, lanes
        self.adder_latency, self.form = adder_latency, form
        self.latency = serial_latency2d(b, rows, columns, adder_latency)
        layout = points_shape(b, lanes)
        super().__init__({"valid": In(1), "i": In(layout), "o_valid": Out(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        valid, point = self.valid, self.i
        first, second = (self.rows, self.columns) if self.inverse else (self.columns, self.rows)
        ends = [
            SerialTransform(
                self.b,
                n,
                inverse=self.inverse,
                adder_latency=self.adder_latency,
                form=self.form,
                lanes=self.lanes,
            )
            for n in (first, second)
        ]
        for name, part in (
            ("first", ends[0]),
            ("transposer", Transposer(self.o.shape(), second, first)),
            ("second", ends[1]),
        ):
            m.submodules[name] = part
            m.d.comb += [part.valid.eq(valid), part.i.eq(point)]
            valid, point = part.o_valid, part.o
        m.d.comb += [self.o_valid.eq(valid), self.o.eq(point)]
        return m
