"""The layers a network file can hold: plain data, checked when it is made.

Tensors between layers are NCHW. Two kinds of values travel: *piece indices* (uint8, 0..N) and *integers*
(int64 in the files and the reference, as wide as their proven range in hardware). Each node knows its
weights, its output shape and the range of its outputs; it knows nothing of ONNX, numpy kernels or gates.
"""

from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "Add",
    "Affine",
    "ArgMax",
    "Concat",
    "Conv",
    "Dense",
    "Levels",
    "MaxPool",
    "Node",
    "PiecewiseConv",
    "SumPool",
    "TensorType",
    "Threshold",
]


@dataclass(frozen=True)
class TensorType:
    """Shape (C, H, W) of one image's tensor and the inclusive range [lo, hi] of its values."""

    shape: tuple[int, int, int]
    lo: int
    hi: int

    @property
    def signed(self) -> bool:
        return self.lo < 0

    @property
    def bits(self) -> int:
        """Width that holds every value of the range: two's complement where it is signed."""
        if self.lo < 0:
            return max((-self.lo - 1).bit_length(), self.hi.bit_length() if self.hi > 0 else 0) + 1
        return max(1, self.hi.bit_length())


@dataclass(eq=False)
class Node:
    """One layer: its name, the tensors it reads, the tensor it writes (named as the node)."""

    name: str
    inputs: tuple[str, ...]


@dataclass(eq=False)
class Conv(Node):
    """Integer convolution (cross-correlation), accumulators out: ``y[o] = sum w[o, c, ky, kx] x[c, ...]``.

    weight: int64 (O, I/group, kh, kw), |w| < 2^(weight_bits-1); weight_bits 8 or 16; padding is with zeros,
    ``pad`` = (top, left, bottom, right). ``engine``: "auto", "fermat" or "direct"; ``moduli``: widths b of
    the Fermat numbers 2^b+1 forced for the residue system, () = chosen; ``length``: transform length, 0 =
    chosen.
    """

    weight: np.ndarray
    weight_bits: int = 8
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    engine: str = "auto"
    moduli: tuple[int, ...] = ()
    length: int = 0


@dataclass(eq=False)
class PiecewiseConv(Node):
    """Piecewise-approximated convolution: piece indices in, integer accumulators out (3.19).

    ``y = sum_ij a_i b_j popcount(T_i and V_j)`` with weight levels ``levels_w`` (M+1 sorted integers, the
    middle one 0) picked by ``codes`` (uint8 (O, I/group, kh, kw), 0..M) and activation levels ``levels_a``
    (N+1 sorted integers, the first one 0) picked by the incoming index. Padding is index 0. |level| <= 127.
    """

    codes: np.ndarray
    levels_w: np.ndarray
    levels_a: np.ndarray
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1


@dataclass(eq=False)
class Threshold(Node):
    """Integers to piece indices: ``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])``.

    thresholds: int64 (C, N), each row ascending; sign: int8 (C,), +1 or -1 (a negative batch-norm gamma).
    """

    thresholds: np.ndarray
    sign: np.ndarray


@dataclass(eq=False)
class Affine(Node):
    """Fixed-point scale: ``y[c] = clip((x[c] * multiplier[c] + offset[c]) >> shift, lo, hi)``, shift
    arithmetic (floor).

    multiplier: int64 (C,), |m| < 2^17; offset: int64 (C,), already holds the rounding constant 2^(shift-1) if
    wanted.
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int


@dataclass(eq=False)
class Levels(Node):
    """Piece indices to integers by table: ``y = levels[index]``; levels: int64 (N+1,)."""

    levels: np.ndarray


@dataclass(eq=False)
class MaxPool(Node):
    """Maximum over kernel x kernel windows, of indices or integers. Padding never wins (it is left out of the
    maximum)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(eq=False)
class SumPool(Node):
    """Sum over disjoint windows (stride = kernel, which divides the map); kernel (0, 0) is the whole map."""

    kernel: tuple[int, int] = (0, 0)


@dataclass(eq=False)
class Add(Node):
    """Sum of two integer tensors of one shape."""


@dataclass(eq=False)
class Concat(Node):
    """Channels of all inputs one after the other, all indices or all integers."""


@dataclass(eq=False)
class Dense(Node):
    """Fully connected: flattens (C, H, W) in that order; ``y = W x + bias``; weight int64 (K, C*H*W), bias
    int64 (K,).

    Writes shape (K, 1, 1).
    """

    weight: np.ndarray
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weight_bits: int = 8


@dataclass(eq=False)
class ArgMax(Node):
    """Index of the first largest of K values of shape (K, 1, 1); writes shape (1, 1, 1)."""
