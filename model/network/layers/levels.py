"""Piece indices back to integers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import LIMIT, check_array, require

__all__ = ["Levels"]


def _body(b: Body) -> None:
    b.op("Gather", b.int64("levels"), b.int64("x"), out="y", axis=0)


@dataclass(eq=False)
class Levels(Node):
    """Piece indices to integers by table: ``y = levels[index]``; levels: int64 (N+1,)."""

    levels: np.ndarray

    INDICES: ClassVar[bool | None] = True
    ARRAYS: ClassVar[dict[str, str]] = {"levels": "i8"}
    OPS: ClassVar[dict[str, Op]] = {"Levels": Op(_body, ("x", "levels"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_array(self.levels, 1, "levels", -LIMIT, LIMIT - 1)
        require(
            x.hi < len(self.levels), f"indices up to {x.hi} come in, the table goes to {len(self.levels) - 1}"
        )
        used = self.levels[: x.hi + 1]
        return TensorType(x.shape, int(used.min()), int(used.max()))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return self.levels.astype(np.int64)[xs[0]]
