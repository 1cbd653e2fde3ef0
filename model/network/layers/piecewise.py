"""Piecewise-approximated convolution: AND and popcount of bit planes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import WINDOW, Body
from fermatnet.model.network.layers.windows import read_window, window_attributes
from fermatnet.model.network.node import Context, Node, Op, Weights
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import (
    bounded,
    check_array,
    check_levels,
    require,
    weighted_range,
    window_type,
)
from fermatnet.model.piecewise.convolution import convolve2d

__all__ = ["PiecewiseConv"]


def _body(b: Body) -> None:
    weight = b.op("Gather", b.int64("levels_w"), b.int64("codes"), axis=0)
    activation = b.op("Gather", b.int64("levels_a"), b.int64("x"), axis=0)
    b.op("Identity", b.convolve(activation, b.number(0), weight), out="y")


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

    INDICES: ClassVar[bool | None] = True
    ARRAYS: ClassVar[dict[str, str]] = {"codes": "u1", "levels_w": "i1", "levels_a": "i1"}
    OPS: ClassVar[dict[str, Op]] = {
        "PiecewiseConv": Op(_body, ("x", "codes", "levels_w", "levels_a"), WINDOW)
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        pieces_w, pieces_a = len(self.levels_w), len(self.levels_a)
        require(
            pieces_w % 2 == 1 and pieces_w >= 3, f"weight levels must be M + 1 with M even, not {pieces_w}"
        )
        check_levels(self.levels_w, "weight levels", pieces_w // 2, -127)
        require(pieces_a >= 2, "activation levels must be N + 1 with N at least 1")
        check_levels(self.levels_a, "activation levels", 0, 0)
        check_array(self.codes, 4, "codes", 0, pieces_w - 1)
        require(x.hi <= pieces_a - 1, f"indices up to {x.hi} come in, activation levels go to {pieces_a - 1}")
        levels_w = self.levels_w.astype(np.int64)
        lo, hi = weighted_range(levels_w[self.codes], 0, int(self.levels_a[: x.hi + 1].max()))
        return bounded(window_type(self, x, self.codes), lo, hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        window: dict[str, Any] = {
            "stride": self.stride,
            "pad": self.pad,
            "dilation": self.dilation,
            "group": self.group,
        }
        return convolve2d(xs[0].astype(np.uint8), self.codes, self.levels_w, self.levels_a, **window)

    def attributes(self, net: Context) -> dict[str, Any]:
        return window_attributes(self)

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, Any],  # numpy arrays
    ) -> "PiecewiseConv":
        return cls(name, inputs, **arrays, **read_window(attributes))

    def weights(self) -> Weights:
        pieces_w, pieces_a = len(self.levels_w) - 1, len(self.levels_a) - 1
        return Weights(self.codes.size, self.codes.size * pieces_w.bit_length(), pieces_w * pieces_a)

    def describe_engine(self, net: Context, cycles: int | None = None) -> tuple[str, str]:
        return f"and-popcount {len(self.levels_w) - 1}x{len(self.levels_a) - 1}", ""
