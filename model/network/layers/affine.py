"""Fixed-point scale, offset, shift and clip a channel."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import LIMIT, WIDE, check_array, require

__all__ = ["Affine"]


def _body(b: Body) -> None:
    columns = b.numbers(1, 2)
    product = b.op("Mul", b.int64("x"), b.op("Unsqueeze", b.int64("multiplier"), columns))
    total = b.op("Add", product, b.op("Unsqueeze", b.int64("offset"), columns))
    divisor = b.attribute("divisor")
    floored = b.op("Div", b.op("Sub", total, b.op("Mod", total, divisor)), divisor)
    b.op("Min", b.op("Max", floored, b.attribute("lo")), b.attribute("hi"), out="y")


@dataclass(eq=False)
class Affine(Node):
    """Fixed-point scale: ``y[c] = clip((x[c] * multiplier[c] + offset[c]) >> shift, lo, hi)``, shift
    arithmetic (floor).

    multiplier: int64 (C,), |m| < 2^31; shift 0..62; offset: int64 (C,), already holds the rounding constant
    2^(shift-1) if wanted.
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int

    ARRAYS: ClassVar[dict[str, str]] = {"multiplier": "i8", "offset": "i8"}
    OPS: ClassVar[dict[str, Op]] = {
        "Affine": Op(_body, ("x", "multiplier", "offset"), ("divisor", "lo", "hi"))
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        channels = x.shape[0]
        check_array(self.multiplier, 1, "multiplier", 1 - LIMIT, LIMIT - 1)
        check_array(self.offset, 1, "offset", -WIDE, WIDE)
        shapes = {self.multiplier.shape, self.offset.shape}
        require(shapes == {(channels,)}, f"multiplier and offset must be of {channels} channels")
        require(0 <= self.shift <= 62, f"shift must be 0..62, not {self.shift}")
        ordered = -LIMIT <= self.lo <= self.hi < LIMIT
        require(ordered, f"clip range {self.lo}..{self.hi} is not within 32 bits or not in order")
        multiplier, offset = self.multiplier.astype(object), self.offset.astype(object)
        ends = np.stack([multiplier * x.lo + offset, multiplier * x.hi + offset])
        require(abs(ends).max() < WIDE, "its products pass 62 bits")
        low, high = int(ends.min()) >> self.shift, int(ends.max()) >> self.shift
        return TensorType(x.shape, min(max(low, self.lo), self.hi), min(max(high, self.lo), self.hi))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        total = xs[0] * self.multiplier[:, None, None] + self.offset[:, None, None]
        return np.clip(total >> self.shift, self.lo, self.hi)

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"divisor": 1 << self.shift, "lo": self.lo, "hi": self.hi}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Affine":
        divisor = attributes["divisor"]
        if divisor < 1 or divisor & (divisor - 1):
            raise InputError(f"divisor must be a power of two, not {divisor}")
        shift = divisor.bit_length() - 1
        return cls(name, inputs, **arrays, shift=shift, lo=attributes["lo"], hi=attributes["hi"])
