"""Fully parallel Fermat number transforms: all N points every cycle, twiddles as constant wiring."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import FORMS
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.number import Number, check_choice, delayed, shifted
from fermatnet.hw.fermat.shift import Sqrt2
from fermatnet.model.fermat.transform import root_of_order

__all__ = ["ParallelTransform"]


class ParallelTransform(wiring.Component):
    """Forward or inverse transform of N numbers at a time, equation 2.4 (2.9) of the thesis.

    Forward is decimation in frequency, natural order in, bit-reversed order out; inverse is decimation in
    time, bit-reversed in, natural out. N/2 log2 N butterflies and no multiplier; with N > 2b (root of
    sqrt(2)) one subtractor more for each odd twiddle of the longest stage, whose other points are delayed to
    match.

    Latency: ``latency`` = stage_latency * (log2 N, + 1 with sqrt(2)) enabled cycles; throughput: N points per
    enabled cycle.

    ::

        forward, N = 4          x0 --B-------B-- X0        B: butterfly, upper output sum,
                                x1 --|-B-----B-- X2           lower output difference
                                x2 --B-|-1---B-- X1        number: times that power of w,
                                x3 ----B-w---B-- X3           a rotation (wires)

    Parameters
    ----------
    b : width of the modulus, 2..64.
    n : points, a power of two that divides 2b, or 4b (b a multiple of 4); ``InputError`` where no such root
    exists.
    inverse : the inverse transform.
    scale : for the inverse, multiply by 1/N (a rotation, wiring); False leaves it out.
    stage_latency : cycles of each butterfly stage, 0, 1 or 2 (see ``Adder``).
    form : carry form of the adders (see ``Adder``).

    Members
    -------
    i : In(ArrayLayout(Number(b), n)); o : Out(ArrayLayout(Number(b), n)); en : In(1).
    """

    def __init__(
        self,
        b: int,
        n: int,
        *,
        inverse: bool = False,
        scale: bool = True,
        stage_latency: int = 1,
        form: str = "chain",
    ) -> None:
        self.root = root_of_order(b, n)
        check_choice("stage_latency", stage_latency, (0, 1, 2))
        check_choice("form", form, FORMS)
        self.b, self.n, self.inverse, self.scale = self.root.b, self.root.n, bool(inverse), bool(scale)
        self.stage_latency, self.form = stage_latency, form
        self.latency: int = stage_latency * (self.root.log2 + self.root.uses_sqrt2)
        layout = data.ArrayLayout(Number(self.b), self.n)
        super().__init__({"i": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        points = [self.i[p] for p in range(self.n)]
        spans = [self.n >> (s + 1) for s in range(self.root.log2)]
        for span in reversed(spans) if self.inverse else spans:
            points = (
                self._inverse_stage(m, points, span) if self.inverse else self._forward_stage(m, points, span)
            )
        if self.inverse and self.scale:
            points = [shifted(p, -self.root.log2) for p in points]
        m.d.comb += [self.o[p].eq(point) for p, point in enumerate(points)]
        return m

    def _forward_stage(self, m: Module, points: list[data.View], span: int) -> list[data.View]:
        result = list(points)
        for low in (p for p in range(self.n) if not p & span):
            s, d = self._butterfly(m, points[low], points[low + span], span, low)
            j = low % span
            result[low] = self._turn(m, s, 0, span, low)
            result[low + span] = self._turn(m, d, self.root.twiddle(span, j), span, low + span)
        return result

    def _inverse_stage(self, m: Module, points: list[data.View], span: int) -> list[data.View]:
        result = list(points)
        for low in (p for p in range(self.n) if not p & span):
            x = self._turn(m, points[low], 0, span, low)
            y = self._turn(m, points[low + span], -self.root.twiddle(span, low % span), span, low + span)
            result[low], result[low + span] = self._butterfly(m, x, y, span, low)
        return result

    def _butterfly(
        self, m: Module, x: data.View, y: data.View, span: int, position: int
    ) -> tuple[data.View, data.View]:
        m.submodules[f"butterfly_{span}_{position}"] = butterfly = Butterfly(
            self.b, latency=self.stage_latency, form=self.form
        )
        m.d.comb += [butterfly.x.eq(x), butterfly.y.eq(y), butterfly.en.eq(self.en)]
        return butterfly.s, butterfly.d

    def _turn(self, m: Module, x: data.View, half: int, span: int, position: int) -> data.View:
        """x * sqrt(2)^half; in the one stage that may have odd exponents every point takes the time of the
        extra subtraction."""
        if half % 2:
            m.submodules[f"sqrt2_{position}"] = sqrt2 = Sqrt2(
                self.b, latency=self.stage_latency, form=self.form
            )
            m.d.comb += [sqrt2.x.eq(x), sqrt2.en.eq(self.en)]
            x = sqrt2.o
        elif self.root.uses_sqrt2 and 2 * span == self.n:
            x = delayed(m, self.en, x, self.stage_latency)
        return shifted(x, half // 2)
