"""Systems of moduli and transform lengths that hold a layer's outputs and its kernel, and what they cost."""

from collections.abc import Iterator
from itertools import product
from math import prod

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.residue import check_widths, modulus

__all__ = ["SYSTEMS", "lengths_for", "longest", "no_length", "system_name", "systems_for", "transform_cost"]


SYSTEMS: tuple[tuple[int, ...], ...] = (
    (8,),
    (16,),
    (32,),
    (64,),
    (4, 8),
    (4, 16),
    (8, 16),
    (4, 8, 16),
    (4, 32),
    (8, 32),
    (4, 8, 32),
    (16, 32),
    (8, 16, 32),
)
"""Systems the choice is made from: widths of Fermat numbers F_2 .. F_6."""

ADDITION = 0.25
"""A modular addition against a multiplication of the same width squared: about 20 LUT a byte against 80 for
an 8x8 product."""

LONGEST = 128
"""Longest transform the choice considers; longer ones can be forced."""


def longest(b: int) -> int:
    """Longest power-of-two transform modulo 2^b+1: roots 2 and, where 4 divides b, sqrt(2)."""
    order = 4 * b if b % 4 == 0 else 2 * b
    return order & -order


def system_name(widths: tuple[int, ...]) -> str:
    """How messages call a system."""
    return "{" + ", ".join(f"2^{b}+1" for b in widths) + "}"


def systems_for(low: int, high: int, moduli: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Systems that tell all outputs in [low, high] apart, or the forced one; InputError where none does."""
    fitting = [widths for widths in SYSTEMS if modulus(widths) > high - low]
    if not moduli:
        if not fitting:
            raise InputError(
                f"outputs in [{low}, {high}] exceed every known system of moduli, the largest is "
                f"{system_name(SYSTEMS[-1])}"
            )
        return fitting
    widths = check_widths(moduli)
    if modulus(widths) <= high - low:
        enough = min(fitting, key=modulus, default=None)
        advice = f"{system_name(enough)} would do" if enough else "no known system would do"
        raise InputError(
            f"outputs in [{low}, {high}] exceed the {modulus(widths)} values of the moduli "
            f"{system_name(widths)}; {advice}"
        )
    return [widths]


def lengths_for(widths: tuple[int, ...], kernel: tuple[int, int], forced: int) -> Iterator[tuple[int, int]]:
    """Transform lengths (rows, columns) with a root in every modulus and room for the kernel."""
    limit = min(longest(b) for b in widths)
    if forced:
        if forced >= 2 and forced & (forced - 1) == 0 and forced <= limit and forced >= max(kernel):
            yield forced, forced
        return
    options = [n for n in (4, 8, 16, 32, 64, 128, 256) if n <= min(limit, LONGEST)]
    for ny, nx in product(options, options):
        if ny >= kernel[0] and nx >= kernel[1]:
            yield ny, nx


def no_length(systems: list[tuple[int, ...]], kernel: int, forced: int) -> InputError:
    """Why no length fits."""
    limit = max(min(longest(b) for b in widths) for widths in systems)
    if forced and forced < kernel:
        return InputError(f"kernel of {kernel} taps is longer than the transform of {forced} points")
    if forced:
        return InputError(
            f"no root of order {forced} modulo {system_name(systems[0])}: the length must be a power of two "
            f"that divides {limit}"
            if len(systems) == 1
            else f"no modulus that holds the outputs has a root of order {forced}: the length must be a "
            f"power of two up to {limit}"
        )
    return InputError(
        f"kernel of {kernel} taps is longer than the longest transform of {min(limit, LONGEST)} points"
    )


def transform_cost(
    widths: tuple[int, ...],
    lengths: tuple[int, int],
    tiles: tuple[int, int],
    channels: int,
    outputs: int,
    group: int,
) -> float:
    """8x8-bit multiplications, and additions in that unit, of a layer of one image."""
    points = prod(lengths)
    stages = (points - 1).bit_length()
    total = 0.0
    for b in widths:
        size = (b + 1) / 8
        products = channels * outputs * size * size
        # a butterfly of two points is two additions; the accumulation is one a product
        additions = (
            channels * group + outputs
        ) * stages * ADDITION * size + channels * outputs * ADDITION * size
        total += points * (products + additions)
    return total * prod(tiles)
