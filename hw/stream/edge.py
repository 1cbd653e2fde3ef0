# amaranth: UnusedElaboratable=no
"""Both ends of a network: from ``s_axis`` to its first layers, and from its last layer to ``m_axis``."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.axi import AxiStreamIn, AxiStreamOut, field_bits
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.frame_buffer import FrameBuffer
from fermatnet.hw.stream.length_check import COUNT_BITS, ErrorCount, LengthGuard, ResultFilter
from fermatnet.hw.stream.register_slice import RegisterSlice

__all__ = ["ImageSink", "ImageSource", "ImageStart"]


class ImageStart(wiring.Component):
    """Passes beats on and knows where images begin. Latency: 0. Throughput: one beat per cycle.

    Members: i : In(stream), o : Out(stream); hold : In(1), no image may begin; enters : Out(1), one begins
    in this cycle.
    """

    latency = 0

    def __init__(self, payload, *, beats):
        self.beats = beats
        super().__init__(
            {
                "i": In(stream.Signature(payload)),
                "o": Out(stream.Signature(payload)),
                "hold": In(1),
                "enters": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place = Signal(range(max(2, self.beats)))
        may = Signal()
        m.d.comb += [
            may.eq(~self.hold | (place != 0)),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & may),
            self.i.ready.eq(self.o.ready & may),
            self.enters.eq(self.o.valid & self.o.ready & (place == 0)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += place.eq(Mux(place == self.beats - 1, 0, place + 1))
        return m


class ImageSource(wiring.Component):
    """AXI4-Stream to the network's first layers, with what the options ask for in between.

    Latency: 1 cycle, with a frame buffer ``beats`` + 2. Throughput: one beat per cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes, beats : int
        Of one beat, of one image.
    options : StreamOptions
    verdicts : int
        Images that may be between the last beat in and the last beat out at one time.
    filling : int
        Value that fills up short images.

    Members
    -------
    tdata, tvalid, tready, tlast, tkeep : as `AxiStreamIn`
    o : Out(stream of ``lanes``)
    hold : In(1), enters : Out(1)
        No image may begin; an image begins in this cycle.
    verdict : Out(stream of 1)
        For `ResultFilter`; only where images are checked as they enter.
    error : Out(1), error_count : Out(16)
        As `ErrorCount`; only where images are checked.
    """

    def __init__(self, shape, *, lanes, beats, options, verdicts=2, filling=0):
        self.shape, self.lanes, self.beats = Shape.cast(shape), lanes, beats
        self.options, self.verdicts, self.filling = options, verdicts, filling
        self.checked = options.tlast == "check"
        self.judged = self.checked and not options.frame_buffer
        bits = options.tdata_bits("s_axis", field_bits(shape) * lanes)
        self.pins = AxiStreamIn(shape, lanes=lanes, tdata_bits=bits, tkeep=options.tkeep)
        self.buffer = FrameBuffer(shape, lanes=lanes, beats=beats) if options.frame_buffer else None
        self.latency = self.pins.latency + (self.buffer.latency if self.buffer else 0)
        members = self.pins.signature.members
        ports = {
            name: members[name] for name in ("tdata", "tvalid", "tready", "tlast", "tkeep") if name in members
        }
        super().__init__(
            {
                **ports,
                "o": members["o"],
                "hold": In(1),
                "enters": Out(1),
                **({"verdict": Out(stream.Signature(1))} if self.judged else {}),
                **({"error": Out(1), "error_count": Out(COUNT_BITS)} if self.checked else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.pins = pins = self.pins
        m.d.comb += [
            pins.tdata.eq(self.tdata),
            pins.tvalid.eq(self.tvalid),
            pins.tlast.eq(self.tlast),
            self.tready.eq(pins.tready),
        ]
        if self.options.tkeep:
            m.d.comb += pins.tkeep.eq(self.tkeep)
        inner, bad = pins.o, None
        if self.judged:
            m.submodules.guard = inside = LengthGuard(
                self.shape, lanes=self.lanes, beats=self.beats, filling=self.filling
            )
            m.submodules.verdicts = verdicts = Fifo(1, self.verdicts)
            wiring.connect(m, inside.verdict, verdicts.i)
            wiring.connect(m, verdicts.o, wiring.flipped(self.verdict))
            bad = inside.bad
        else:
            if self.buffer:
                m.submodules.buffer = buffer = self.buffer
                wiring.connect(m, inner, buffer.i)
                m.d.comb += [buffer.last.eq(pins.last), buffer.whole.eq(pins.whole)]
                inner, bad = buffer.o, buffer.bad
            m.submodules.start = inside = ImageStart(inner.payload.shape(), beats=self.beats)
        if self.judged:
            m.d.comb += [inside.last.eq(pins.last), inside.whole.eq(pins.whole)]
        wiring.connect(m, inner, inside.i)
        wiring.connect(m, inside.o, wiring.flipped(self.o))
        m.d.comb += [inside.hold.eq(self.hold), self.enters.eq(inside.enters)]
        if self.checked:
            m.submodules.errors = errors = ErrorCount()
            m.d.comb += [errors.event.eq(bad), self.error.eq(errors.error), self.error_count.eq(errors.count)]
        return m


class ImageSink(wiring.Component):
    """The network's last layer to AXI4-Stream, without the results of bad images or with a mark on them.

    Latency: 1 cycle; 2 where images are judged and all results of an image can come before its last input
    beat (the last one waits for the verdict), or ``cut``, or ``late``. Throughput: one beat per cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes, beats : int
        Of one beat, of one image's results.
    options : StreamOptions
    early : int
        Beats of an image's results that may come before its last input beat.
    cut : bool
        Whether the verdict is to be kept out of ``i.ready``, which then comes from a register; and where the
        last result comes two cycles behind the last input beat at least, the way to it is cut, too.
    late : bool
        Whether the verdict comes two cycles behind the last input beat, as it does through `Verdicts` for
        several outputs, not one: results wait a cycle for it without stopping what gives them.

    Members
    -------
    i : In(stream of ``lanes``)
    verdict : In(stream of 1)
        Of `ImageSource`; only where images are checked as they enter.
    leaves : Out(1)
        An image's last result is taken.
    tdata, tvalid, tready, tlast, tuser : as `AxiStreamOut`
    """

    def __init__(self, shape, *, lanes, beats, options, early=0, cut=False, late=False):
        self.shape, self.lanes, self.beats, self.early = Shape.cast(shape), lanes, beats, early
        self.judged = options.tlast == "check" and not options.frame_buffer
        self.cut, self.waits = cut, self.judged and (cut or late or early >= beats)
        bits = options.tdata_bits("m_axis", field_bits(shape) * lanes)
        self.pins = AxiStreamOut(shape, lanes=lanes, tdata_bits=bits)
        self.latency = self.pins.latency + self.waits
        members = self.pins.signature.members
        super().__init__(
            {
                **{name: members[name] for name in ("i", "tdata", "tvalid", "tready", "tlast", "tuser")},
                "leaves": Out(1),
                **({"verdict": In(stream.Signature(1))} if self.judged else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.pins = pins = self.pins
        m.d.comb += [
            getattr(self, name).eq(getattr(pins, name)) for name in ("tdata", "tvalid", "tlast", "tuser")
        ]
        m.d.comb += pins.tready.eq(self.tready)
        layout, source = data.ArrayLayout(self.shape, self.lanes), wiring.flipped(self.i)
        if self.waits:
            m.submodules.wait = wait = RegisterSlice(layout)
            wiring.connect(m, source, wait.i)
            source = wait.o
        if self.judged:
            m.submodules.filter = results = ResultFilter(layout, beats=self.beats, early=self.early > 0)
            wiring.connect(m, source, results.i)
            verdict = wiring.flipped(self.verdict)
            if self.cut and self.early < self.beats:  # known long before the last result
                m.submodules.near = near = Fifo(1, 2)
                wiring.connect(m, verdict, near.i)
                verdict = near.o
            wiring.connect(m, verdict, results.verdict)
            wiring.connect(m, results.o, pins.i)
            m.d.comb += [
                pins.last.eq(results.last),
                pins.user.eq(results.invalid),
                self.leaves.eq(results.leaves),
            ]
            return m
        place = Signal(range(max(2, self.beats)))
        wiring.connect(m, source, pins.i)
        m.d.comb += [
            pins.last.eq(place == self.beats - 1),
            self.leaves.eq(pins.i.valid & pins.i.ready & pins.last),
        ]
        with m.If(pins.i.valid & pins.i.ready):
            m.d.sync += place.eq(Mux(pins.last, 0, place + 1))
        return m
