"""Which way an array multiplies: what each way takes, about, and the one that is cheapest."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Shape

from fermatnet.hw.arrays.products.counted import Counted
from fermatnet.hw.arrays.products.multiplied import Multiplied
from fermatnet.hw.arrays.products.packed import Packed, packing_for
from fermatnet.hw.arrays.products.sums import SumsOfProducts, product_shape
from fermatnet.hw.piecewise.compressor.prices import PRICES
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.wide_product import WIDTHS
from fermatnet.hw.rtl.words import range_shape
from fermatnet.model.errors import InputError

__all__ = ["WAYS", "Operands", "choose", "chosen", "make", "prices"]

WAYS = ("multiplied", "packed", "counted")
HARD = {"lut6": 9, "ecp5": 0}
"""Bits of a product from which yosys takes a hard multiplier, where no factor is a single bit."""
SOFT = {"lut6": 1.4, "ecp5": 2.4}
"""Tables for each pair of bits of a product that yosys makes of tables."""
WORTH = {"lut6": 40.0, "ecp5": 40.0}
"""Tables that a multiplier has to save before it is taken, where there are enough: less than its share of a
device (a DSP48E1 stands beside 264 tables of an XC7A100T, a MULT18X18D beside 536 of an LFE5U-85), because
tables run out first."""
LARGEST = 8
"""Bits of a factor up to which products in tables are offered."""


@dataclass(frozen=True)
class Operands:
    """What an array multiplies in a beat: weights from ``weight[0]`` to ``weight[1]`` (0 within) by values of
    shape ``x``, ``lanes`` of them for each of ``outputs``; ``shared``: whether all outputs have the same
    values."""

    weight: tuple[int, int]
    x: Shape
    lanes: int
    outputs: int
    shared: bool = True

    @classmethod
    def of(cls, weight: np.ndarray, x: Shape, lanes: int, outputs: int, shared: bool = True) -> "Operands":
        """With the extremes of ``weight``."""
        return cls((min(0, int(weight.min())), max(0, int(weight.max()))), x, lanes, outputs, shared)

    @property
    def shape(self) -> Shape:
        """Of a weight."""
        return range_shape(*self.weight)


def prices(operands: Operands, target: str) -> dict[str, tuple[float, int]]:
    """(tables, hard multipliers) of each way that there is for a beat's products and sums, about."""
    shape, lanes, outputs = operands.shape, operands.lanes, operands.outputs
    product = product_shape(shape, operands.x)
    sums = outputs * (lanes - 1) * (product.width + 1)
    ands = shape.width * operands.x.width
    if target in WIDTHS and min(shape.width, operands.x.width) >= 2 and product.width >= HARD[target]:
        # a multiplier of xc7 takes in one sum of two
        taken = outputs * (lanes // 2) * (product.width + 1) if target == "lut6" else 0
        found = {"multiplied": (sums - taken, outputs * lanes)}
    else:
        found = {"multiplied": (sums + SOFT.get(target, 1.4) * ands * outputs * lanes, 0)}
    pairs = PRICES.get(target, PRICES["lut6"])[0]
    packing = packing_for(operands.weight, operands.x, target) if operands.shared and outputs > 1 else None
    if packing is not None:
        words = -(-outputs // packing.fields) * lanes
        extra = 2.0 * outputs * lanes if packing.overlap else 0.0
        found["packed"] = (sums + extra, words) if target in WIDTHS else (sums + extra + ands * words, 0)
    if max(shape.width, operands.x.width) <= LARGEST:
        found["counted"] = (pairs * ands * outputs * lanes, 0)
    return found


def choose(operands: Operands, target: str) -> str:
    """The way that takes least, a hard multiplier as so many tables as it is `WORTH`; one by one where the
    target's tables and multipliers are not known."""
    if target not in WIDTHS:
        return "multiplied"
    found = prices(operands, target)
    return min(found, key=lambda way: found[way][0] + found[way][1] * WORTH[target])


def chosen(operands: Operands, target: str, way: str) -> str:
    """The way; `choose`'s for "auto"."""
    return choose(operands, target) if way == "auto" else way


def make(operands: Operands, clock: Clock, way: str = "auto") -> SumsOfProducts:
    """The products of a beat, made in a ``way`` of `WAYS` or as `choose` says; InputError for a way that
    these operands do not have."""
    target = clock.target
    way = chosen(operands, target, way)
    if way not in WAYS:
        raise InputError(f"products must be auto or one of {', '.join(WAYS)}, not {way!r}")
    if way == "packed":
        packing = packing_for(operands.weight, operands.x, target) if operands.shared else None
        if packing is None:
            raise InputError(f"products of these widths do not fit a multiplier of {target} two by two")
        return Packed(operands.weight, operands.x, operands.lanes, packing, clock)
    kind = Multiplied if way == "multiplied" else Counted
    return kind(operands.shape, operands.x, operands.lanes, clock)
