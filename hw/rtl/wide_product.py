"""A product of two values wider than a device's multipliers, as the products of their parts."""

from itertools import pairwise

from amaranth.hdl import Cat, Shape, Value

__all__ = ["WIDTHS", "partial_factors", "pieces", "sum_at"]

WIDTHS = {"ecp5": (18, 18), "lut6": (25, 18)}
"""Bits of the signed factors of a target's multipliers; other targets multiply in tables, at any width."""


def pieces(shape: Shape, width: int) -> list[tuple[int, int]]:
    """First and last bit (exclusive) of the parts of a value that a signed multiplier of ``width`` bits
    takes: all but the uppermost part are unsigned, and so one bit narrower."""
    cuts, top = [0], width if shape.signed else width - 1
    while shape.width - cuts[-1] > top:
        cuts.append(cuts[-1] + width - 1)
    return list(pairwise([*cuts, shape.width]))


def partial_factors(a: Value, b: Value, target: str) -> list[tuple[Value, Value, int]]:
    """(factor, factor, place) of the parts of a and b: ``a * b == sum(factor * factor << place)``. One
    product, at place 0, where both fit a multiplier of ``target``."""
    if target not in WIDTHS:
        return [(a, b, 0)]
    wide, narrow = WIDTHS[target]
    if a.shape().width < b.shape().width:
        wide, narrow = narrow, wide
    found = []
    for low_a, high_a in pieces(a.shape(), wide):
        for low_b, high_b in pieces(b.shape(), narrow):
            found.append((_part(a, low_a, high_a), _part(b, low_b, high_b), low_a + low_b))
    return found


def _part(value: Value, low: int, high: int) -> Value:
    part = value[low:high]
    return part.as_signed() if value.shape().signed and high == len(value) else part


def sum_at(total: Value, term: Value, place: int) -> Value:
    """``total + (term << place)``, with no sum where nothing is added: synthesis would make a chain of all
    bits."""
    if not place:
        return total + term
    upper = (total >> place) + term
    result = Cat(total[:place], upper)
    return result.as_signed() if upper.shape().signed else result
