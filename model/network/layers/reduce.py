"""Layers that answer an image with an index."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import require

__all__ = ["ArgMax", "TopK"]


def _body(b: Body) -> None:
    b.op("ArgMax", b.int64("x"), out="y", axis=1, keepdims=1)


@dataclass(eq=False)
class ArgMax(Node):
    """Index of the first largest of K values of shape (K, 1, 1); writes shape (1, 1, 1)."""

    OPS: ClassVar[dict[str, Op]] = {"ArgMax": Op(_body, ("x",))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require(x.shape[1:] == (1, 1), f"takes shape (K, 1, 1), not {x.shape}")
        return TensorType((1, 1, 1), 0, x.shape[0] - 1)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return xs[0].argmax(axis=1, keepdims=True).astype(np.int64)


def _largest(b: Body) -> None:
    count = b.op("Constant", renamed={"value_ints": "k"})
    values = b.op("TopK", b.int64("x"), count, axis=1, largest=1, sorted=1)
    b.nodes[-1].output.append(f"{values}_places")
    b.op("Identity", f"{values}_places", out="y")


@dataclass(eq=False)
class TopK(Node):
    """Indices of the k largest of K values of shape (K, 1, 1), the largest first, of equal ones the lower
    index; writes (k, 1, 1)."""

    k: int

    OPS: ClassVar[dict[str, Op]] = {"TopK": Op(_largest, ("x",), ("k",))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require(x.shape[1:] == (1, 1), f"takes shape (K, 1, 1), not {x.shape}")
        require(1 <= self.k <= x.shape[0], f"k must be 1..{x.shape[0]}, not {self.k}")
        return TensorType((self.k, 1, 1), 0, x.shape[0] - 1)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return np.argsort(-xs[0], axis=1, kind="stable")[:, : self.k].astype(np.int64)

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"k": [self.k]}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "TopK":
        return cls(name, inputs, attributes["k"][0])
