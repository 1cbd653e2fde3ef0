"""One-dimensional Fermat number transform, one point a cycle: log2 N stages of one butterfly and one rotator
each."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.delay import Delay
from fermatnet.hw.fermat.number import Number, shifted
from fermatnet.hw.fermat.shift import Rotator, Sqrt2
from fermatnet.model.fermat.transform import Root, root_of_order

__all__ = ["FlagDelay", "SerialStage", "SerialTransform", "points_shape", "serial_latency"]


def twiddle_latency(root: Root, span: int, adder_latency: int) -> int:
    """Cycles of the rotator and of the subtraction for sqrt(2) behind (before) the butterflies that pair
    points ``span`` apart."""
    odd = root.twiddle(span, 1) % 2
    return ((span // 2 if odd else span) > 1) + adder_latency * odd if span > 1 else 0


def serial_latency(b: int, n: int, adder_latency: int) -> int:
    """Latency of a `SerialTransform`."""
    root = root_of_order(b, n)
    spans = [n >> (stage + 1) for stage in range(root.log2)]
    return sum(span + adder_latency + twiddle_latency(root, span, adder_latency) for span in spans)


def points_shape(b: int, lanes: int | None) -> Any:
    """What travels in a cycle: a number, or ``lanes`` of them side by side."""
    return Number(b) if lanes is None else data.ArrayLayout(Number(b), lanes)


def _each(points: Any, lanes: int | None) -> list[Any]:
    return [points] if lanes is None else [points[lane] for lane in range(lanes)]


class FlagDelay(wiring.Component):
    """o = i ``cycles`` cycles earlier, for one flag that is low after reset (a shift register)."""

    def __init__(self, cycles: int):
        self.cycles = cycles
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        if self.cycles == 0:
            m.d.comb += self.o.eq(self.i)
        else:
            line = Signal(self.cycles)
            m.d.sync += line.eq((line << 1) | self.i)
            m.d.comb += self.o.eq(line[-1])
        return m


class Twiddle(wiring.Component):
    """o = x * w^(+-j (N / 2 span)): a rotator over j, and for the odd half-steps of sqrt(2) one subtraction
    more.

    Latency: ``latency`` cycles, fixed. ``turn`` low multiplies by one.
    """

    def __init__(self, root: Root, span: int, sign: int, adder_latency: int, form: str):
        unit = sign * root.twiddle(span, 1)  # half-steps from one j to the next
        self.b, self.half_steps, self.odd, self.span = root.b, unit, unit % 2 == 1, span
        self.adder_latency, self.form = adder_latency, form
        self.levels = span // 2 if self.odd else span
        self.latency = twiddle_latency(root, span, adder_latency)
        layout = Number(root.b)
        super().__init__({"x": In(layout), "turn": In(1), "j": In(range(max(2, span))), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        x, odd = self.x, self.turn & self.j[0]
        if self.levels > 1:
            m.submodules.rotator = r = Rotator(
                self.b,
                count=self.levels,
                step=self.half_steps if self.odd else self.half_steps // 2,
                latency=1,
            )
            m.d.comb += [
                r.x.eq(x),
                r.en.eq(1),
                r.k.eq(Mux(self.turn, self.j >> 1 if self.odd else self.j, 0)),
            ]
            later = Signal()
            m.d.sync += later.eq(odd)
            x, odd = r.o, later
        if self.odd:
            m.submodules.sqrt2 = s = Sqrt2(self.b, latency=self.adder_latency, form=self.form)
            m.submodules.straight = straight = Delay(Number(self.b), s.latency)
            m.submodules.flag = flag = FlagDelay(s.latency)
            m.d.comb += [
                s.x.eq(shifted(x, self.half_steps // 2)),
                s.en.eq(1),
                straight.i.eq(x),
                flag.i.eq(odd),
            ]
            x = Mux(flag.o, s.o.as_value(), straight.o.as_value())
        m.d.comb += self.o.as_value().eq(x)
        return m


class SerialStage(wiring.Component):
    """One radix-2 stage over blocks of 2 * span points, one point a cycle.

    ::

        forward   i --+--[span]--> x                       s ------------->|\\
                      |              ( butterfly )                         | |--> o
                      +----------> y                       d -(w^j)-[span]>|/
        inverse   i -(w^-j)-+--[span]--> x                 s ------------->|\\
                            |              ( butterfly )                   | |--> o
                            +----------> y                 d -----[span]-->|/

    The delays feed forward, so the butterfly may be pipelined at any span. Runs of ``valid`` are whole
    blocks; gaps between runs may have any length. Latency: ``latency`` cycles. Throughput: one point a cycle.
    ``lanes`` transforms side by side share the counters and the delay memories.

    Members
    -------
    valid, i : In(1), In(points); o_valid, o : Out(1), Out(points), as `points_shape`.
    """

    def __init__(
        self,
        root: Root,
        span: int,
        inverse: bool,
        adder_latency: int,
        form: str,
        lanes: int | None = None,
    ):
        self.root, self.span, self.inverse, self.lanes = root, span, inverse, lanes
        self.adder_latency, self.form = adder_latency, form
        self.turn_latency = twiddle_latency(root, span, adder_latency)
        self.latency = span + adder_latency + self.turn_latency
        layout = points_shape(root.b, lanes)
        super().__init__({"valid": In(1), "i": In(layout), "o_valid": Out(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        layout, span, late = self.o.shape(), self.span, self.turn_latency
        m.submodules.first = first = Delay(layout, span)
        m.submodules.second = second = Delay(layout, span)
        m.submodules.valid = valid = FlagDelay(self.latency)
        phase = Signal(range(2 * span))
        with m.If(self.valid):
            m.d.sync += phase.eq(phase + 1)
        with m.Else():
            m.d.sync += phase.eq(0)
        paired = self.valid & phase[-1]
        m.submodules.mode = mode = FlagDelay(self.adder_latency + late)
        m.d.comb += [valid.i.eq(self.valid), self.o_valid.eq(valid.o), mode.i.eq(paired)]
        source, total, difference = Signal(layout), Signal(layout), Signal(layout)
        m.d.comb += source.eq(self.i)
        butterflies = self._butterflies(m, first.o, source)
        sums, differences = Cat(bf.s for bf in butterflies), Cat(bf.d for bf in butterflies)
        if span > 1 and self.inverse:
            m.d.comb += source.eq(Cat(self._twiddles(m, _each(self.i, self.lanes), paired, phase)))
        elif span > 1:
            m.submodules.straight = straight = Delay(layout, late)
            m.submodules.index = index = Delay(len(phase) - 1, self.adder_latency)
            m.d.comb += [index.i.eq(phase), straight.i.eq(sums)]
            sums = Value.cast(straight.o)
            differences = Cat(self._twiddles(m, [bf.d for bf in butterflies], Const(1, 1), index.o))
        m.d.comb += [
            total.as_value().eq(sums),
            difference.as_value().eq(differences),
            first.i.eq(source),
            second.i.eq(difference),
            self.o.as_value().eq(Mux(mode.o, total.as_value(), second.o.as_value())),
        ]
        return m

    def _butterflies(self, m: Module, first: Any, second: Any) -> list[Butterfly]:
        """One a lane, of points ``span`` apart."""
        found = []
        for lane, (x, y) in enumerate(zip(_each(first, self.lanes), _each(second, self.lanes), strict=True)):
            block = Butterfly(self.root.b, latency=self.adder_latency, form=self.form)
            m.submodules[f"butterfly{lane}"] = block
            m.d.comb += [block.en.eq(1), block.x.eq(x), block.y.eq(y)]
            found.append(block)
        return found

    def _twiddles(self, m: Module, points: list[Any], turn: Any, j: Any) -> list[Value]:
        """The points of all lanes times the twiddle of place ``j``, where ``turn`` is high."""
        found = []
        for lane, point in enumerate(points):
            sign = -1 if self.inverse else 1
            block = Twiddle(self.root, self.span, sign, self.adder_latency, self.form)
            m.submodules[f"twiddle{lane}"] = block
            m.d.comb += [block.x.eq(point), block.turn.eq(turn), block.j.eq(j)]
            found.append(Value.cast(block.o))
        return found


class SerialTransform(wiring.Component):
    """Transform of N points modulo 2^b+1, forward (natural in, bit-reversed out) or inverse (the reverse,
    without 1/N).

    Latency: ``latency`` cycles, N - 1 plus the stages' pipelines. Throughput: one point a cycle, never
    stalled. Cost: log2 N butterflies, rotators of log2 N * (log2 N - 1) / 2 multiplexer levels in all, 2 (N -
    1) words of delay.

    Parameters
    ----------
    b, n : modulus width and length; n a power of two that divides 4b.
    inverse : bool
    adder_latency, form : of every `Adder`.
    lanes : transforms side by side with one control; None: one, whose points are no array.

    Members
    -------
    valid, i : In(1), In(points)
        Runs of whole transforms, gaps of any length between them.
    o_valid, o : Out(1), Out(points), as `points_shape`.
    """

    def __init__(
        self,
        b: int,
        n: int,
        *,
        inverse: bool = False,
        adder_latency: int = 2,
        form: str = "chain",
        lanes: int | None = None,
    ):
        self.root = root_of_order(b, n)
        self.b, self.n, self.inverse, self.adder_latency, self.form = b, n, inverse, adder_latency, form
        self.lanes = lanes
        self.latency = serial_latency(b, n, adder_latency)
        layout = points_shape(b, lanes)
        super().__init__({"valid": In(1), "i": In(layout), "o_valid": Out(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        valid, point = self.valid, self.i
        spans = [self.n >> (stage + 1) for stage in range(self.root.log2)]
        for at, span in enumerate(reversed(spans) if self.inverse else spans):
            m.submodules[f"stage{at}"] = stage = SerialStage(
                self.root, span, self.inverse, self.adder_latency, self.form, self.lanes
            )
            m.d.comb += [stage.valid.eq(valid), stage.i.eq(point)]
            valid, point = stage.o_valid, stage.o
        m.d.comb += [self.o_valid.eq(valid), self.o.eq(point)]
        return m
