"""Diminished-1 adder and subtractor: zeros handled inside the carries, without operand multiplexers.

With codes X, Y and flags zx, zy the sum's code is X + Y + c, c = not(carry | zx | zy); the flag is the carry
out of that increment. A subtraction adds the complement of Y; a zero y adds all ones, which its own c = 1
takes back. The flags enter as extra top bits of the two carry chains, so they cost no logic after a chain.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, check_choice, number, register
from fermatnet.hw.fermat.prefix import prefix_carries

__all__ = ["FORMS", "AddSub", "Adder", "Subtractor"]

FORMS = ("chain", "select", "prefix")


class Adder(wiring.Component):
    """o = x + y modulo 2^b + 1.

    Latency: ``latency`` enabled cycles, 0, 1 or 2; throughput: one sum per enabled cycle.

    Parameters
    ----------
    b : width of the modulus, 2..64.
    latency : 0 combinational; 1 output register; 2 also a register between sum and increment (half the carry
    delay).
    form : "chain": sum, then end-around increment, two carry chains that share their propagate signals
    (smallest on an FPGA);
        "select": sum and sum + 1 side by side, then a multiplexer (one carry chain of delay in one cycle);
        "prefix": Sklansky parallel-prefix carries with the inverted end-around carry as last level (for
        ASIC).

    Members
    -------
    x, y : In(Number(b)); o : Out(Number(b)); en : In(1), advances the registers.
    """

    subtract = False

    def __init__(self, b: int, *, latency: int = 1, form: str = "chain") -> None:
        check_choice("latency", latency, (0, 1, 2))
        check_choice("form", form, FORMS)
        layout = Number(b)
        self.b, self.latency, self.form = layout.b, latency, form
        super().__init__({"x": In(layout), "y": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        zx, zy = self.x.zero, self.y.zero
        if self.subtract:
            no_increment, propagate, keep, both = zx & ~zy, ~zy, ~zy | zx, Const(0, 1)
        else:
            no_increment, propagate, keep, both = zx | zy, Const(1, 1), Const(1, 1), zx & zy
        build = {"chain": self._chain, "select": self._select, "prefix": self._prefix}[self.form]
        result = build(m, no_increment, propagate, keep, both)
        m.d.comb += self.o.eq(register(m, self.en, result) if self.latency else result)
        return m

    # Each form adds the codes (a subtraction the complement of y) and gets four bits:
    #   the carry at bit b becomes carry(no_increment, propagate, carry of x + y), its complement is the
    #   increment;
    #   flag = both | keep & carry out of the increment.

    def _sum(
        self,
        carry: Value | None,
        x: Value,
        y: Value,
        more_x: tuple[Value, ...] = (),
        more_y: tuple[Value, ...] = (),
    ) -> Value:
        """x + y + carry as one carry chain; written as a subtraction where y is a complement, so that no
        inverter precedes the chain."""
        if self.subtract:  # the lowest bit turns the subtraction's own carry-in of 1 into `carry`
            low = Const(0, 1) if carry is None else carry
            return (Cat(low, x, *more_x) - Cat(Const(1, 1), y, *(~bit for bit in more_y)))[
                1 : len(x) + len(more_x) + 1
            ]
        if carry is None:
            return (Cat(x, *more_x) + Cat(y, *more_y))[: len(x) + len(more_x)]
        return (Cat(carry, x, *more_x) + Cat(carry, y, *more_y))[1 : len(x) + len(more_x) + 1]

    def _chain(self, m: Module, no_increment: Value, propagate: Value, keep: Value, both: Value) -> data.View:
        b, x, y, zero, one = self.b, self.x.value, self.y.value, Const(0, 1), Const(1, 1)
        total = self._sum(None, x, y, (no_increment, one), (propagate, zero))
        increment = total[b + 1]
        if self.latency == 2:
            s, increment, keep, both = (register(m, self.en, v) for v in (total[:b], increment, keep, both))
            final = Cat(s, keep, both) + increment if self.subtract else Cat(s, both) + increment
            return number(b, final[:b], final[b + 1 if self.subtract else b])
        final = self._sum(increment, x, y, (increment & keep, both), (zero, zero))
        return number(b, final[:b], final[b + 1])

    def _select(
        self, m: Module, no_increment: Value, propagate: Value, keep: Value, both: Value
    ) -> data.View:
        b, x, y, zero, one = self.b, self.x.value, self.y.value, Const(0, 1), Const(1, 1)
        total = self._sum(None, x, y, (no_increment, one), (propagate, zero))
        above = self._sum(one, x, y, (zero,), (zero,))
        s, increment = total[:b], total[b + 1]
        if self.latency == 2:
            s, increment, above, keep, both = (
                register(m, self.en, v) for v in (s, increment, above, keep, both)
            )
        return number(b, Mux(increment, above[:b], s), both | (increment & keep & above[b]))

    def carries(self, m: Module, generate: Value, propagate: Value) -> tuple[list[Value], list[Value]]:
        """The network of the prefix form; its proof puts free words in its place."""
        return prefix_carries(generate, propagate)

    def _prefix(
        self, m: Module, no_increment: Value, propagate: Value, keep: Value, both: Value
    ) -> data.View:
        b, x = self.b, self.x.value
        y = (~self.y.value)[:b] if self.subtract else self.y.value
        half = x ^ y
        g, p = self.carries(m, x & y, half)
        increment = ~((no_increment & propagate) | (propagate & g[b - 1]) | (no_increment & g[b - 1]))
        g, p = Cat(*g), Cat(*p)
        if self.latency == 2:
            half, g, p, increment, keep, both = (
                register(m, self.en, v) for v in (half, g, p, increment, keep, both)
            )
        carries = g | (p & increment.replicate(b))
        value = half ^ Cat(increment, carries[: b - 1])
        return number(b, value, both | (increment & keep & carries[b - 1]))


class Subtractor(Adder):
    """o = x - y modulo 2^b + 1; parameters, members, latency and throughput of ``Adder``."""

    subtract = True


class AddSub(wiring.Component):
    """o = x + y, or x - y where ``subtract`` is high, modulo 2^b + 1: one pair of carry chains for both.

    A subtraction adds the complement of y, so that the first chain's table holds the choice of a sign, and a
    multiplexer before ``y`` too where x is a register.
    Latency: ``latency`` enabled cycles, 0, 1 or 2, as `Adder` of the form "chain"; throughput: one result per
    enabled cycle.

    Members
    -------
    x, y : In(Number(b)); subtract : In(1); o : Out(Number(b)); en : In(1), advances the registers.
    """

    def __init__(self, b: int, *, latency: int = 2) -> None:
        check_choice("latency", latency, (0, 1, 2))
        layout = Number(b)
        self.b, self.latency = layout.b, latency
        super().__init__({"x": In(layout), "y": In(layout), "subtract": In(1), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        b, less, zx, zy = self.b, self.subtract, self.x.zero, self.y.zero
        # the four bits of `Adder`, for either sign
        no_increment, propagate = Mux(less, zx & ~zy, zx | zy), ~(less & zy)
        keep, both = zx | ~(less & zy), zx & zy & ~less
        # x + y' as x - ~y' and a borrow from the lowest bit: of a difference synthesis knows which operand
        # feeds the carries directly, so that the sign, and what chooses y, go into the table of the sum
        low, one, opposite = Const(0, 1), Const(1, 1), self.y.value ^ (~less).replicate(b)
        total = (Cat(low, self.x.value, no_increment, one) - Cat(one, opposite, ~propagate, one))[1 : b + 3]
        s, increment = total[:b], total[b + 1]
        if self.latency == 2:
            s, increment, keep, both = (register(m, self.en, v) for v in (s, increment, keep, both))
        final = Cat(s, keep, both) + increment
        result = number(b, final[:b], final[b + 1])
        m.d.comb += self.o.eq(register(m, self.en, result) if self.latency else result)
        return m
