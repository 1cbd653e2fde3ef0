"""Signed or unsigned integers to diminished-1 numbers and back."""

from amaranth.hdl import Module, Shape, ShapeLike, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, check_choice, delayed, number
from fermatnet.model.errors import InputError

__all__ = ["Decoder", "Encoder"]


class Encoder(wiring.Component):
    """o = i as a diminished-1 number: a positive v becomes v - 1, a negative one keeps its low b bits, 0 sets
    the flag.

    Latency: ``latency`` enabled cycles (0 or 1); throughput: one per enabled cycle.

    Parameters
    ----------
    b : width of the modulus, 2..64.
    shape : Amaranth shape of the input, signed or unsigned, at most b bits.

    Members
    -------
    i : In(shape); o : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, shape: ShapeLike, *, latency: int = 1) -> None:
        check_choice("latency", latency, (0, 1))
        layout = Number(b)
        shape = Shape.cast(shape)
        if not 1 <= shape.width <= layout.b:
            raise InputError(f"{shape!r} does not fit a diminished-1 code of {b} bits")
        self.b, self.shape, self.latency = layout.b, shape, latency
        super().__init__({"i": In(shape), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        zero = self.i == 0
        positive = ~zero & ~self.i[-1] if self.shape.signed else ~zero
        code = Signal(self.b)
        m.d.comb += [
            code.eq(self.i - positive),
            self.o.eq(delayed(m, self.en, number(self.b, code, zero), self.latency)),
        ]
        return m


class Decoder(wiring.Component):
    """o = i as a signed integer in -2^(b-1)..2^(b-1): the code plus one on the non-negative half, the code
    itself on the negative.

    Latency: ``latency`` enabled cycles (0 or 1); throughput: one per enabled cycle.

    Parameters
    ----------
    b : width of the modulus, 2..64.
    bits : width of the signed result, b + 1 by default; less when a bound on the value is known (the low bits
    are exact).

    Members
    -------
    i : In(Number(b)); o : Out(signed(bits)); en : In(1).
    """

    def __init__(self, b: int, *, bits: int | None = None, latency: int = 1) -> None:
        check_choice("latency", latency, (0, 1))
        layout = Number(b)
        bits = layout.b + 1 if bits is None else bits
        if not isinstance(bits, int) or not 1 <= bits <= layout.b + 1:
            raise InputError(f"a number modulo 2^{b} + 1 decodes to 1..{b + 1} bits, not {bits!r}")
        self.b, self.bits, self.latency = layout.b, bits, latency
        super().__init__({"i": In(layout), "en": In(1), "o": Out(signed(bits))})

    def elaborate(self, platform):
        m = Module()
        increment = ~self.i.value[-1] & ~self.i.zero
        result = Signal(signed(self.bits))
        m.d.comb += [
            result.eq(self.i.value.as_signed() + increment),
            self.o.eq(delayed(m, self.en, result, self.latency)),
        ]
        return m
