"""The number systems of the software convolution, and their properties in the kernels."""

import math

from fermatnet.model.fermat.software.codegen import BITS

__all__ = ["MODULI", "PASSES", "modulus", "modulus_name", "widest"]

# passes of the 16-bit product, see kernels/products.h; 48: its 52-bit product in that unit
PASSES = {3: 1, 4: 2, 5: 4, 48: 9}
MODULI: tuple[tuple[int, ...], ...] = (
    (3,),
    (4,),
    (3, 4),
    (5,),
    (3, 5),
    (48,),
    (4, 5),
    (3, 4, 5),
)  # by product


def modulus(moduli: tuple[int, ...]) -> int:
    """Product of the moduli of a system."""
    return math.prod((1 << BITS[t]) + 1 for t in moduli)


def modulus_name(t: int) -> str:
    """How messages call a modulus."""
    return f"F_{t}" if t < 6 else f"2^{t}+1"


def widest() -> int:
    """The largest |y| that any set of moduli represents."""
    return modulus(MODULI[-1]) // 2 - 1
