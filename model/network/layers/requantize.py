"""Requantisation in the forms that one multiply, add and shift cannot say: two roundings, and rare
corrections."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import LIMIT, WIDE, check_array, require

__all__ = ["Requantize"]


def _floor_divide(b: Body, total: str, divisor: str) -> str:
    return b.op("Div", b.op("Sub", total, b.op("Mod", total, divisor)), divisor)


def _body(b: Body) -> None:
    columns = b.numbers(1, 2)
    x = b.int64("x")
    wide = {
        name: b.op("Unsqueeze", b.int64(name), columns)
        for name in ("multiplier", "offset", "half", "divisor")
    }
    first = _floor_divide(
        b, b.op("Add", b.op("Mul", x, wide["multiplier"]), wide["offset"]), b.attribute("first_divisor")
    )
    below = b.op("Mul", b.int64(b.op("Less", first, b.number(0))), b.op("Min", wide["half"], b.number(1)))
    second = _floor_divide(b, b.op("Sub", b.op("Add", first, wide["half"]), below), wide["divisor"])
    clipped = b.op(
        "Min", b.op("Max", b.op("Add", second, b.attribute("zero")), b.attribute("lo")), b.attribute("hi")
    )
    places = b.op("Unsqueeze", b.op("Transpose", b.int64("at"), perm=[1, 0]), b.numbers(2, 3))
    amounts = b.op("Unsqueeze", b.op("Transpose", b.int64("by"), perm=[1, 0]), b.numbers(2, 3))
    met = b.int64(b.op("Equal", b.op("Unsqueeze", x, b.numbers(1)), places))
    b.op("Add", clipped, b.op("ReduceSum", b.op("Mul", met, amounts), b.numbers(1), keepdims=0), out="y")


@dataclass(eq=False)
class Requantize(Node):
    """Two roundings and corrections: with ``v = (x m[c] + o[c]) >> shift`` and ``h = 2^(second[c]-1)`` (0
    where second[c] is 0)

        y = clip(((v + h - (v < 0 and h > 0)) >> second[c]) + zero, lo, hi) + sum_e by[c, e] (x == at[c, e])

    The second rounding is half away from zero: with shift 31 the pair is LiteRT's doubling high multiply and
    rounding shift.

    Parameters
    ----------
    multiplier, offset : int64 (C,), |m| < 2^31;  shift : 0..62;  second : int64 (C,), 0..31
    zero, lo, hi : output zero point and clip range
    at, by : int64 (C, E), accumulators and what is added there (-1, 0, +1; E may be 0): see
    `fermatnet.model.exchange.requantize`
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    second: np.ndarray
    zero: int
    lo: int
    hi: int
    at: np.ndarray
    by: np.ndarray

    OPS: ClassVar[dict[str, Op]] = {
        "Requantize": Op(
            _body,
            ("x", "multiplier", "offset", "half", "divisor", "at", "by"),
            ("first_divisor", "zero", "lo", "hi"),
        )
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        channels = x.shape[0]
        check_array(self.multiplier, 1, "multiplier", 1 - LIMIT, LIMIT - 1)
        check_array(self.offset, 1, "offset", -WIDE, WIDE)
        check_array(self.second, 1, "second", 0, 31)
        shapes = {self.multiplier.shape, self.offset.shape, self.second.shape}
        require(shapes == {(channels,)}, f"multiplier, offset and second must be of {channels} channels")
        require(0 <= self.shift <= 62, f"shift must be 0..62, not {self.shift}")
        pairs = self.at.ndim == 2 and self.at.shape == self.by.shape and len(self.at) == channels
        require(
            pairs,
            f"corrections must be two tables of {channels} rows of one length, not {self.at.shape} and "
            f"{self.by.shape}",
        )
        require(bool(np.isin(self.by, (-1, 0, 1)).all()), "a correction adds -1, 0 or 1")
        ordered = -LIMIT <= self.lo <= self.hi < LIMIT and -LIMIT <= self.zero < LIMIT
        require(ordered, f"clip range {self.lo}..{self.hi} is not within 32 bits or not in order")
        multiplier, offset = self.multiplier.astype(object), self.offset.astype(object)
        ends = np.stack([multiplier * x.lo + offset, multiplier * x.hi + offset])
        require(abs(ends).max() < WIDE, "its products pass 62 bits")
        reach = self._form((ends >> self.shift).astype(object), (slice(None),))
        met = self._corrected(x.lo, x.hi)
        low, high = min(int(reach.min()), *met), max(int(reach.max()), *met)
        return TensorType(x.shape, low, high)

    def _corrected(self, lo: int, hi: int) -> list[int]:
        """Results at the corrected accumulators of lo..hi; one of the others where there is none."""
        rows, columns = np.nonzero((self.by != 0) & (self.at >= lo) & (self.at <= hi))
        at, by = self.at[rows, columns].astype(object), self.by[rows, columns]
        if not len(at):
            return [int(self._form(self._first(np.array([lo], object), (slice(0, 1),)), (slice(0, 1),))[0])]
        return [int(y) for y in self._form(self._first(at, (rows,)), (rows,)) + by]

    def _first(self, x: np.ndarray, where: tuple[Any, ...]) -> np.ndarray:
        """The first rounding."""
        return (x * self.multiplier[where] + self.offset[where]) >> self.shift

    def _form(self, v: np.ndarray, where: tuple[Any, ...]) -> np.ndarray:
        """The second rounding, the zero point and the clip of the first one's result; ``where`` spreads a
        channel's value over ``v``."""
        second = self.second[where].astype(v.dtype)
        half = np.where(second > 0, np.left_shift(np.ones_like(second), np.maximum(second - 1, 0)), 0)
        return np.clip(((v + half - ((v < 0) & (half > 0))) >> second) + self.zero, self.lo, self.hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,) = xs
        where = (slice(None), None, None)
        y = self._form((x * self.multiplier[where] + self.offset[where]) >> self.shift, where)
        for at, by in zip(self.at.T, self.by.T, strict=True):
            y += by[where] * (x == at[where])
        return y

    def arrays(self) -> dict[str, np.ndarray]:
        second = self.second.astype(np.int64)
        half = np.where(second > 0, np.int64(1) << np.maximum(second - 1, 0), 0)
        derived = {
            "multiplier": self.multiplier,
            "offset": self.offset,
            "half": half,
            "divisor": np.int64(1) << second,
        }
        return {
            name: array.astype(np.int64) for name, array in {**derived, "at": self.at, "by": self.by}.items()
        }

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"first_divisor": 1 << self.shift, "zero": self.zero, "lo": self.lo, "hi": self.hi}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, Any],  # numpy arrays
    ) -> "Requantize":
        divisors = [attributes["first_divisor"], *arrays["divisor"].tolist()]
        require(all(d >= 1 and not d & (d - 1) for d in divisors), "divisors must be powers of two")
        second = np.array([d.bit_length() - 1 for d in divisors[1:]], np.int64)
        kept: dict[str, Any] = {key: arrays[key] for key in ("multiplier", "offset", "at", "by")}
        clip = {key: attributes[key] for key in ("zero", "lo", "hi")}
        return cls(name, inputs, shift=divisors[0].bit_length() - 1, second=second, **kept, **clip)
