"""Proofs that several products of one multiplier come apart (`fermatnet.hw.arrays.products.packed`).

A multiplier gives the sum of all fields, each times its place. The fields are any values in the range that
the sums of ``chain`` products have, so what comes out of the word must be these fields, whatever the
multiplier's operands were. Unbounded in values; nothing is sampled.
"""

from collections.abc import Iterator
from functools import partial

from amaranth.hdl import Module, Shape, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.products.choice import Operands, make
from fermatnet.hw.arrays.products.packed import Packed
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.words import range_shape, shape_range
from fermatnet.synth.formal import Block, Named, Proof, constant
from fermatnet.synth.proofs.claims import all_of

__all__ = ["product_mutants", "product_proofs"]

CASES: dict[str, tuple[tuple[int, int], Shape, str]] = {
    "two of 8 x 8 bits, signed": ((-127, 127), signed(8), "lut6"),
    "two of 8 x 8 bits, unsigned": ((-127, 127), unsigned(8), "lut6"),
    "four of 4 x 4 bits, signed": ((-7, 7), signed(4), "lut6"),
    "four of 4 x 4 bits, unsigned": ((-7, 7), unsigned(4), "lut6"),
    "three of 4 x 4 bits with -8": ((-8, 7), unsigned(4), "lut6"),
    "three of 4 x 4 bits on ecp5": ((-7, 7), unsigned(4), "ecp5"),
}


def _packed(weight: tuple[int, int], x: Shape, target: str) -> Packed:
    block = make(Operands(weight, x, 8, 8), Clock(target=target), "packed")
    assert isinstance(block, Packed)
    return block


class Apart(wiring.Component):
    """Fields ``f0``, ``f1``, ... put together as a multiplier would, and taken apart; all in the same cycle.

    Members: ``f<n>`` In, ``o<n>`` Out, both signed of ``width`` bits. ``lost``: a mutant that forgets what
    the signs below a field took.
    """

    def __init__(self, packed: Packed, width: int, lost: bool = False):
        self.packed, self.width, self.lost = packed, width, lost
        self.fields = packed.packing.fields
        ports = {f"f{n}": In(signed(width)) for n in range(self.fields)}
        super().__init__(ports | {f"o{n}": Out(signed(width)) for n in range(self.fields)})

    def elaborate(self, platform):
        m = Module()
        fields = [getattr(self, f"f{n}") for n in range(self.fields)]
        word = sum(field << self.packed.packing.spacing * n for n, field in enumerate(fields))
        lowest = [field[0] for field in fields] if self.packed.packing.overlap else []
        for n, part in enumerate(self.packed.apart(word, self.fields, lowest)):
            carry = 0 if part.carry is None or self.lost else part.carry
            m.d.comb += getattr(self, f"o{n}").eq(part.value + carry)
        return m


def _proof(weight: tuple[int, int], x: Shape, target: str, lost: bool = False, more: int = 0) -> Proof:
    packed = _packed(weight, x, target)
    corners = [w * value for w in weight for value in shape_range(x)]
    low, high = (packed.packing.chain * end for end in (min(0, *corners), max(0, *corners)))
    width = range_shape(low - 1 - more, high + more).width + 1
    block = Block(Apart(packed, width, lost))
    fields = range(packed.packing.fields)
    within = [
        f"(and (bvsge {port} {constant(low - more, width)}) (bvsle {port} {constant(high + more, width)}))"
        for port in (block.port(f"f{n}", 0) for n in fields)
    ]
    claims = [f"(= {block.port(f'o{n}', 0)} {block.port(f'f{n}', 0)})" for n in fields]
    return Proof(block, all_of(*claims), within)


def product_proofs() -> Iterator[Named]:
    """That the products of every packing come apart."""
    for name, case in CASES.items():
        yield Named(f"products: {name}", partial(_proof, *case))


def product_mutants() -> Iterator[Named]:
    """Without what the signs took, and with sums of one more bit than a field holds."""
    for name, case in CASES.items():
        yield Named(f"products: {name}, signs forgotten", partial(_proof, *case, lost=True), expected=False)
        more = 1 << _packed(*case).packing.spacing
        yield Named(f"products: {name}, too large", partial(_proof, *case, more=more), expected=False)
