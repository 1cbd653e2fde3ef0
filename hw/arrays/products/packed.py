"""Several products a multiplier: weights of several outputs side by side in its wide operand, times the one
value that they share.

With words ``sum_f w_f 2^(S f)`` a multiplier gives ``sum_f (w_f x) 2^(S f)``; products of fields further
apart than they are wide come out whole, but for what the sign of the fields below takes away from each (AMD
WP486, "Deep Learning with INT8 Optimization on Xilinx Devices"). Where a field is one bit too narrow, its
product's highest bit is known all the same: it lies on the lowest bit of the product above, which is one AND
(AMD WP521 packs four products of four bits).

The memory holds the word's own digits: ``w_f``, less one where the fields below are negative. So nothing is
added before the multiplier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Shape, Signal, Value

from fermatnet.hw.arrays.products.sums import Sum, SumsOfProducts, Tree, held
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.hard_product import hard_product
from fermatnet.hw.rtl.wide_product import WIDTHS
from fermatnet.hw.rtl.words import range_shape, shape_range

__all__ = ["Packed", "Packing", "packing_for"]

MOST = 4
"""Products of one multiplier at most."""


@dataclass(frozen=True)
class Packing:
    """``fields`` weights ``spacing`` bits apart; products of ``chain`` lanes are added before they are taken
    apart; ``overlap``: whether a product is one bit wider than its field."""

    fields: int
    spacing: int
    chain: int
    overlap: bool


def packing_for(weight: tuple[int, int], x: Shape, target: str) -> Packing | None:
    """As many products in a multiplier of ``target`` as it takes, for weights from ``weight[0]`` to
    ``weight[1]``; None where two do not fit."""
    wide, narrow = WIDTHS.get(target, WIDTHS["lut6"])
    if x.width + (not x.signed) > narrow:
        return None
    corners = [w * value for w in weight for value in shape_range(x)]
    low, high = min(0, *corners), max(0, *corners)
    for fields in range(MOST, 1, -1):
        for spacing in range(wide, 0, -1):
            ones = sum(1 << spacing * field for field in range(fields))
            if weight[0] * ones < -1 << wide - 1 or weight[1] * ones >= 1 << wide - 1:
                continue
            # one less than the least, for what the sign of the field below takes
            top = (1 << spacing - 1) - 1
            lanes = min(top // max(1, -low), top // max(1, high))
            if lanes:
                return Packing(fields, spacing, 1 << lanes.bit_length() - 1, False)
            digit = range_shape(weight[0] - 1, weight[1]).width
            if low - 1 >= -1 << spacing and high < 1 << spacing and digit <= spacing:
                return Packing(fields, spacing, 1, True)
            break
    return None


class Packed(SumsOfProducts):
    """Multipliers that give ``packing.fields`` products each, for as many outputs; sums and registers as in
    `Multiplied`.

    Latency: 1 cycle for the products, and as many for the sums as ``clock`` asks for.
    """

    def __init__(self, weight: tuple[int, int], x: Shape, lanes: int, packing: Packing, clock: Clock):
        self.packing, self.lanes, self.x_shape = packing, lanes, x
        self.weight_shape = range_shape(weight[0] - 1, weight[1])
        depth = (lanes - 1).bit_length()
        width = packing.fields * packing.spacing + depth
        self.step, self.target = clock.adders(width), clock.target
        self.latency, self.levels = 1 + -(-depth // self.step), min(self.step, lanes.bit_length())

    def encoded(self, weight: np.ndarray) -> np.ndarray:
        """Digits of the words: outputs in groups of ``packing.fields``."""
        digits = weight.copy()
        for n in range(weight.shape[-2]):
            if n % self.packing.fields:
                digits[..., n, :] -= digits[..., n - 1, :] < 0
        return digits

    def sums(self, m: Module, platform: Any, weights: Sequence[Any], x: Any, first: int = 0) -> list[Sum]:
        outputs = len(weights)
        found: list[Sum] = []
        for start in range(0, outputs, self.packing.fields):
            rows = [weights[n] for n in range(start, min(start + self.packing.fields, outputs))]
            found += self._group(m, platform, rows, x, first + start)
        return found

    def _group(self, m: Module, platform: Any, rows: list[Any], x: Any, start: int) -> list[Sum]:
        products = []
        lowest: list[list[Value]] = []
        for k in range(self.lanes):
            word = self._word([row[k] for row in rows])
            product = Signal((word * x[k]).shape(), name=f"product{start}_{k}", reset_less=True)
            hard_product(m, platform, word, x[k], product, target=self.target)
            products.append(Sum(product))
            lowest.append(self._lowest(m, [row[k] for row in rows], x[k], f"lowest{start}_{k}"))
        words = Tree(m, products, self.step, f"{start}_")
        while len(words.terms) > 1 and 1 << words.at < self.packing.chain:
            words.level(lambda left: left == 1)
        parts = [self.apart(one.value, len(rows), low) for one, low in zip(words.terms, lowest, strict=False)]
        trees = [Tree(m, [part[f] for part in parts], self.step, f"{start + f}") for f in range(len(rows))]
        for tree in trees:
            tree.at = words.at
            while len(tree.terms) > 1:
                tree.level(lambda left: left == 1)
        return [tree.terms[0] for tree in trees]

    def _word(self, digits: list[Any]) -> Value:
        """Each digit as wide as its field, by its sign."""
        top = len(digits) - 1
        parts = [
            _signed(digit) if f == top else _widened(digit, self.packing.spacing)
            for f, digit in enumerate(digits)
        ]
        return Cat(parts).as_signed()

    def _lowest(self, m: Module, digits: list[Any], x: Any, name: str) -> list[Value]:
        """The lowest bit of every product, one cycle later, where fields overlap."""
        if not self.packing.overlap:
            return []
        bits = [digits[0][0], *(one[0] ^ below[-1] for below, one in pairwise(digits))]
        return [held(m, bit & x[0], f"{name}_{f}") for f, bit in enumerate(bits)]

    def apart(self, word: Value, fields: int, lowest: list[Value]) -> list[Sum]:
        """The sums in the fields of a word, each less what the fields below took."""
        step = self.packing.spacing
        digits = [word[f * step : (f + 1) * step] for f in range(fields - 1)] + [word[(fields - 1) * step :]]
        found, took = [], None
        for f, digit in enumerate(digits):
            negative = digit[-1]
            if f + 1 < fields and self.packing.overlap:
                negative = digits[f + 1][0] ^ lowest[f + 1]
                digit = Cat(digit, negative)
            found.append(Sum(digit.as_signed(), took))
            took = negative
        return found


def _signed(value: Any) -> Value:
    return Value.cast(value)


def _widened(value: Any, width: int) -> Value:
    bits = Value.cast(value)
    return Cat(bits, bits[-1].replicate(width - len(bits)))
