# amaranth: UnusedElaboratable=no
"""Maximum and sum pooling, arg max."""

from amaranth.hdl import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.errors import InputError

__all__ = ["ArgMax", "MaxPool", "MaxReduce", "SumPool"]


class MaxReduce(wiring.Component):
    """Largest of each run of ``beats`` beats, lane by lane.

    Latency: 1 cycle after the last beat of the run. Throughput: one beat in per cycle.

    Members: i : In(stream of ``lanes``), o : Out(stream of ``lanes``), one beat per run.
    """

    latency = 1

    def __init__(self, shape, *, beats, lanes):
        self.shape, self.beats, self.lanes = Shape.cast(shape), beats, lanes
        layout = data.ArrayLayout(self.shape, lanes)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(max(2, self.beats)))
        best = Signal.like(self.o.payload)
        last = count == self.beats - 1
        m.d.comb += self.i.ready.eq(~last | self.o.ready | ~self.o.valid)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
            for k in range(self.lanes):
                larger = Signal(self.shape, name=f"larger{k}")
                m.d.comb += larger.eq(
                    Mux((count == 0) | (self.i.payload[k] > best[k]), self.i.payload[k], best[k])
                )
                m.d.sync += best[k].eq(larger)
                with m.If(last):
                    m.d.sync += self.o.payload[k].eq(larger)
            with m.If(last):
                m.d.sync += self.o.valid.eq(1)
        return m


class MaxPool(wiring.Component):
    """Maximum over windows, of piece indices or signed integers; padding never wins.

    A :class:`SlidingWindow` whose windows come channel chunk by channel chunk, and a running maximum.

    Latency: kernel area + 6 cycles from the beat that completes a window to its first beat out.
    Throughput: ``cycles`` = windows * kernel area * channels / lanes.

    Parameters
    ----------
    shape, channels, height, width : of the map
    kernel, stride, pad, clock : as in :class:`SlidingWindow`
    lanes : int
        Divides channels.
    """

    def __init__(
        self, shape, channels, height, width, *, kernel, stride, pad=(0, 0, 0, 0), lanes, rows=0, clock=None
    ):
        self.shape, self.lanes = Shape.cast(shape), lanes
        if channels % lanes:
            raise InputError(f"max-pool: {lanes} lanes do not divide {channels} channels")
        lowest = -(1 << (self.shape.width - 1)) if self.shape.signed else 0
        self.window = SlidingWindow(
            shape,
            channels,
            height,
            width,
            kernel=kernel,
            stride=stride,
            pad=pad,
            lanes=lanes,
            groups=channels // lanes,
            pad_value=lowest,
            rows=rows,
            clock=clock,
        )
        self.reduce = MaxReduce(shape, beats=self.window.beats, lanes=lanes)
        self.cycles = self.window.cycles
        self.latency = self.window.latency + self.window.beats
        layout = data.ArrayLayout(self.shape, lanes)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.window, m.submodules.reduce = self.window, self.reduce
        wiring.connect(m, wiring.flipped(self.i), self.window.i)
        wiring.connect(m, self.window.o, self.reduce.i)
        wiring.connect(m, self.reduce.o, wiring.flipped(self.o))
        return m


