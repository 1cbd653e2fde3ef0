"""Thresholds: integers to piece indices."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import WIDE, check_array, require

__all__ = ["Threshold"]


def _body(b: Body) -> None:
    columns = b.numbers(1, 2)
    x = b.op(
        "Unsqueeze", b.op("Mul", b.int64("x"), b.op("Unsqueeze", b.int64("sign"), columns)), b.numbers(1)
    )
    limits = b.op("Unsqueeze", b.op("Transpose", b.int64("thresholds"), perm=[1, 0]), b.numbers(2, 3))
    passed = b.int64(b.op("GreaterOrEqual", x, limits))
    b.uint8(b.op("ReduceSum", passed, b.numbers(1), keepdims=0), out="y")


@dataclass(eq=False)
class Threshold(Node):
    """Integers to piece indices: ``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])``.

    thresholds: int64 (C, N), each row ascending; sign: int8 (C,), +1 or -1 (a negative batch-norm gamma).
    """

    thresholds: np.ndarray
    sign: np.ndarray

    ARRAYS: ClassVar[dict[str, str]] = {"thresholds": "i8", "sign": "i1"}
    OPS: ClassVar[dict[str, Op]] = {"Threshold": Op(_body, ("x", "thresholds", "sign"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        channels = x.shape[0]
        check_array(self.thresholds, 2, "thresholds", -WIDE, WIDE)
        rows, count = self.thresholds.shape
        require(rows == channels, f"thresholds for {rows} channels, the input has {channels}")
        require(count <= 255, f"at most 255 thresholds a channel, not {count}")
        falling = np.argwhere(np.diff(self.thresholds.astype(np.int64), axis=1) < 0)
        require(
            not len(falling),
            f"thresholds of channel {falling[0][0] if len(falling) else 0} are not ascending",
        )
        signs = self.sign.shape == (channels,) and bool(np.isin(self.sign, (-1, 1)).all())
        require(signs, "sign must be +1 or -1 for each channel")
        return TensorType(x.shape, 0, count)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,) = xs
        signed = x * self.sign.astype(np.int64)[:, None, None]
        index = np.zeros(x.shape, np.int64)
        for limits in self.thresholds.T:
            index += signed >= limits[:, None, None]
        return index

    def writes_indices(self, index: list[bool]) -> bool:
        return True
