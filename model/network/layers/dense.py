"""Fully connected layer."""

from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op, Weights
from fermatnet.model.network.types import TensorType, width_of
from fermatnet.model.network.validate import (
    LIMIT,
    bounded,
    check_array,
    check_weight,
    require,
    weighted_range,
)

__all__ = ["Dense"]


def _body(b: Body) -> None:
    flat = b.op("Flatten", b.int64("x"), axis=1)
    product = b.op("MatMul", flat, b.op("Transpose", b.int64("weight"), perm=[1, 0]))
    b.op("Unsqueeze", b.op("Add", product, b.int64("bias")), b.numbers(2, 3), out="y")


@dataclass(eq=False)
class Dense(Node):
    """Fully connected: flattens (C, H, W) in that order; ``y = W x + bias``; weight int64 (K, C*H*W), bias
    int64 (K,).

    Writes shape (K, 1, 1).
    """

    weight: np.ndarray
    bias: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weight_bits: int = 8

    ARRAYS: ClassVar[dict[str, str]] = {"weight": "w", "bias": "i8"}
    OPS: ClassVar[dict[str, Op]] = {"Dense": Op(_body, ("x", "weight", "bias"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_weight(self.weight, 2, self.weight_bits)
        size = prod(x.shape)
        require(
            self.weight.shape[1] == size, f"weights for {self.weight.shape[1]} inputs, the input has {size}"
        )
        outputs = self.weight.shape[0]
        require(
            self.bias.size == 0 or self.bias.shape == (outputs,),
            f"bias must be empty or of {outputs} outputs",
        )
        if self.bias.size:
            check_array(self.bias, 1, "bias", -LIMIT, LIMIT - 1)
        return bounded((outputs, 1, 1), *weighted_range(self.weight, x.lo, x.hi, self.bias))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        y = xs[0].reshape(len(xs[0]), -1) @ self.weight.astype(np.int64).T
        return (y + self.bias if self.bias.size else y)[:, :, None, None]

    def arrays(self) -> dict[str, np.ndarray]:
        arrays = super().arrays()
        if not self.bias.size:
            arrays["bias"] = np.zeros(self.weight.shape[0], np.int64)
        return arrays

    def weights(self) -> Weights:
        return Weights(self.weight.size, self.weight.size * self.weight_bits, width=width_of(self.weight))

    def describe_engine(self, net: Context, cycles: int | None = None) -> tuple[str, str]:
        return f"int{self.weight_bits}", ""
