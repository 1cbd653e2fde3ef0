"""Fermat number transforms of diminished-1 numbers, step by step as the hardware does them, and a fast equal
on residues.

X(k) = sum_l x(l) w^(lk) mod 2^b + 1, with w of order N (equation 2.4 of the thesis). w = sqrt(2)^(4b/N), so N
is a power of two that divides 2b (twiddles are powers of two: rotations) or 4b (sqrt(2): one extra
subtraction on the odd twiddles of the longest stage). w^(N/2) = -1, hence 1 + w^(m N/2) = 0 for odd m and
every partial sum of roots vanishes, also at composite moduli; 1/N = 2^-log2 N is a rotation too.

Forward is decimation in frequency, natural order in, bit-reversed order out; inverse is decimation in time,
bit-reversed in, natural out. Point-wise products do not care about the order, so nothing is ever permuted.
"""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.number import Number, Ring, check_width

__all__ = [
    "Root",
    "bit_reversal",
    "fast_forward",
    "fast_forward2d",
    "fast_inverse",
    "fast_inverse2d",
    "fast_mul",
    "forward",
    "forward2d",
    "inverse",
    "inverse2d",
    "reduce_balanced",
    "root_of_order",
]


@dataclass(frozen=True)
class Root:
    """The root of unity of order n modulo 2^b + 1 in half-steps: w = sqrt(2)^half, half = 4b/n."""

    b: int
    n: int
    half: int

    @property
    def log2(self) -> int:
        """Stages of a transform of this length."""
        return self.n.bit_length() - 1

    @property
    def uses_sqrt2(self) -> bool:
        """Whether the root is an odd power of the square root of two, and not of two."""
        return self.half % 2 == 1

    @property
    def value(self) -> int:
        """w as a Python int, 0 <= w <= 2^b."""
        modulus = (1 << self.b) + 1
        w = pow(2, self.half // 2, modulus)
        return w * ((1 << (3 * self.b // 4)) - (1 << (self.b // 4))) % modulus if self.uses_sqrt2 else w

    def twiddle(self, span: int, j: int) -> int:
        """Half-step exponent of the twiddle of butterfly j (0 <= j < span) in the stage that pairs points
        `span` apart."""
        return j * (self.n // (2 * span)) * self.half


def root_of_order(b: int, n: int) -> Root:
    """The root of order n modulo 2^b + 1; ``InputError`` where there is none that is a power of sqrt(2)."""
    b = check_width(b)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 2 or n & (n - 1):
        raise InputError(f"transform length must be a power of two, at least 2, not {n!r}")
    n = int(n)
    if (2 * b) % n == 0:
        return Root(b, n, 4 * b // n)
    if (4 * b) % n == 0 and b % 4 == 0:
        return Root(b, n, 4 * b // n)
    order = 4 * b if b % 4 == 0 else 2 * b
    longest = order & -order
    raise InputError(
        f"modulus 2^{b} + 1 has no power of sqrt(2) of order {n}: the longest power-of-two transform there "
        f"is {longest}"
    )


def bit_reversal(n: int) -> np.ndarray:
    """Permutation r with r[p] = p bit-reversed in log2 n bits: position p of a forward transform holds
    X(r[p])."""
    order = np.zeros(1, np.int64)
    while len(order) < n:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _check(ring: Ring, x: Number, axis: int) -> Root:
    return root_of_order(ring.b, x.shape[axis])


def forward(ring: Ring, x: Number, axis: int = -1) -> Number:
    """Forward transform along an axis, natural order in, bit-reversed order out."""
    root = _check(ring, x, axis)
    x = x.moveaxis(axis, 0)
    span = root.n // 2
    while span:
        blocks = x.reshape(root.n // (2 * span), 2, span, *x.shape[1:])
        a, b = blocks[:, 0], blocks[:, 1]
        total, difference = ring.add(a, b), ring.sub(a, b)
        turned = Number.stack(
            [ring.half_shift(difference[:, j], root.twiddle(span, j)) for j in range(span)], axis=1
        )
        x = Number.stack([total, turned], axis=1).reshape(*x.shape)
        span //= 2
    return x.moveaxis(0, axis)


def inverse(ring: Ring, x: Number, axis: int = -1, scale: bool = True) -> Number:
    """Inverse transform along an axis, bit-reversed order in, natural order out; ``scale=False`` leaves 1/N
    out."""
    root = _check(ring, x, axis)
    x = x.moveaxis(axis, 0)
    span = 1
    while span < root.n:
        blocks = x.reshape(root.n // (2 * span), 2, span, *x.shape[1:])
        a, b = blocks[:, 0], blocks[:, 1]
        turned = Number.stack([ring.half_shift(b[:, j], -root.twiddle(span, j)) for j in range(span)], axis=1)
        x = Number.stack([ring.add(a, turned), ring.sub(a, turned)], axis=1).reshape(*x.shape)
        span *= 2
    if scale:
        x = ring.shift(x, -root.log2)
    return x.moveaxis(0, axis)


def forward2d(ring: Ring, x: Number) -> Number:
    """Rows (last axis), then columns (last but one)."""
    return forward(ring, forward(ring, x, -1), -2)


def inverse2d(ring: Ring, x: Number, scale: bool = True) -> Number:
    """Rows, then columns, each in reverse of ``forward2d``; both 1/N in one rotation at the end."""
    unscaled = inverse(ring, inverse(ring, x, -1, scale=False), -2, scale=False)
    if not scale:
        return unscaled
    return ring.shift(unscaled, -(x.shape[-1].bit_length() - 1) - (x.shape[-2].bit_length() - 1))


# -- the same transforms on balanced residues in int64: no codes, no flags, b <= 32, for whole layers


def reduce_balanced(x: np.ndarray, b: int) -> np.ndarray:
    """Reduce int64, |x| <= 2^62, to the balanced residues -2^(b-1)..2^(b-1) of 2^b + 1, b <= 32: 2^b = -1, so
    high words subtract."""
    half = 1 << (b - 1)
    while x.size and (x.max() > half or x.min() < -half - 1):
        high = (x + half) >> b
        x = x - (high << b) - high
    return np.where(x < -half, half, x)


def _fast_check(b: int) -> None:
    if check_width(b) > 32:
        raise InputError(
            f"the int64 path holds products of residues for b <= 32 only, not b = {b}: use forward() and "
            "inverse()"
        )


def fast_mul(x: np.ndarray, y: np.ndarray, b: int) -> np.ndarray:
    """Product of balanced residues (int64), b <= 32."""
    return reduce_balanced(np.asarray(x, np.int64) * np.asarray(y, np.int64), b)


def _fast_turn(x: np.ndarray, half: int, b: int) -> np.ndarray:
    """x * sqrt(2)^half on balanced residues."""
    half %= 4 * b
    if half % 2:
        x = reduce_balanced((x << (3 * b // 4)) - (x << (b // 4)), b)
    k, negate = (half // 2) % b, half // 2 >= b
    if k:
        x = reduce_balanced(x << k, b)
    return reduce_balanced(-x, b) if negate else x


def fast_forward(x: np.ndarray, b: int, axis: int = -1) -> np.ndarray:
    """``forward`` on balanced residues: int64 in and out, same order, same residues."""
    _fast_check(b)
    x = np.moveaxis(np.asarray(x, np.int64), axis, 0)
    root = root_of_order(b, x.shape[0])
    span = root.n // 2
    while span:
        blocks = x.reshape(root.n // (2 * span), 2, span, *x.shape[1:])
        out = np.empty_like(blocks)
        out[:, 0] = reduce_balanced(blocks[:, 0] + blocks[:, 1], b)
        for j in range(span):
            out[:, 1, j] = _fast_turn(
                reduce_balanced(blocks[:, 0, j] - blocks[:, 1, j], b), root.twiddle(span, j), b
            )
        x = out.reshape(x.shape)
        span //= 2
    return np.moveaxis(x, 0, axis)


def fast_inverse(x: np.ndarray, b: int, axis: int = -1) -> np.ndarray:
    """``inverse`` (scaled by 1/N) on balanced residues: int64 in and out."""
    _fast_check(b)
    x = np.moveaxis(np.asarray(x, np.int64), axis, 0)
    root = root_of_order(b, x.shape[0])
    span = 1
    while span < root.n:
        blocks = x.reshape(root.n // (2 * span), 2, span, *x.shape[1:])
        out = np.empty_like(blocks)
        for j in range(span):
            turned = _fast_turn(blocks[:, 1, j], -root.twiddle(span, j), b)
            out[:, 0, j] = reduce_balanced(blocks[:, 0, j] + turned, b)
            out[:, 1, j] = reduce_balanced(blocks[:, 0, j] - turned, b)
        x = out.reshape(x.shape)
        span *= 2
    return np.moveaxis(_fast_turn(x, -2 * root.log2, b), 0, axis)


def fast_forward2d(x: np.ndarray, b: int) -> np.ndarray:
    """``forward2d`` on balanced residues."""
    return fast_forward(fast_forward(x, b, -1), b, -2)


def fast_inverse2d(x: np.ndarray, b: int) -> np.ndarray:
    """``inverse2d`` on balanced residues."""
    return fast_inverse(fast_inverse(x, b, -1), b, -2)
