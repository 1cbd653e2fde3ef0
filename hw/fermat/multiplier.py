"""General multiplication: P = XY + X + Y, then low half minus high half with the end-around borrow.

P = xy - 1 fits 2b bits, and 2^b = -1, so the code is lo - hi + borrow; lo - hi = -1 is the zero residue,
which also catches zero divisors (F_5 and F_6 are composite). Only zero operands are gated: the operand
registers are cleared.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.number import Number, check_choice, delayed, number, register
from fermatnet.model.errors import InputError

__all__ = ["Multiplier", "Product", "multiplier_latency"]

GATE_BITS = 4  # products up to this width are made of gates: a DSP block would be wasted on them
DSP_BITS = 17  # unsigned operand that one DSP block takes: 25x18 signed (7-series), 18x18 (ECP5)


def _cost(width: int, form: str) -> tuple[int, int]:
    """(latency, elementary products) of ``Product(width, form)``."""
    if width <= DSP_BITS:
        return 1, 1
    latency, products = _cost(-(-width // 2), form)
    return (latency + 2, 4 * products) if form == "schoolbook" else (latency + 3, 3 * products)


class Product(wiring.Component):
    """p = x * y, plain unsigned, from products that fit one DSP block each.

    Latency: ``latency`` enabled cycles, 1 when the width fits a DSP block, plus 2 ("schoolbook") or 3
    ("karatsuba") per halving;
    throughput: one product per enabled cycle. DSP blocks: 4 ("schoolbook") or 3 ("karatsuba") per halving:
    16 bits 1, 32 bits 4 or 3, 64 bits 16 or 9.

    Parameters
    ----------
    width : bits of each operand.
    form : "schoolbook", or "karatsuba": xl*yh + xh*yl = xl*yl + xh*yh - (xh - xl)(yh - yl), the last on
    magnitudes, so that
        operands never grow past the DSP width.

    Members
    -------
    x, y : In(width); p : Out(2 * width); en : In(1).
    """

    def __init__(self, width: int, *, form: str = "schoolbook") -> None:
        check_choice("form", form, ("schoolbook", "karatsuba"))
        if not isinstance(width, int) or width < 1:
            raise InputError(f"operand width must be a positive integer, not {width!r}")
        self.width, self.form = width, form
        self.half = -(-width // 2)
        self.parts = (4 if form == "schoolbook" else 3) if width > DSP_BITS else 0
        self.latency, self.products = _cost(width, form)
        super().__init__({"x": In(width), "y": In(width), "en": In(1), "p": Out(2 * width)})

    def elaborate(self, platform):
        m = Module()
        parts = [Product(self.half, form=self.form) for _ in range(self.parts)]
        for i, part in enumerate(parts):
            m.submodules[f"part{i}"] = part
            m.d.comb += part.en.eq(self.en)
        if not parts:
            m.d.comb += self.p.eq(
                register(m, self.en, self.x * self.y if self.width > GATE_BITS else self._rows())
            )
        elif self.form == "schoolbook":
            self._schoolbook(m, *parts)
        else:
            self._karatsuba(m, *parts)
        return m

    def _schoolbook(
        self, m: Module, low: "Product", high: "Product", cross0: "Product", cross1: "Product"
    ) -> None:
        h, en = self.half, self.en
        operands = ((low, 0, 0), (high, 1, 1), (cross0, 0, 1), (cross1, 1, 0))
        for part, i, j in operands:
            m.d.comb += [part.x.eq(self._half(self.x, i)), part.y.eq(self._half(self.y, j))]
        middle = register(m, en, cross0.p + cross1.p)
        outer = register(m, en, Cat(low.p, high.p))
        m.d.comb += self.p.eq(register(m, en, Cat(outer[:h], outer[h:] + middle)[: 2 * self.width]))

    def _karatsuba(self, m: Module, low: "Product", high: "Product", cross: "Product") -> None:
        h, en = self.half, self.en
        x0, x1, y0, y1 = (self._half(v, i) for v in (self.x, self.y) for i in (0, 1))
        for part, x, y in ((low, x0, y0), (high, x1, y1)):
            m.d.comb += [part.x.eq(register(m, en, x)), part.y.eq(register(m, en, y))]
        negative_x, negative_y = x1 < x0, y1 < y0
        m.d.comb += [
            cross.x.eq(register(m, en, Mux(negative_x, x0 - x1, x1 - x0)[:h])),
            cross.y.eq(register(m, en, Mux(negative_y, y0 - y1, y1 - y0)[:h])),
        ]
        add = delayed(m, en, negative_x ^ negative_y, cross.latency + 1)
        total = low.p + high.p
        middle = register(m, en, Mux(add, total + cross.p, total - cross.p)[: 2 * h + 1])
        outer = register(m, en, Cat(low.p, high.p))
        m.d.comb += self.p.eq(register(m, en, Cat(outer[:h], outer[h:] + middle)[: 2 * self.width]))

    def _rows(self):
        """The product as a sum of shifted rows, which synthesis keeps out of DSP blocks."""
        rows = [(self.x & self.y[k].replicate(self.width)) << k for k in range(self.width)]
        return sum(rows[1:], rows[0])

    def _half(self, v: Signal, index: int):
        return v[self.half :] if index else v[: self.half]


def multiplier_latency(b: int, form: str) -> int:
    """Latency of a pipelined `Multiplier`: that of its product, and four stages around it."""
    return _cost(b, form)[0] + 4


class Multiplier(wiring.Component):
    """o = x * y modulo 2^b + 1.

    Latency: ``latency`` enabled cycles, 4 + ``Product(b).latency`` (operand registers, product, sum,
    difference, increment), or 0 with ``pipelined=False``; throughput: one product per enabled cycle. DSP
    blocks: see ``Product``.

    Parameters
    ----------
    b : width of the modulus, 2..64.
    form : "schoolbook" or "karatsuba".
    pipelined : False gives one combinational product, for small b.

    Members
    -------
    x, y : In(Number(b)); o : Out(Number(b)); en : In(1).
    """

    def __init__(self, b: int, *, form: str = "schoolbook", pipelined: bool = True) -> None:
        layout = Number(b)
        self.b, self.form, self.pipelined = layout.b, form, pipelined
        check_choice("form", form, ("schoolbook", "karatsuba"))
        self.products = _cost(layout.b, form)[1]
        self.latency = multiplier_latency(layout.b, form) if pipelined else 0
        super().__init__({"x": In(layout), "y": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        b, en = self.b, self.en
        gate = self.x.zero | self.y.zero
        if self.pipelined:
            m.submodules.product = product = Product(b, form=self.form)
            x, y = Signal(b, reset_less=True), Signal(b, reset_less=True)
            with m.If(en):
                m.d.sync += [x.eq(self.x.value & ~gate.replicate(b)), y.eq(self.y.value & ~gate.replicate(b))]
            m.d.comb += [product.x.eq(x), product.y.eq(y), product.en.eq(en)]
            sides = delayed(m, en, (x + y)[: b + 1], product.latency)
            p = register(m, en, (product.p + sides)[: 2 * b])
            gate = delayed(m, en, gate, product.latency + 3)
            difference = register(m, en, p[:b] + ~p[b:] + 1)
        else:
            x, y = (v.value & ~gate.replicate(b) for v in (self.x, self.y))
            p = (x * y + x + y)[: 2 * b]
            difference = Signal(b + 2)
            m.d.comb += difference.eq(p[:b] + (~p[b:])[:b] + 1)
        code = Cat(difference[:b], gate) + ~difference[b]
        result = number(b, code[:b], code[b])
        m.d.comb += self.o.eq(register(m, en, result) if self.pipelined else result)
        return m
