"""Logic joins: two tensors of bits become one, by a truth table (BoolNet's 1-bit shortcuts)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import require

__all__ = ["LogicJoin"]


def _body(b: Body) -> None:
    # a table of four bits as a number: y = (table // 2^(2 x + x2)) mod 2
    place = b.op("Add", b.op("Mul", b.int64("x"), b.number(2)), b.int64("x2"))
    power = b.op("Gather", b.numbers(1, 2, 4, 8), place, axis=0)
    b.uint8(b.op("Mod", b.op("Div", b.attribute("table"), power), b.number(2)), out="y")


@dataclass(eq=False)
class LogicJoin(Node):
    """Bit by bit ``y = (table >> (2 a + b)) & 1`` of two tensors of piece indices 0 and 1 of one shape:
    0b1110 is OR, 0b1000 AND, 0b1001 XNOR, 0b0110 XOR."""

    table: int

    COUNT: ClassVar[int | None] = 2
    INDICES: ClassVar[bool | None] = True
    OPS: ClassVar[dict[str, Op]] = {"LogicJoin": Op(_body, ("x", "x2"), ("table",))}

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        require(a.shape == b.shape, f"shapes {a.shape} and {b.shape} cannot be joined")
        top = max(a.hi, b.hi)
        require(top <= 1, f"a logic join takes bits, indices 0 and 1, not up to {top}")
        whole = isinstance(self.table, int) and not isinstance(self.table, bool)
        require(whole and 0 <= self.table <= 15, f"table must be four bits, 0 to 15, not {self.table!r}")
        return TensorType(a.shape, 0, 1)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return (self.table >> (2 * xs[0] + xs[1])) & 1

    def writes_indices(self, index: list[bool]) -> bool:
        return True

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"table": self.table}
