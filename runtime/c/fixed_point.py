"""``(x m + o) >> shift`` without shifting anything negative, in 32 bits where that is exact.

The offset is raised by ``lift * 2^shift`` so that the sum is never negative; unsigned arithmetic modulo 2^32
then holds it, and the lift is taken off after the shift. Where the product passes 32 bits, x is split: with
``x = h 2^k + l``, ``0 <= l < 2^k``, and ``o = p 2^k + q``, nested floors give ``(x m + o) >> s = (h m + p +
((l m + q) >> k)) >> (s - k)``, both parts in 32 bits. Small processors have no 64-bit product."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.network.nodes import TensorType

__all__ = ["Split", "Straight", "affine_form"]


@dataclass(frozen=True)
class Straight:
    """One product of ``width`` bits (32 or 64); ``offset``: raised, by channel; ``lowest``, ``highest``:
    results before clipping."""

    width: int
    offset: list[int]
    lift: int
    lowest: int
    highest: int


@dataclass(frozen=True)
class Split:
    """Two products of 32 bits: x + ``lift_x`` is cut at ``bits``; ``low`` and ``high``: raised offsets by
    channel."""

    bits: int
    lift_x: int
    low: list[int]
    high: list[int]
    lift: int
    lowest: int
    highest: int


def affine_form(x: TensorType, multiplier: np.ndarray, offset: np.ndarray, shift: int) -> Straight | Split:
    """The narrowest exact form for any x of the type."""
    m, o = [int(v) for v in multiplier], [int(v) for v in offset]
    ends = [a * end + b for a, b in zip(m, o, strict=True) for end in (x.lo, x.hi)]
    lowest, highest = min(ends) >> shift, max(ends) >> shift
    lift = max(0, -lowest)
    top = max(ends) + (lift << shift)
    small = x.lo >= -(1 << 31) and x.hi < 1 << 31
    if small and top < 1 << (32 if shift else 31):
        return Straight(32, [b + (lift << shift) for b in o], lift, lowest, highest)
    split = _split(x, m, o, shift, lift, lowest, highest) if small else None
    return split or Straight(64, [b + (lift << shift) for b in o], lift, lowest, highest)


def _split(
    x: TensorType, m: list[int], o: list[int], shift: int, lift: int, lowest: int, highest: int
) -> Split | None:
    """The split form with the fewest low bits that fits 32 bits, or None."""
    for bits in range(1, min(shift, 24)):
        lift_x = -(-max(0, -x.lo) // (1 << bits)) << bits
        if x.hi + lift_x >= 1 << 32:
            return None
        rest = [b - lift_x * a for a, b in zip(m, o, strict=True)]  # x m + o = (x + lift_x) m + rest
        mask = (1 << bits) - 1
        raise_low = max(0, -(-max(-min(0, a * mask) for a in m) // (1 << bits)))
        low = [(b & mask) + (raise_low << bits) for b in rest]
        high = [(b >> bits) - raise_low + (lift << (shift - bits)) for b in rest]
        low_top = max(max(0, a * mask) + b for a, b in zip(m, low, strict=True))
        top = (highest + lift + 1) << (shift - bits)
        if low_top < 1 << 32 and top <= 1 << 32 and (shift > bits or top <= 1 << 31):
            return Split(bits, lift_x, low, high, lift, lowest, highest)
    return None
