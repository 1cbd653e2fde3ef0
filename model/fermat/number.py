r"""Diminished-1 numbers modulo F = 2^b + 1, vectorised, bit for bit what the hardware computes.

A residue x in 1..2^b is stored as the b-bit code X = x - 1; zero is a flag beside it. Everywhere the
invariant *zero flag set => code 0* holds, so "flag beside b bits" and "the (b+1)-bit number 2^b" are the same
bits.
F_t = 2^(2^t) + 1 are the Fermat numbers (17, 257, 65537, 2^32 + 1, 2^64 + 1), but every b from 2 to 64 works.

Signed integers go in and out without an adder on the negative side: a negative v keeps its two's-complement
low b bits, a positive v becomes v - 1, and zero is the flag. So codes with the top bit set are the negative
half.

Errata of Algorithm 1 of B. Zhu, "Algorithms for Efficient Inference in Convolutional Neural Networks", TU
Delft 2021.
``tests/model/fermat/test_errata.py`` runs each printed form, shows where it fails, and that the right form
does not.

=============================== ======================================= ===================================
printed                         verdict                                 right form, used here
=============================== ======================================= ===================================
d-1_to_nb = addition(X, 1)      wrong for every X: gives X + 2          X + 1 (addition(X, 0)); needs b + 1
                                                                        bits
nb_to_d-1 = addition(x, 2^b-1)  right                                   x - 1, and 0 -> zero flag
negation = 2^b - X_b            wrong for every nonzero operand         complement 2^b - 1 - X; zero stays
                                                                        zero
addition X_b + Y_b + not carry  right only with b + 1 result bits: each carry-in = not(carry | zx | zy),
                                pair that sums to zero needs the flag   flag from the carry out of the
                                                                        increment
left shift: rotate, complement  right for nonzero operands and k < b;   k >= b complements once more; zero
the bits that wrap              an ungated zero operand gives           is gated (its bits stay 0)
                                2*0 = code 1
multiplication, special case    wrong with the printed negation or with P = XY + X + Y fits 2b bits; code =
-1, halves subtracted           b result bits; else right, but -1 needs lo - hi + borrow in b + 1 bits;
                                its case                                only zero is gated
F_t = 2^(b+1) + 1               misprint                                F_t = 2^b + 1, b = 2^t
=============================== ======================================= ===================================

F_5 and F_6 are composite, so there nonzero times nonzero can be zero; the product's flag comes from the
subtraction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fermatnet.model.errors import InputError

__all__ = ["Number", "Ring", "check_width"]

LOW32 = np.uint64(0xFFFFFFFF)


def check_width(b: int) -> int:
    """b itself; ``InputError`` unless it is an integer from 2 to 64."""
    if isinstance(b, bool) or not isinstance(b, (int, np.integer)) or not 2 <= b <= 64:
        raise InputError(f"width b of the modulus 2^b + 1 must be an integer from 2 to 64, not {b!r}")
    return int(b)


@dataclass(frozen=True, eq=False)
class Number:
    """An array of diminished-1 numbers: ``value`` uint64 (the b-bit codes) and ``zero`` bool, of one shape.

    Indexing, reshaping and stacking act on both arrays. Equality is ``same``: an elementwise comparison of
    the bits.
    """

    value: np.ndarray
    zero: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.value.shape

    def __getitem__(self, index: Any) -> "Number":
        return Number(self.value[index], self.zero[index])

    def reshape(self, *shape: int) -> "Number":
        """The same numbers in another shape."""
        return Number(self.value.reshape(*shape), self.zero.reshape(*shape))

    def moveaxis(self, source: int, destination: int) -> "Number":
        """The same numbers with one axis moved, as `numpy.moveaxis`."""
        return Number(
            np.moveaxis(self.value, source, destination), np.moveaxis(self.zero, source, destination)
        )

    def same(self, other: "Number") -> np.ndarray:
        """Elementwise: are the bits equal (codes and flags)?"""
        return (self.value == other.value) & (self.zero == other.zero)

    @staticmethod
    def stack(parts: Iterable["Number"], axis: int = 0) -> "Number":
        """Arrays of one shape along a new axis."""
        parts = list(parts)
        return Number(np.stack([p.value for p in parts], axis), np.stack([p.zero for p in parts], axis))

    @staticmethod
    def concatenate(parts: Iterable["Number"], axis: int = 0) -> "Number":
        """Arrays joined along an axis that they have."""
        parts = list(parts)
        return Number(
            np.concatenate([p.value for p in parts], axis), np.concatenate([p.zero for p in parts], axis)
        )


class Ring:
    """Arithmetic on diminished-1 numbers modulo 2^b + 1.

    Parameters
    ----------
    b : width of the modulus, 2..64; ``InputError`` otherwise.

    Attributes
    ----------
    modulus : 2^b + 1, a Python int.
    """

    def __init__(self, b: int) -> None:
        self.b = check_width(b)
        self.modulus = (1 << self.b) + 1
        self.mask = np.uint64((1 << self.b) - 1)
        self.top = np.uint64(1 << (self.b - 1))

    def __repr__(self) -> str:
        return f"Ring({self.b})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ring) and other.b == self.b

    def __hash__(self) -> int:
        return hash(("Ring", self.b))

    # -- into and out of the ring

    def zeros(self, shape: tuple[int, ...]) -> Number:
        """An array of zeros."""
        return Number(np.zeros(shape, np.uint64), np.ones(shape, bool))

    def encode(self, v: npt.ArrayLike) -> Number:
        """Signed integers (int64), -2^(b-1) <= v <= 2^(b-1), to numbers; ``InputError`` outside."""
        v = np.asarray(v, np.int64)
        if self.b < 64 and v.size:
            half = 1 << (self.b - 1)
            if int(v.min()) < -half or int(v.max()) > half:
                raise InputError(
                    f"signed values [{v.min()}, {v.max()}] do not fit modulus 2^{self.b} + 1: |v| <= "
                    f"2^{self.b - 1}"
                )
        zero = v == 0
        value = (v - (v > 0)).view(np.uint64) & self.mask
        return Number(value, zero)

    def decode(self, x: Number) -> np.ndarray:
        """Numbers to signed integers (int64) in -2^(b-1)..2^(b-1); ``InputError`` for 2^63, which int64
        cannot hold (b = 64)."""
        negative = (x.value & self.top) != 0
        if self.b == 64:
            if np.any(~x.zero & (x.value == np.uint64((1 << 63) - 1))):
                raise InputError("decoded value 2^63 does not fit int64: use residues() for b = 64")
            high = x.value.view(np.int64)
        else:
            span = np.int64(-(1 << 63)) if self.b == 63 else np.int64(-(1 << self.b))
            high = x.value.view(np.int64) + np.where(negative, span, np.int64(0))
        return np.where(x.zero, 0, np.where(negative, high, high + 1))

    def from_residues(self, x: npt.ArrayLike) -> Number:
        """Any integers (Python ints allowed), reduced modulo F first."""
        flat = [int(v) % self.modulus for v in np.asarray(x, object).ravel()]
        shape = np.asarray(x, object).shape
        value = np.array([max(v - 1, 0) for v in flat], np.uint64).reshape(shape)
        return Number(value, np.array([v == 0 for v in flat], bool).reshape(shape))

    def residues(self, x: Number) -> np.ndarray:
        """Python ints 0..2^b, an object array."""
        return np.where(x.zero, 0, x.value.astype(object) + 1)

    def pack(self, x: Number) -> np.ndarray:
        """The (b+1)-bit words of the hardware layout, value in the low bits, flag on top: Python ints, an
        object array."""
        return np.where(x.zero, np.array(1 << self.b, object), x.value.astype(object))

    def unpack(self, words: npt.ArrayLike) -> Number:
        """Numbers from words of b + 1 bits, the highest bit set for zero; the inverse of `pack`."""
        words = np.asarray(words, object)
        return Number((words & int(self.mask)).astype(np.uint64), ((words >> self.b) & 1).astype(bool))

    # -- arithmetic

    def add(self, x: Number, y: Number) -> Number:
        """x + y: sum, then increment unless a carry came out or an operand is zero; the flag is the
        increment's carry."""
        total = (x.value + y.value) & self.mask
        carry = total < x.value
        increment = ~(carry | x.zero | y.zero)
        value = (total + increment) & self.mask
        return Number(value, (x.zero & y.zero) | (increment & (value == 0)))

    def neg(self, x: Number) -> Number:
        """-x: the complement of the code; zero stays zero."""
        return Number(np.where(x.zero, np.uint64(0), ~x.value & self.mask), x.zero.copy())

    def sub(self, x: Number, y: Number) -> Number:
        """x - y modulo 2^b + 1."""
        return self.add(x, self.neg(y))

    def shift(self, x: Number, k: npt.ArrayLike) -> Number:
        """x * 2^k for any integer k (also negative, also an array): rotate left by k mod b, complement what
        wrapped, and all of it when k mod 2b >= b."""
        k = np.mod(np.asarray(k, np.int64), 2 * self.b)
        turn = k % self.b
        left = turn.astype(np.uint64)
        right = ((self.b - turn) % self.b).astype(np.uint64)
        low = np.where(turn == 0, np.uint64(0), (np.uint64(1) << left) - np.uint64(1))
        rotated = np.where(turn == 0, x.value, ((x.value << left) & self.mask) | (x.value >> right))
        flip = np.where(k >= self.b, ~low & self.mask, low)
        return Number(
            np.where(x.zero, np.uint64(0), rotated ^ flip), np.broadcast_to(x.zero, rotated.shape).copy()
        )

    def sqrt2(self, x: Number) -> Number:
        """x * sqrt(2) = x * 2^(3b/4) - x * 2^(b/4): two rotations and one subtraction; b must be a multiple
        of 4."""
        if self.b % 4:
            raise InputError(f"sqrt(2) needs a width b that is a multiple of 4, not {self.b}")
        return self.sub(self.shift(x, 3 * self.b // 4), self.shift(x, self.b // 4))

    def half_shift(self, x: Number, h: int) -> Number:
        """x * sqrt(2)^h for an integer h: a rotation, and one subtraction when h is odd."""
        return self.shift(self.sqrt2(x) if h % 2 else x, h // 2)

    def product_words(self, x: Number, y: Number) -> tuple[np.ndarray, np.ndarray]:
        """(hi, lo), b bits each, of P = XY + X + Y = xy - 1 < 2^(2b)."""
        b, one = np.uint64(self.b), np.uint64(1)
        if self.b <= 32:
            p = x.value * y.value + x.value + y.value
            return p >> b, p & self.mask
        x1, x0, y1, y0 = x.value >> np.uint64(32), x.value & LOW32, y.value >> np.uint64(32), y.value & LOW32
        p00, p01, p10, p11 = x0 * y0, x0 * y1, x1 * y0, x1 * y1
        middle = (p00 >> np.uint64(32)) + (p01 & LOW32) + (p10 & LOW32)
        low = (p00 & LOW32) | (middle << np.uint64(32))
        high = p11 + (p01 >> np.uint64(32)) + (p10 >> np.uint64(32)) + (middle >> np.uint64(32))
        for term in (x.value, y.value):
            low = low + term
            high = high + (low < term)
        if self.b == 64:
            return high, low
        return ((high << np.uint64(64 - self.b)) | (low >> b)) & self.mask, low & ((one << b) - one)

    def mul(self, x: Number, y: Number) -> Number:
        """x * y: code = lo - hi + borrow of P = XY + X + Y; lo - hi = -1 is the zero residue, also for zero
        divisors."""
        hi, lo = self.product_words(x, y)
        gate = x.zero | y.zero
        borrow = lo < hi
        value = (lo - hi + borrow) & self.mask
        zero = gate | (borrow & (value == 0))
        return Number(np.where(gate, np.uint64(0), value), zero)

    def sum(self, x: Number, axis: int = 0) -> Number:
        """Sum along an axis, pairwise as an adder tree does (the order does not change the bits: residues are
        unique)."""
        x = x.moveaxis(axis, 0)
        while x.shape[0] > 1:
            half = x.shape[0] // 2
            paired = self.add(x[:half], x[half : 2 * half])
            x = Number.concatenate([paired, x[2 * half :]]) if x.shape[0] % 2 else paired
        return x[0]
