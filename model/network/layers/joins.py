"""Layers where tensors meet: residual add, concatenation, product; and a constant added."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import LIMIT, bounded, check_array, require

__all__ = ["Add", "AddConstant", "Concat", "Multiply"]

_AXES = {"": 1, "Rows": 2, "Columns": 3}  # of a concatenation, by what its operator is called


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
    """All inputs one after the other along ``axis`` (1: channels, 2: rows, 3: columns), all indices or all
    integers.

    In the file ``Concat3`` joins the channels of three tensors, ``ConcatRows3`` their rows; ``ConcatInt3``
    too, where the image (kept narrow) is among them.
    """

    axis: int = 1

    COUNT: ClassVar[int | None] = None
    INDICES: ClassVar[bool | None] = None

    def infer(self, *inputs: TensorType) -> TensorType:
        require(self.axis in (1, 2, 3), f"axis must be 1, 2 or 3, not {self.axis}")
        along = self.axis - 1
        rests = [x.shape[:along] + x.shape[along + 1 :] for x in inputs]
        if len(set(rests)) != 1:
            what = "maps" if self.axis == 1 else "shapes"
            shown = [x.shape[1:] if self.axis == 1 else x.shape for x in inputs]
            require(False, f"{what} of {', '.join(map(str, shown))} cannot be joined")
        size = sum(x.shape[along] for x in inputs)
        shape = (*rests[0][:along], size, *rests[0][along:])
        return TensorType(shape, min(x.lo for x in inputs), max(x.hi for x in inputs))  # type: ignore[arg-type]

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return np.concatenate(xs, axis=self.axis)

    def writes_indices(self, index: list[bool]) -> bool:
        return index[0]

    def op(self, net: Context) -> str:
        mixed = not net.is_index(self.name) and any(map(net.is_input, self.inputs))
        where = next(word for word, axis in _AXES.items() if axis == self.axis)
        return f"Concat{where}{'Int' if mixed else ''}{len(self.inputs)}"

    @classmethod
    def op_named(cls, op: str) -> Op | None:
        match = re.fullmatch(r"Concat(|Rows|Columns)(|Int)([2-9]|[1-9][0-9]+)", op)
        if match is None:
            return None
        inputs = tuple(f"x{k}" for k in range(int(match[3])))

        def body(b: Body) -> None:
            b.op("Concat", *(map(b.int64, inputs) if match[2] else inputs), out="y", axis=_AXES[match[1]])

        return Op(body, inputs)

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Concat":
        match = re.match(r"Concat(Rows|Columns|)", op)
        assert match
        return cls(name, inputs, _AXES[match[1]], **arrays)


def _product(b: Body) -> None:
    first = b.op("Sub", b.int64("x"), b.attribute("zero"))
    b.op("Mul", first, b.op("Sub", b.int64("x2"), b.attribute("zero2")), out="y")


@dataclass(eq=False)
class Multiply(Node):
    """Product ``(a - zeros[0]) (b - zeros[1])`` of two integer tensors, the second of the first's shape or
    (C, 1, 1) for every pixel."""

    zeros: tuple[int, int] = (0, 0)

    COUNT: ClassVar[int | None] = 2
    OPS: ClassVar[dict[str, Op]] = {"Multiply": Op(_product, ("x", "x2"), ("zero", "zero2"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        fits = b.shape in (a.shape, (a.shape[0], 1, 1))
        require(
            fits,
            f"shapes {a.shape} and {b.shape} cannot be multiplied: the second must be the same or a value a "
            "channel",
        )
        ends = [(p - self.zeros[0]) * (q - self.zeros[1]) for p in (a.lo, a.hi) for q in (b.lo, b.hi)]
        return bounded(a.shape, min(ends), max(ends))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return (xs[0] - self.zeros[0]) * (xs[1] - self.zeros[1])

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"zero": self.zeros[0], "zero2": self.zeros[1]}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Multiply":
        return cls(name, inputs, (attributes["zero"], attributes["zero2"]))


def _constant(b: Body) -> None:
    b.op("Add", b.int64("x"), b.op("Unsqueeze", b.int64("value"), b.numbers(0)), out="y")


@dataclass(eq=False)
class AddConstant(Node):
    """``y = x + value``, a constant of the image's own shape; value: int64 (C, H, W), within 32 bits. (One a
    channel is an `Affine`.)"""

    value: np.ndarray

    ARRAYS: ClassVar[dict[str, str]] = {"value": "i8"}
    OPS: ClassVar[dict[str, Op]] = {"AddConstant": Op(_constant, ("x", "value"))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_array(self.value, 3, "value", -LIMIT, LIMIT - 1)
        require(self.value.shape == x.shape, f"a constant of {self.value.shape} cannot be added to {x.shape}")
        return bounded(x.shape, x.lo + int(self.value.min()), x.hi + int(self.value.max()))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return xs[0] + self.value.astype(np.int64)
