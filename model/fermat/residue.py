"""Residue systems of Fermat-like moduli 2^b + 1, and the way back: mixed radix without a multiplier.

Numbers modulo ``M = prod (2^b_i + 1)`` are kept as their residues. Two moduli are coprime exactly when the
2-adic valuations of their widths differ (``gcd(2^a + 1, 2^b + 1) = 1``), so Fermat numbers always are.

When every larger width is an even multiple of every smaller one (Fermat numbers are),
``2^B + 1 = 2 (mod 2^b + 1)``.
Garner's mixed-radix digits, taken from the largest modulus down, then only ever divide by two::

    d_0 = r_0                                             (largest modulus m_0)
    d_i = (...((r_i - d_0) / 2 - d_1) / 2 ... - d_{i-1}) / 2   mod m_i
    v   = d_0 + m_0 (d_1 + m_1 (d_2 + ...))               every product is a shift and an addition

`halving` says whether a system has this form, the one the hardware reconstructs.
"""

from collections.abc import Sequence
from math import gcd, prod

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["balance", "check_widths", "halving", "mixed_radix_digits", "modulus", "reconstruct"]


def check_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """The widths, ascending; InputError unless each is in 2..64 and the moduli 2^b + 1 are pairwise
    coprime."""
    ascending = tuple(sorted(int(b) for b in widths))
    if not ascending:
        raise InputError("a residue system needs at least one modulus")
    for b in ascending:
        if not 2 <= b <= 64:
            raise InputError(f"modulus width must be 2..64 bits, not {b}")
    for i, a in enumerate(ascending):
        for b in ascending[i + 1 :]:
            if gcd(2**a + 1, 2**b + 1) != 1:
                raise InputError(
                    f"moduli 2^{a}+1 and 2^{b}+1 are not coprime (common factor {gcd(2**a + 1, 2**b + 1)})"
                )
    return ascending


def modulus(widths: Sequence[int]) -> int:
    """Number of values the system tells apart: the product of its moduli."""
    return prod(2**b + 1 for b in widths)


def halving(widths: Sequence[int]) -> bool:
    """True if every larger width is an even multiple of every smaller one, so that mixed radix needs no
    multiplier."""
    ordered = sorted(widths)
    return all(b % (2 * a) == 0 for i, a in enumerate(ordered) for b in ordered[i + 1 :])


def mixed_radix_digits(residues: Sequence[np.ndarray], widths: Sequence[int]) -> list[np.ndarray]:
    """Digits d_i (0 <= d_i <= 2^b_i), largest modulus first, of the number with these residues (python
    integers, any system)."""
    order = sorted(range(len(widths)), key=lambda i: -widths[i])
    digits: list[np.ndarray] = []
    for i in order:
        m = 2 ** widths[i] + 1
        value = np.asarray(residues[i]).astype(object) % m
        for digit, j in zip(digits, order, strict=False):
            value = (value - digit) * pow(2 ** widths[j] + 1, -1, m) % m
        digits.append(value)
    return digits


def reconstruct(residues: Sequence[np.ndarray], widths: Sequence[int], lo: int, hi: int) -> np.ndarray:
    """The integers in [lo, lo + M) with these residues, as int64; InputError if [lo, hi] holds more than M
    values.

    residues: one array a modulus, any integer dtype, values 0..2^b; all of one shape. Systems in `halving`
    form whose product stays below 2^62 are done in int64, others in python integers; both are exact.
    """
    total = modulus(widths)
    if hi - lo >= total:
        raise InputError(f"range [{lo}, {hi}] does not fit the {total} values of the moduli {tuple(widths)}")
    if not -(2**63) <= lo <= hi < 2**63:
        raise InputError(f"range [{lo}, {hi}] does not fit 64 bits")
    if total < 2**62 and halving(widths):
        return balance(_reconstruct_halving(residues, widths), total, hi)
    order = sorted(widths, reverse=True)
    value, weight = np.zeros(np.shape(residues[0]), object), 1
    for digit, b in zip(mixed_radix_digits(residues, widths), order, strict=True):
        value = value + digit * weight
        weight *= 2**b + 1
    return balance(value, total, hi).astype(np.int64)


def _reconstruct_halving(residues: Sequence[np.ndarray], widths: Sequence[int]) -> np.ndarray:
    order = sorted(range(len(widths)), key=lambda i: -widths[i])
    digits: list[np.ndarray] = []
    value, weight = np.zeros(np.shape(residues[0]), np.int64), 1
    for i in order:
        m = 2 ** widths[i] + 1
        digit = np.asarray(residues[i]).astype(np.int64)
        for earlier in digits:
            digit = (digit - earlier) % m
            digit = (digit + (digit & 1) * m) >> 1
        digits.append(digit)
        value = value + digit * weight
        weight *= m
    return value


def balance(value: np.ndarray, total: int, hi: int) -> np.ndarray:
    """Representatives 0..total-1 to the interval that ends at ``hi``: those above it lose ``total``."""
    return np.where(value > hi, value - total, value)
