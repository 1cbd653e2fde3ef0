"""Exact forms of one piecewise dot product, and which is cheapest.

Every form is a few *groups*: group q counts terms of weight q * 2^e, and the dot product is the sum of the
groups, each times its odd number q. Groups come from

*planes*: products of a weight plane and an activation plane whose coefficients multiply to q * 2^e (negative
ones as NAND, the constant it adds is taken off once an output). One-hot planes are the M x N of (3.19); fewer
planes give the same levels.

*table*: one look-up per weight-activation pair, its product (less the smallest one, so that it is not
negative) as plain bits.

All arithmetic is modulo 2^width of the accumulator, which holds the true result; constants never cost logic.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from fermatnet.hw.piecewise.compressor.prices import PRICES
from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.planes import Planes, digits, one_hot, short_planes

__all__ = ["FORMS", "Form", "Group", "binary_form", "choose_form", "estimate", "forms_of"]

FORMS = ("auto", "planes", "powers", "one-hot", "table")


@dataclass(frozen=True)
class Group:
    """Terms of weight factor * 2^e; ``pairs[e]``: (weight plane, activation plane, gate) of each pair of a
    lane;
    ``bits``: product-table bits of a lane, one a column from column ``len(pairs)`` up."""

    factor: int
    pairs: tuple[tuple[tuple[int, int, str], ...], ...] = ()
    bits: int = 0


@dataclass(frozen=True)
class Form:
    """One exact way to build a lane. ``offset``: what a lane's terms add up to beyond the true product.

    ``kind``; ``weight_planes`` and ``activation_planes`` (planes), or ``products`` (table): product minus the
    smallest one, divided by the common factor, by [code][index]; ``weight_bits``: bits a weight takes in
    memory.
    """

    kind: str
    groups: tuple[Group, ...]
    offset: int
    weight_planes: Planes | None = None
    activation_planes: Planes | None = None
    products: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    weight_bits: int = 0

    @property
    def planes(self) -> int:
        """AND-popcount planes really built (0 for a table)."""
        return sum(len(column) for group in self.groups for column in group.pairs)


def _odd(value: int) -> tuple[int, int]:
    exponent = (value & -value).bit_length() - 1
    return value >> exponent, exponent


def _planes_form(kind: str, weight: Planes, activation: Planes) -> Form:
    columns: dict[int, dict[int, list[tuple[int, int, str]]]] = {}
    offset = 0
    for i, a in enumerate(weight.coefficients):
        for j, b in enumerate(activation.coefficients):
            factor, exponent = _odd(abs(a * b))
            negative = a * b < 0
            offset += abs(a * b) if negative else 0
            columns.setdefault(factor, {}).setdefault(exponent, []).append(
                (i, j, "nand" if negative else "and")
            )
    groups = tuple(
        Group(factor, tuple(tuple(by[e]) if e in by else () for e in range(max(by) + 1)))
        for factor, by in sorted(columns.items())
    )
    return Form(kind, groups, offset, weight, activation, weight_bits=weight.count)


def binary_form(weight: tuple[int, ...], activation: tuple[int, ...]) -> Form:
    """Of values that are given by their bits: what each bit counts, signed powers of two."""
    return _planes_form("binary", Planes(weight, ()), Planes(activation, ()))


def _table_form(levels_w: np.ndarray, levels_a: np.ndarray) -> Form:
    common = int(np.gcd.reduce(levels_w) * np.gcd.reduce(levels_a)) or 1
    products = np.outer(levels_w, levels_a)
    least = int(products.min())
    shifted = (products - least) // common
    factor, exponent = _odd(common)
    bits = int(shifted.max()).bit_length()
    group = Group(factor, ((),) * exponent, bits)
    return Form(
        "table",
        (group,) if bits else (),
        -least,
        products=tuple(tuple(int(p) for p in row) for row in shifted),
        weight_bits=(levels_w.size - 1).bit_length(),
    )


def forms_of(levels_w: ArrayLike, levels_a: ArrayLike) -> dict[str, Form]:
    """All forms by name."""
    return dict(
        _forms(tuple(np.asarray(levels_w, np.int64).tolist()), tuple(np.asarray(levels_a, np.int64).tolist()))
    )


@lru_cache(maxsize=1024)
def _forms(levels_w: tuple[int, ...], levels_a: tuple[int, ...]) -> dict[str, Form]:
    """Finding planes takes up to a second, and a compiler asks for the same levels at every fold."""
    w, a = np.array(levels_w, np.int64), np.array(levels_a, np.int64)
    return {
        "planes": _planes_form("planes", short_planes(w), short_planes(a)),
        "powers": _planes_form("powers", short_planes(w, powers=True), short_planes(a, powers=True)),
        "one-hot": _planes_form("one-hot", one_hot(w), one_hot(a)),
        "table": _table_form(w, a),
    }


def estimate(form: Form, simd: int, pe: int, target: str) -> float:
    """LUT cells of one output's dot product (its share of the activation planes included), by the price of
    terms in tall heaps."""
    per_pair, per_bit, _ = PRICES[target if target in PRICES else "lut6"]
    table_inputs = 4 if target == "ecp5" else 6
    total, second = 0.0, 0
    for group in form.groups:
        heap = simd * sum(len(column) << e for e, column in enumerate(group.pairs)) + simd * (
            (1 << group.bits) - 1
        )
        total += per_pair * simd * sum(map(len, group.pairs)) + per_bit * simd * group.bits
        second += heap.bit_length() * len(digits(group.factor))
    if len(form.groups) > 1 or any(group.factor > 1 for group in form.groups):
        total += per_bit * second
    if form.kind == "table":
        inputs = form.weight_bits + (len(form.products[0]) - 1).bit_length()
        total += simd * sum(group.bits for group in form.groups) * (1 << max(0, inputs - table_inputs))
    elif form.activation_planes is not None:
        total += simd * form.activation_planes.count / pe
    return total


def choose_form(
    levels_w: ArrayLike, levels_a: ArrayLike, simd: int, pe: int, target: str, form: str = "auto"
) -> Form:
    """The form asked for, or the cheapest by `estimate`."""
    if form not in FORMS:
        raise InputError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    found = forms_of(levels_w, levels_a)
    return (
        found[form]
        if form != "auto"
        else min(found.values(), key=lambda f: (estimate(f, simd, pe, target), f.weight_bits))
    )