class SumPool(wiring.Component):
    """Sum over disjoint windows (stride = kernel, which divides the map); the kernel of a global pool is the
    whole map.

    One accumulator per column of windows and channel chunk, in memory read without a clock.

    Latency: 2 cycles from the last beat of a window to its beat out. Throughput: one beat in per cycle,
    ``cycles`` = height * width * channels / lanes.

    Parameters
    ----------
    shape, channels, height, width : of the map
    kernel : (int, int)
    lanes : int
    out_shape : Shape or None
        None: wide enough for any sum. A narrower one is for a proven range of the sums (partial sums may pass
        it: they wrap and come back).
    """

    latency = 2

    def __init__(self, shape, channels, height, width, *, kernel, lanes, out_shape=None):
        self.shape = Shape.cast(shape)
        self.channels, self.height, self.width, self.kernel, self.lanes = (
            channels,
            height,
            width,
            tuple(kernel),
            lanes,
        )
        if channels % lanes:
            raise InputError(f"sum-pool: {lanes} lanes do not divide {channels} channels")
        if height % kernel[0] or width % kernel[1]:
            raise InputError(
                f"sum-pool: {kernel[0]}x{kernel[1]} windows do not divide a map of {height}x{width}"
            )
        more = (kernel[0] * kernel[1] - 1).bit_length()
        wide = signed(self.shape.width + more) if self.shape.signed else unsigned(self.shape.width + more)
        self.out_shape = wide if out_shape is None else Shape.cast(out_shape)
        self.cycles = height * width * channels // lanes
        self.chunks, self.columns = channels // lanes, width // kernel[1]
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.out_shape, lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layout = data.ArrayLayout(self.out_shape, self.lanes)
        m.submodules.sums = sums = Memory(shape=layout, depth=self.chunks * self.columns, init=[])
        write, read = sums.write_port(), sums.read_port(domain="comb")
        accept, move = Signal(), Signal()
        first, last, address = self._place(m, accept)
        # A beat and the sum before it are registers, and what is to become of them.
        x, before = Signal.like(self.i.payload, reset_less=True), Signal(layout, reset_less=True)
        here, emit, place = Signal(), Signal(), Signal.like(address)
        m.d.comb += [
            move.eq(here & (~emit | self.o.ready | ~self.o.valid)),
            self.i.ready.eq(~here | move),
            accept.eq(self.i.valid & self.i.ready),
            read.addr.eq(address),
            write.addr.eq(place),
            write.en.eq(move),
        ]
        begin = first["ky"] & first["kx"]
        for k in range(self.lanes):
            m.d.comb += write.data[k].eq(x[k] + before[k])
        with m.If(self.i.ready):
            m.d.sync += here.eq(self.i.valid)
        with m.If(accept):
            m.d.sync += [x.eq(self.i.payload), emit.eq(last["ky"] & last["kx"]), place.eq(address)]
            m.d.sync += before.eq(read.data)
            if self.chunks == 1:  # the sum before may be the one that is made in this cycle
                with m.If(here & (place == address)):
                    m.d.sync += before.eq(write.data)
            with m.If(begin):
                m.d.sync += before.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(move & emit):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(write.data)]
        return m

    def _place(self, m, accept):
        """Which turns of its loops a beat is in, the first ones and the last ones by name, and the address of
        its sum: chunk by chunk, window column by window column."""
        chunks, columns = self.chunks, self.columns
        words = chunks * columns
        sizes = [
            ("y", self.height // self.kernel[0]),
            ("ky", self.kernel[0]),
            ("x", columns),
            ("kx", self.kernel[1]),
            ("chunk", chunks),
        ]
        inner, first, last, counters = accept, {}, {}, {}
        for name, size in reversed(sizes):
            counters[name] = Signal(range(max(2, size)), name=name)
            first[name], last[name] = counters[name] == 0, counters[name] == size - 1
            with m.If(inner):
                m.d.sync += counters[name].eq(Mux(last[name], 0, counters[name] + 1))
            inner = inner & last[name]
        address, base = Signal(range(max(2, words))), Signal(range(max(2, words)))
        with m.If(accept):
            m.d.sync += address.eq(address + 1)
            with m.If(last["chunk"]):
                m.d.sync += address.eq(base)
                with m.If(last["kx"]):
                    m.d.sync += [
                        address.eq(Mux(last["x"], 0, base + chunks)),
                        base.eq(Mux(last["x"], 0, base + chunks)),
                    ]
        return first, last, address


class ArgMax(wiring.Component):
    """Index of the first largest of ``channels`` values of a pixel.

    Latency: 1 cycle from the last beat. Throughput: one beat in per cycle, ``cycles`` = channels / lanes.

    Members: i : In(stream of ``lanes`` values), o : Out(stream of one unsigned index).
    """

    latency = 1

    def __init__(self, shape, channels, *, lanes=1):
        self.shape, self.channels, self.lanes = Shape.cast(shape), channels, lanes
        if channels % lanes:
            raise InputError(f"arg max: {lanes} lanes do not divide {channels} channels")
        self.cycles = channels // lanes
        self.out_shape = unsigned(max(1, (channels - 1).bit_length()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.out_shape, 1))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beats = self.channels // self.lanes
        beat, best = Signal(range(max(2, beats))), Signal(self.shape)
        base = Signal(range(self.channels + self.lanes))
        value, index = self.i.payload[0], base
        for k in range(1, self.lanes):
            better = self.i.payload[k] > value
            value, index = Mux(better, self.i.payload[k], value), Mux(better, base + k, index)
        top, place = Signal(self.shape), Signal(self.out_shape)
        m.d.comb += [top.eq(value), place.eq(index)]
        last, leader, winner = beat == beats - 1, Signal.like(place), Signal.like(place)
        better = (beat == 0) | (top > best)
        m.d.comb += [
            self.i.ready.eq(~last | self.o.ready | ~self.o.valid),
            winner.eq(Mux(better, place, leader)),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                beat.eq(Mux(last, 0, beat + 1)),
                base.eq(Mux(last, 0, base + self.lanes)),
                leader.eq(winner),
            ]
            with m.If(better):
                m.d.sync += best.eq(top)
            with m.If(last):
                m.d.sync += [self.o.valid.eq(1), self.o.payload[0].eq(winner)]
        return m
