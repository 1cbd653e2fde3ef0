# amaranth: UnusedElaboratable=no
"""Butterflies modulo any prime, as a transform needs them that is no Fermat transform, and the registers
around a circuit that is measured alone."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.shift import Rotator
from fermatnet.model.errors import InputError

__all__ = ["ModularPair", "Registered", "RotatedButterfly", "TwiddleButterfly"]


class Registered(wiring.Component):
    """A combinational component before registers, and with ``inputs`` behind others: latency 1 or 2 cycles,
    one result a cycle."""

    def __init__(self, block: wiring.Component, *, inputs: bool = True) -> None:
        self.block, self.inputs = block, inputs
        super().__init__(dict(block.signature.members.items()))

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = self.block
        for name, member in self.signature.members.items():
            inner, outer = getattr(self.block, name), getattr(self, name)
            if member.flow == Out:
                m.d.sync += outer.eq(inner)
            elif self.inputs:
                m.d.sync += inner.eq(outer)
            else:
                m.d.comb += inner.eq(outer)
        return m


class ModularPair(wiring.Component):
    """s = x + y, d = x - y modulo a fixed ``prime``, all below it; combinational.

    Members
    -------
    x, y : In(bits); s, d : Out(bits), bits those of the prime.
    """

    def __init__(self, prime: int) -> None:
        if prime < 3:
            raise InputError(f"prime must be at least 3, not {prime}")
        self.prime, self.bits = prime, prime.bit_length()
        bits = self.bits
        super().__init__({"x": In(bits), "y": In(bits), "s": Out(bits), "d": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        whole, less = Signal(self.bits + 1), Signal(self.bits + 2)
        difference = Signal(self.bits + 1)
        m.d.comb += [
            whole.eq(self.x + self.y),
            less.eq(whole - self.prime),
            self.s.eq(whole),
            difference.eq(self.x - self.y),
            self.d.eq(difference),
        ]
        with m.If(~less[-1]):
            m.d.comb += self.s.eq(less)
        with m.If(difference[-1]):
            m.d.comb += self.d.eq(difference + self.prime)
        return m


class TwiddleButterfly(wiring.Component):
    """s = x + y, d = (x - y) w modulo a fixed ``prime``, for any w: what a decimation in frequency needs at
    every stage where the powers of the root are not wires. The product is reduced by Barrett's method with
    the constant floor(4^bits / prime) (P. Barrett, CRYPTO 1986).

    Latency: 4 cycles (difference, product, quotient, remainder); throughput: one butterfly a cycle.

    Members
    -------
    x, y, w : In(bits); s, d : Out(bits).
    """

    def __init__(self, prime: int) -> None:
        self.pair = ModularPair(prime)
        self.prime, self.bits, self.latency = prime, self.pair.bits, 4
        bits = self.bits
        super().__init__({"x": In(bits), "y": In(bits), "w": In(bits), "s": Out(bits), "d": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        bits, prime = self.bits, self.prime
        m.submodules.pair = pair = self.pair
        sums = [Signal(bits, name=f"sum{k}") for k in range(3)]
        difference, twiddle = Signal(bits), Signal(bits)
        product, kept = Signal(2 * bits), Signal(bits + 2)
        quotient, rest = Signal(bits + 1), Signal(bits + 2)
        m.d.comb += [pair.x.eq(self.x), pair.y.eq(self.y)]
        m.d.sync += [
            sums[0].eq(pair.s),
            difference.eq(pair.d),
            twiddle.eq(self.w),
            sums[1].eq(sums[0]),
            product.eq(difference * twiddle),
            sums[2].eq(sums[1]),
            kept.eq(product),
            quotient.eq(((product >> (bits - 1)) * ((1 << 2 * bits) // prime)) >> (bits + 1)),
            self.s.eq(sums[2]),
        ]
        m.d.comb += rest.eq(kept - quotient * prime)  # below 3 primes
        with m.If(rest >= 2 * prime):
            m.d.sync += self.d.eq(rest - 2 * prime)
        with m.Elif(rest >= prime):
            m.d.sync += self.d.eq(rest - prime)
        with m.Else():
            m.d.sync += self.d.eq(rest)
        return m


class RotatedButterfly(wiring.Component):
    """The Fermat butterfly with any twiddle, 2^k: s = x + y, d = (x - y) 2^k modulo 2^b + 1, k at run time.
    Where k is fixed, as in a parallel transform, the rotation is wires and `Butterfly` is all.

    Latency: 2 cycles; throughput: one butterfly a cycle.
    """

    def __init__(self, b: int) -> None:
        self.butterfly, self.rotator = Butterfly(b, latency=1), Rotator(b, latency=1)
        self.latency = 2
        number = Number(b)
        k = self.rotator.k.shape()
        super().__init__({"x": In(number), "y": In(number), "k": In(k), "s": Out(number), "d": Out(number)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.butterfly = butterfly = self.butterfly
        m.submodules.rotator = rotator = self.rotator
        turn = Signal.like(self.k)
        m.d.comb += [
            butterfly.x.eq(self.x),
            butterfly.y.eq(self.y),
            butterfly.en.eq(1),
            rotator.en.eq(1),
            rotator.x.eq(butterfly.d),
            rotator.k.eq(turn),
            self.d.eq(rotator.o),
        ]
        m.d.sync += [turn.eq(self.k), self.s.eq(butterfly.s)]
        return m
