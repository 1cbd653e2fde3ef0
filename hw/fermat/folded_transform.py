"""One-dimensional Fermat number transform, a group of points a cycle: serial transforms side by side, then a
parallel one across."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, shifted
from fermatnet.hw.fermat.serial_transform import FlagDelay, SerialTransform, serial_latency
from fermatnet.hw.fermat.shift import Rotator
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.transform import root_of_order

__all__ = ["FoldedTransform", "folded_latency"]

STAGE = 2  # cycles of every butterfly


def _check(b: int, n: int, lanes: int) -> None:
    root = root_of_order(b, n)
    if (
        isinstance(lanes, bool)
        or not isinstance(lanes, int)
        or lanes < 2
        or lanes & (lanes - 1)
        or 2 * lanes > n
    ):
        raise InputError(f"lanes must be a power of two from 2 to {n // 2} for {n} points, not {lanes!r}")
    if root.uses_sqrt2:
        raise InputError(
            f"a folded transform needs a root that is a power of 2: at most {n // 2} points at b = {b}, not "
            f"{n}"
        )


def folded_latency(b: int, n: int, lanes: int) -> int:
    """Latency of a `FoldedTransform`: serial part, rotator, parallel part."""
    _check(b, n, lanes)
    return serial_latency(b, n // lanes, STAGE) + 1 + STAGE * (lanes.bit_length() - 1)


class FoldedTransform(wiring.Component):
    """Transform of N points modulo 2^b + 1, ``lanes`` points a cycle; orders and scaling as
    ``ParallelTransform``.

    N = beats * lanes. Forward: each lane transforms its own points over the beats, lane l of output beat s is
    turned by w^(l * bitrev(s)), and a parallel transform runs across the lanes; the result is in bit-reversed
    order, as of one transform. The inverse runs backwards. Cost: lanes serial transforms of N / lanes points,
    lanes - 1 rotators, one parallel transform; a serial transform is one lane, a parallel one N.

    Latency: ``latency`` cycles, about N / lanes and the pipelines. Throughput: ``lanes`` points a cycle,
    never stalled.

    Parameters
    ----------
    b, n : modulus width and length; n a power of two that divides 2b.
    lanes : power of two, 2..n/2.
    inverse, scale, form : as ``ParallelTransform``.

    Members
    -------
    valid, i : In(1), In(ArrayLayout(Number(b), lanes)), runs of whole transforms, gaps of any length between
    them.
    o_valid, o : Out(1), Out(ArrayLayout(Number(b), lanes)).
    """

    def __init__(
        self, b: int, n: int, lanes: int, *, inverse: bool = False, scale: bool = True, form: str = "chain"
    ) -> None:
        self.latency = folded_latency(b, n, lanes)
        self.root = root_of_order(b, n)
        self.b, self.n, self.lanes, self.inverse, self.scale, self.form = (
            self.root.b,
            n,
            lanes,
            bool(inverse),
            bool(scale),
            form,
        )
        self.beats = n // lanes
        layout = data.ArrayLayout(Number(self.b), lanes)
        super().__init__({"valid": In(1), "i": In(layout), "o_valid": Out(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        lanes = [self.i[lane] for lane in range(self.lanes)]
        steps = (
            [self._across, self._turn, self._along]
            if self.inverse
            else [self._along, self._turn, self._across]
        )
        valid = self.valid
        for step in steps:
            valid, lanes = step(m, valid, lanes)
        if self.inverse and self.scale:
            lanes = [shifted(lane, -self.root.log2) for lane in lanes]
        m.d.comb += [self.o_valid.eq(valid), *(self.o[at].eq(lane) for at, lane in enumerate(lanes))]
        return m

    def _along(self, m: Module, valid: Signal, lanes: list) -> tuple[Signal, list]:
        """A serial transform in every lane."""
        parts = [
            SerialTransform(self.b, self.beats, inverse=self.inverse, adder_latency=STAGE, form=self.form)
            for _ in lanes
        ]
        for at, (part, lane) in enumerate(zip(parts, lanes, strict=True)):
            m.submodules[f"along{at}"] = part
            m.d.comb += [part.valid.eq(valid), part.i.eq(lane)]
        return parts[0].o_valid, [part.o for part in parts]

    def _across(self, m: Module, valid: Signal, lanes: list) -> tuple[Signal, list]:
        """A parallel transform of every beat."""
        m.submodules.across = part = ParallelTransform(
            self.b, self.lanes, inverse=self.inverse, scale=False, stage_latency=STAGE, form=self.form
        )
        m.submodules.across_valid = flag = FlagDelay(part.latency)
        m.d.comb += [flag.i.eq(valid), part.en.eq(1), *(part.i[at].eq(lane) for at, lane in enumerate(lanes))]
        return flag.o, [part.o[at] for at in range(self.lanes)]

    def _turn(self, m: Module, valid: Signal, lanes: list) -> tuple[Signal, list]:
        """Lane l of beat s times w^(+-l * bitrev(s)); lane 0 is delayed alike."""
        beat = Signal(range(self.beats))
        m.d.sync += beat.eq(Mux(valid, beat + 1, 0))
        later = Signal()
        m.d.sync += later.eq(valid)
        unit = self.root.half // 2 * (-1 if self.inverse else 1)
        result = []
        for at, lane in enumerate(lanes):
            m.submodules[f"turn{at}"] = part = Rotator(self.b, count=self.beats, step=at * unit, latency=1)
            m.d.comb += [part.x.eq(lane), part.k.eq(beat[::-1]), part.en.eq(1)]
            result.append(part.o)
        return later, result
