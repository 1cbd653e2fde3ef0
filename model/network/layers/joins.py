"""Layers where tensors meet: residual add, concatenation of channels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.onnx_body import Body
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import bounded, require

__all__ = ["Add", "Concat"]


def _sum(b: Body) -> None:
    b.op("Add", b.int64("x"), b.int64("x2"), out="y")


@dataclass(eq=False)
class Add(Node):
    """Sum of two integer tensors of one shape."""

    COUNT: ClassVar[int | None] = 2
    OPS: ClassVar[dict[str, Op]] = {"Add": Op(_sum, ("x", "x2"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        require(a.shape == b.shape, f"shapes {a.shape} and {b.shape} cannot be added")
        return bounded(a.shape, a.lo + b.lo, a.hi + b.hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return xs[0] + xs[1]


@dataclass(eq=False)
class Concat(Node):
    """Channels of all inputs one after the other, all indices or all integers.

    In the file ``Concat3`` joins three tensors; ``ConcatInt3`` too, where the image (kept narrow) is among them.
    """

    COUNT: ClassVar[int | None] = None
    INDICES: ClassVar[bool | None] = None

    def infer(self, *inputs: TensorType) -> TensorType:
        maps = [x.shape[1:] for x in inputs]
        require(len(set(maps)) == 1, f"maps of {', '.join(map(str, maps))} cannot be joined")
        channels = sum(x.shape[0] for x in inputs)
        return TensorType((channels, *maps[0]), min(x.lo for x in inputs), max(x.hi for x in inputs))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return np.concatenate(xs, axis=1)

    def writes_indices(self, index: list[bool]) -> bool:
        return index[0]

    def op(self, net: Context) -> str:
        mixed = not net.is_index(self.name) and net.input_name in self.inputs
        return f"Concat{'Int' if mixed else ''}{len(self.inputs)}"

    @classmethod
    def op_named(cls, op: str) -> Op | None:
        wide, count = op.startswith("ConcatInt"), op.removeprefix("Concat").removeprefix("Int")
        if not op.startswith("Concat") or not count.isdigit() or int(count) < 2:
            return None
        inputs = tuple(f"x{k}" for k in range(int(count)))

        def body(b: Body) -> None:
            b.op("Concat", *(map(b.int64, inputs) if wide else inputs), out="y", axis=1)

        return Op(body, inputs)
