"""One-dimensional Fermat number transform, one point a cycle: log2 N stages, an adder and a rotator each."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import AddSub
from fermatnet.hw.fermat.delay import Delay
from fermatnet.hw.fermat.number import Number, number, shifted
from fermatnet.hw.fermat.shift import Rotator, Sqrt2
from fermatnet.model.fermat.transform import Root, root_of_order

__all__ = ["FlagDelay", "SerialStage", "SerialTransform", "points_shape", "serial_latency"]


def twiddle_latency(root: Root, span: int, adder_latency: int) -> int:
    """Cycles of the rotator and of the subtraction for sqrt(2) behind (before) the butterflies that pair
    points ``span`` apart."""
    odd = root.twiddle(span, 1) % 2
    return ((span // 2 if odd else span) > 1) + adder_latency * odd if span > 1 else 0


def stage_latency(root: Root, span: int, adder_latency: int) -> int:
    """Latency of a `SerialStage`."""
    return span + (span == 1) + adder_latency + twiddle_latency(root, span, adder_latency)


def serial_latency(b: int, n: int, adder_latency: int) -> int:
    """Latency of a `SerialTransform`."""
    root = root_of_order(b, n)
    spans = [n >> (stage + 1) for stage in range(root.log2)]
    return sum(stage_latency(root, span, adder_latency) for span in spans)


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
    """o = -x * w^(+-j (N / 2 span)) where ``turn`` is high, else x: a rotator over j, and for the odd
    half-steps of sqrt(2) one subtraction more.

    Latency: ``latency`` cycles, fixed.
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
        odd = self.turn & self.j[0]
        if self.levels > 1:
            step = self.half_steps if self.odd else self.half_steps // 2
            m.submodules.rotator = r = Rotator(self.b, count=self.levels, step=step, latency=1, negates=True)
            k = self.j >> 1 if self.odd else self.j
            m.d.comb += [r.x.eq(self.x), r.en.eq(1), r.k.eq(Mux(self.turn, k, 0)), r.negate.eq(self.turn)]
            later = Signal()
            m.d.sync += later.eq(odd)
            x, odd = r.o, later
        else:
            value = self.x.value ^ (self.turn & ~self.x.zero).replicate(self.b)
            x = number(self.b, value, self.x.zero)
        if self.odd:
            x = self._odd(m, x, odd)
        m.d.comb += self.o.as_value().eq(x)
        return m

    def _odd(self, m: Module, x: Any, odd: Value) -> Value:
        """x times one half-step where ``odd`` is high."""
        m.submodules.sqrt2 = s = Sqrt2(self.b, latency=self.adder_latency, form=self.form)
        m.submodules.straight = straight = Delay(Number(self.b), s.latency)
        m.submodules.flag = flag = FlagDelay(s.latency)
        half = shifted(x, self.half_steps // 2)
        m.d.comb += [s.x.eq(half), s.en.eq(1), straight.i.eq(x), flag.i.eq(odd)]
        return Mux(flag.o, s.o.as_value(), straight.o.as_value())


class SerialStage(wiring.Component):
    """One radix-2 stage over blocks of 2 * span points, one point a cycle.

    ::

        forward   i ----------+--[span]--+--[span]--> x
                              |          +----------> z    (z + y, z - x) --(-w^j)--> o
                              +---------------------> y
        inverse   i --(-w^-j)-+--[span]--+--[span]--> x
                              |          +----------> z    (z - y, z + x) ----------> o
                              +---------------------> y

    In the first half of a block's outputs z is its first point and y its second: their sum leaves. In the
    other half, ``span`` cycles later, z is the second point and x the first: their difference leaves, so that
    one adder does both and nothing is chosen after it. The difference comes with the other sign, which the
    twiddle takes back; the inverse turns the second point's sign before and exchanges sum and difference. A
    stage of span 1 has no twiddle and holds both points for two cycles instead.
    The delays feed forward, so the adder may be pipelined at any span. Runs of ``valid`` are whole
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
        self.latency = stage_latency(root, span, adder_latency)
        layout = points_shape(root.b, lanes)
        super().__init__({"valid": In(1), "i": In(layout), "o_valid": Out(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        points, late = self.i, self.turn_latency if self.inverse else 0
        if self.span > 1 and self.inverse:
            at = self._counter(m, "entering", self.valid)
            points = Signal(self.i.shape())
            turned = self._twiddles(m, _each(self.i, self.lanes), at[-1], at[:-1])
            m.d.comb += points.as_value().eq(turned)
        before = late + self.span + (self.span == 1)
        m.submodules.before, m.submodules.after = before, after = (
            FlagDelay(before),
            FlagDelay(self.latency - before),
        )
        m.d.comb += [before.i.eq(self.valid), after.i.eq(before.o), self.o_valid.eq(after.o)]
        at = self._counter(m, "at", before.o)
        results = (self._held if self.span == 1 else self._passing)(m, points, at, before.o)
        if self.span > 1 and not self.inverse:
            m.submodules.index = index = Delay(len(at), self.adder_latency)
            m.d.comb += index.i.eq(at)
            results = self._twiddles(m, results, index.o[-1], index.o[:-1])
        m.d.comb += self.o.as_value().eq(Cat(results))
        return m

    def _counter(self, m: Module, name: str, valid: Any) -> Signal:
        """Position in a block while ``valid``."""
        at = Signal(range(2 * self.span), name=name)
        m.d.sync += at.eq(Mux(valid, at + 1, 0))
        return at

    def _passing(self, m: Module, points: Any, at: Signal, valid: Any) -> list[Any]:
        """Sums while the second points come, differences while they pass on."""
        both = data.ArrayLayout(self.i.shape(), 2)  # one memory, one address for both delays
        m.submodules.past = past = Delay(both, self.span)
        m.d.comb += [past.i[0].eq(points), past.i[1].eq(past.o[0])]
        lines = zip(*(_each(line, self.lanes) for line in (points, *past.o)), strict=True)
        later = at[-1]
        return [
            self._adder(m, lane, z, Mux(later, x.as_value(), y.as_value()), later ^ self.inverse)
            for lane, (y, z, x) in enumerate(lines)
        ]

    def _held(self, m: Module, points: Any, at: Signal, valid: Any) -> list[Any]:
        """Sum and difference of two points in a row, both held for two cycles."""
        past, first, second = (Signal(self.i.shape(), reset_less=True) for _ in range(3))
        m.d.sync += past.eq(points)
        with m.If(at[-1] | ~valid):
            m.d.sync += [first.eq(past), second.eq(points)]
        pairs = zip(_each(first, self.lanes), _each(second, self.lanes), strict=True)
        return [self._adder(m, lane, x, y.as_value(), at[-1]) for lane, (x, y) in enumerate(pairs)]

    def _adder(self, m: Module, lane: int, x: Any, y: Value, subtract: Value) -> Any:
        m.submodules[f"adder{lane}"] = block = AddSub(self.root.b, latency=self.adder_latency)
        m.d.comb += [block.en.eq(1), block.x.eq(x), block.y.as_value().eq(y), block.subtract.eq(subtract)]
        return block.o

    def _twiddles(self, m: Module, points: list[Any], turn: Any, j: Any) -> Value:
        """The points of all lanes times the twiddle of place ``j``, where ``turn`` is high."""
        found = []
        for lane, point in enumerate(points):
            sign = -1 if self.inverse else 1
            block = Twiddle(self.root, self.span, sign, self.adder_latency, self.form)
            m.submodules[f"twiddle{lane}"] = block
            m.d.comb += [block.x.eq(point), block.turn.eq(turn), block.j.eq(j)]
            found.append(Value.cast(block.o))
        return Cat(found)


class SerialTransform(wiring.Component):
    """Transform of N points modulo 2^b+1, forward (natural in, bit-reversed out) or inverse (the reverse,
    without 1/N).

    Latency: ``latency`` cycles, N - 1 plus the stages' pipelines. Throughput: one point a cycle, never
    stalled. Cost: log2 N adders, rotators of log2 N * (log2 N - 1) / 2 multiplexer levels in all, 2 (N -
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
