"""Between integers and residue systems: reduction of wide words, and mixed-radix reconstruction, without a
multiplier.

Both rest on 2^b = -1: a word cut into b-bit chunks c_0, c_1, ... is ``c_0 - c_1 + c_2 - ...``, and a chunk is
already the code of the number ``c_i + 1``; over an even number of chunks the ones cancel, so chunks are added
and subtracted as they are.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.convert import Encoder
from fermatnet.hw.fermat.delay import delay_bits
from fermatnet.hw.fermat.negate import negated
from fermatnet.hw.fermat.number import Number, number, shifted
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.residue import check_widths, halving, modulus

__all__ = ["Reconstruct", "ReconstructPlan", "SignedSum", "WideEncoder", "chunks", "encoder_latency"]


class SignedSum(wiring.Component):
    """o = sum of +-i_k modulo 2^b + 1, as a balanced tree of adders and subtractors.

    Latency: ``latency`` = ceil(log2(terms)) * adder_latency cycles. Throughput: one sum a cycle.

    Parameters
    ----------
    b : int
    signs : tuple of +1 and -1
        One a term.

    Members
    -------
    i : In(ArrayLayout(Number(b), terms)); o : Out(Number(b)).
    """

    def __init__(self, b: int, signs: tuple[int, ...], *, adder_latency: int = 1):
        self.b, self.signs, self.adder_latency = b, tuple(signs), adder_latency
        self.latency = (len(signs) - 1).bit_length() * adder_latency
        layout = Number(b)
        super().__init__({"i": In(data.ArrayLayout(layout, len(signs))), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        terms = [(self.i[k], sign) for k, sign in enumerate(self.signs)]
        level = 0
        while len(terms) > 1:
            following = [
                self._pair(m, f"{level}_{k}", terms[k], terms[k + 1]) for k in range(0, len(terms) - 1, 2)
            ]
            if len(terms) % 2:
                term, sign = terms[-1]
                (late,) = delay_bits(m, f"wait{level}", self.adder_latency, term)
                following.append((data.View(Number(self.b), late), sign))
            terms, level = following, level + 1
        term, sign = terms[0]
        m.d.comb += self.o.eq(term if sign > 0 else negated(term))
        return m

    def _pair(self, m, name, first, second):
        (x, sx), (y, sy) = first, second
        if sx < sy:
            (x, sx), (y, sy) = second, first
        block = (Adder if sx == sy else Subtractor)(self.b, latency=self.adder_latency)
        m.submodules[f"sum{name}"] = block
        m.d.comb += [block.x.eq(x), block.y.eq(y), block.en.eq(1)]
        return block.o, sx


def chunks(bits: Value, b: int) -> list[tuple[data.View, int]]:
    """A word as signed terms modulo 2^b + 1: chunks of b bits (their number made even) as codes, alternately
    added and subtracted."""
    count = -(-len(bits) // b)
    count += count % 2
    padded = Cat(bits, Const(0, count * b - len(bits)))
    return [(number(b, padded[k * b : (k + 1) * b], Const(0, 1)), -1 if k % 2 else 1) for k in range(count)]


def encoder_latency(b: int, shape, adder_latency: int = 1) -> int:
    """Latency of a `WideEncoder`."""
    shape = Shape.cast(shape)
    count = -(-shape.width // b)
    return 1 if count == 1 else (count + count % 2 + shape.signed - 1).bit_length() * adder_latency


class WideEncoder(wiring.Component):
    """o = i modulo 2^b + 1 for an integer of any width.

    Latency: ``latency`` cycles. Throughput: one a cycle. A word of at most b bits is an `Encoder`; a wider
    one is reduced chunk by chunk, a sign worth -2^width = -1 or +1 as one more term.

    Members
    -------
    i : In(shape); o : Out(Number(b)).
    """

    def __init__(self, b: int, shape, *, adder_latency: int = 1):
        self.b, self.shape, self.adder_latency = b, Shape.cast(shape), adder_latency
        self.signs: tuple[int, ...] = ()  # of the chunks and of the sign; none where no reduction is needed
        if self.shape.width > b:
            count = -(-self.shape.width // b)
            self.signs = tuple(
                [-1 if k % 2 else 1 for k in range(count + count % 2)] + [-1] * self.shape.signed
            )
        self.latency = encoder_latency(b, self.shape, adder_latency)
        super().__init__({"i": In(self.shape), "o": Out(Number(b))})

    def elaborate(self, platform):
        m = Module()
        part: Encoder | SignedSum
        if not self.signs:
            m.submodules.encoder = part = Encoder(self.b, self.shape)
            m.d.comb += [part.i.eq(self.i), part.en.eq(1)]
        else:
            m.submodules.sum = part = SignedSum(self.b, self.signs, adder_latency=self.adder_latency)
            count = len(self.signs) - self.shape.signed
            bits = Value.cast(self.i)
            sign = bits[-1] if self.shape.signed else Const(0, 1)
            # the sign fills the even number of chunks: the word is then unsigned less 2^(count * b) = 1 where
            # negative
            terms = [
                term for term, _ in chunks(Cat(bits, sign.replicate(count * self.b - len(bits))), self.b)
            ]
            if self.shape.signed:
                terms.append(number(self.b, Const(0, self.b), ~sign))
            m.d.comb += [part.i[k].eq(term) for k, term in enumerate(terms)]
        m.d.comb += self.o.eq(part.o)
        return m


class ReconstructPlan:
    """Numbers of a `Reconstruct`; InputError for moduli that do not hold the range."""

    def __init__(self, widths: tuple[int, ...], lo: int, hi: int, *, adder_latency: int = 1):
        check_widths(widths)
        if not halving(widths):
            raise InputError(
                f"widths {tuple(widths)}: the hardware needs each to be an even multiple of every smaller one"
            )
        self.total = modulus(widths)
        if not lo <= 0 <= hi or hi - lo >= self.total:
            raise InputError(
                f"outputs in [{lo}, {hi}] exceed the {self.total} values of the moduli {tuple(widths)}"
            )
        self.widths, self.lo, self.hi, self.adder_latency = tuple(widths), lo, hi, adder_latency
        self.bits = max((-lo - 1).bit_length() if lo else 0, hi.bit_length()) + 1
        self.order = sorted(range(len(widths)), key=lambda k: -widths[k])
        self.digit_times = [0]  # cycle in which each digit is there, largest modulus first
        for place, k in enumerate(self.order[1:], 1):
            ready = 0
            for index in range(place):
                terms = len(self._signs(k, index))
                ready = max(self.digit_times[index], ready) + (terms - 1).bit_length() * adder_latency
            self.digit_times.append(ready)
        self.latency = self.digit_times[-1] + (1 if len(widths) == 1 else 3)

    def _signs(self, k: int, index: int) -> tuple[int, ...]:
        """Signs of the terms of residue k less digit ``index``: itself, the digit's chunks, the digit's
        one."""
        return 1, *(-sign for _, sign in chunks(Const(0, self.widths[self.order[index]]), self.widths[k])), -1


class Reconstruct(ReconstructPlan, wiring.Component):
    """The signed integer in [lo, hi] with these residues.

    One modulus: the code with its upper part, above ``hi``, read as negative. Several, widths each an even
    multiple of the smaller: mixed radix from the largest modulus down, where every division is by two, a
    rotation, and every product a shift and an addition (`fermatnet.model.fermat.residue`).
    Latency: ``latency`` cycles. Throughput: one a cycle.

    Parameters
    ----------
    widths : tuple of int
        b of each modulus; any order.
    lo, hi : int
        Range of the result; at most as many values as the moduli tell apart, 0 among them.

    Members
    -------
    i0, i1, ... : In(Number(b))
        Residues, in the order of ``widths``.
    o : Out(signed(bits))
        ``bits`` hold lo and hi.
    """

    def __init__(self, *args, **options):
        ReconstructPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self, {**{f"i{k}": In(Number(b)) for k, b in enumerate(self.widths)}, "o": Out(signed(self.bits))}
        )

    def elaborate(self, platform):
        m = Module()
        if len(self.widths) == 1:
            code, zero = self.i0.value, self.i0.zero
            low = Cat((code + ~zero)[: self.widths[0] + 1], Const(0, 1)).as_signed()
            # v = code + 1 above hi stands for v - (2^b + 1) = code - 2^b: the same low bits under ones
            m.d.sync += self.o.eq(Mux(~zero & (code >= self.hi), Cat(code, Const(1, 1)).as_signed(), low))
            return m
        digits = self._digits(m)
        value = Signal(range(self.total))
        m.d.sync += value.eq(self._combine([Cat(digit.value, Const(0, 1)) + ~digit.zero for digit in digits]))
        above, same = Signal(), Signal.like(value)
        m.d.sync += [above.eq(value > self.hi), same.eq(value)]
        m.d.sync += self.o.eq(Mux(above, same - self.total, same))
        return m

    def _combine(self, digits):
        """The number with these mixed-radix digits, by Horner: total * (2^b + 1) + digit, a shift and two
        additions each."""
        total = Const(0, 1)
        for k, digit in zip(reversed(self.order), reversed(digits), strict=True):
            total = (total << self.widths[k]) + total + digit
        return total

    def _digits(self, m):
        """Mixed-radix digits, all delayed to the time of the last one."""
        digits = []
        for place, k in enumerate(self.order):
            current, at = getattr(self, f"i{k}"), 0
            for index in range(place):
                other_b, b = self.widths[self.order[index]], self.widths[k]
                start = max(self.digit_times[index], at)
                m.submodules[f"sum{k}_{index}"] = block = SignedSum(
                    b, self._signs(k, index), adder_latency=self.adder_latency
                )
                (mine,) = delay_bits(m, f"mine{k}_{index}", start - at, current)
                (digit,) = delay_bits(m, f"digit{k}_{index}", start - self.digit_times[index], digits[index])
                other = data.View(Number(other_b), digit)
                terms = [
                    data.View(Number(b), mine),
                    *(t for t, _ in chunks(other.value, b)),
                    number(b, Const(0, b), other.zero),
                ]
                m.d.comb += [block.i[t].eq(term) for t, term in enumerate(terms)]
                current, at = shifted(block.o, -1), start + block.latency
            digits.append(current)
        last = self.digit_times[-1]
        aligned = []
        for index, (digit, k) in enumerate(zip(digits, self.order, strict=True)):
            (late,) = delay_bits(m, f"align{k}", last - self.digit_times[index], digit)
            aligned.append(data.View(Number(self.widths[k]), late))
        return aligned
