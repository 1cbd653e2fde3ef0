"""Layers that answer an image with an index."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.onnx_body import Body
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import require

__all__ = ["ArgMax"]


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
