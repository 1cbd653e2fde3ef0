"""Multiplication by powers of two: constant (wiring) and variable (a rotator); by sqrt(2): two rotations and
a subtraction."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import FORMS, Subtractor
from fermatnet.hw.fermat.number import Number, check_choice, delayed, number, register, shifted, turned_bits
from fermatnet.model.errors import InputError

__all__ = ["ConstantShift", "Rotator", "Sqrt2"]


class ConstantShift(wiring.Component):
    """o = x * 2^k modulo 2^b + 1 for a constant k of either sign: wiring and a gate per complemented bit.

    Latency: ``latency`` enabled cycles (0 or 1); throughput: one per enabled cycle.

    Members
    -------
    x : In(Number(b)); o : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, k: int, *, latency: int = 0) -> None:
        check_choice("latency", latency, (0, 1))
        if isinstance(k, bool) or not isinstance(k, int):
            raise InputError(f"shift k must be an integer, not {k!r}")
        layout = Number(b)
        self.b, self.k, self.latency = layout.b, k, latency
        super().__init__({"x": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(delayed(m, self.en, shifted(self.x, self.k), self.latency))
        return m


class Rotator(wiring.Component):
    """o = x * 2^(k * step) modulo 2^b + 1 for a variable k: one level of multiplexers per bit of k, the zero
    gate once at the end.

    Latency: ``latency`` enabled cycles (0, 1, or 2 with a register half way); throughput: one per enabled
    cycle.

    Parameters
    ----------
    b : width of the modulus, 2..64.
    count : k is 0..count-1; 2b by default, every power of two.
    step : exponent of one unit of k, 1 by default; a transform of few points needs few levels.
    negates : with a port ``negate``: o = -x * 2^(k * step) where it is high, in the first level's tables.

    Members
    -------
    x : In(Number(b)); k : In(range(count)); o : Out(Number(b)); en : In(1); negate : In(1) if ``negates``.
    """

    def __init__(
        self, b: int, *, count: int | None = None, step: int = 1, latency: int = 1, negates: bool = False
    ) -> None:
        check_choice("latency", latency, (0, 1, 2))
        layout = Number(b)
        count = 2 * layout.b if count is None else count
        if not isinstance(count, int) or count < 2:
            raise InputError(f"a rotator needs at least two shift amounts, not {count!r}")
        self.b, self.count, self.step, self.latency, self.negates = layout.b, count, step, latency, negates
        more = {"negate": In(1)} if negates else {}
        super().__init__({"x": In(layout), "k": In(range(count)), "en": In(1), "o": Out(layout), **more})

    def elaborate(self, platform):
        m = Module()
        bits, k, zero = self.x.value, self.k, self.x.zero
        if self.negates:
            bits = bits ^ self.negate.replicate(self.b)
        levels = len(self.k)
        for level in range(levels):
            if self.latency == 2 and level == levels // 2:
                bits, k, zero = (register(m, self.en, v) for v in (bits, k, zero))
            bits = Mux(k[level], turned_bits(bits, self.step << level), bits)
        result = number(self.b, bits & ~zero.replicate(self.b), zero)
        m.d.comb += self.o.eq(register(m, self.en, result) if self.latency else result)
        return m


class Sqrt2(wiring.Component):
    """o = x * sqrt(2) = x * 2^(3b/4) - x * 2^(b/4) modulo 2^b + 1, b a multiple of 4.

    Latency: ``latency`` enabled cycles, as ``Subtractor``; throughput: one per enabled cycle.

    Members
    -------
    x : In(Number(b)); o : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, *, latency: int = 1, form: str = "chain") -> None:
        layout = Number(b)
        if layout.b % 4:
            raise InputError(f"sqrt(2) needs a width b that is a multiple of 4, not {b}")
        check_choice("latency", latency, (0, 1, 2))
        check_choice("form", form, FORMS)
        self.b, self.latency, self.form = layout.b, latency, form
        super().__init__({"x": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.subtractor = s = Subtractor(self.b, latency=self.latency, form=self.form)
        m.d.comb += [
            s.x.eq(shifted(self.x, 3 * self.b // 4)),
            s.y.eq(shifted(self.x, self.b // 4)),
            s.en.eq(self.en),
            self.o.eq(s.o),
        ]
        return m
