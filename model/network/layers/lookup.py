"""Any function of few bits: a table."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import LIMIT, check_array, require

__all__ = ["Lookup"]


def _body(b: Body) -> None:
    place = b.op("Sub", b.int64("x"), b.attribute("first"))
    b.op("Gather", b.int64("table"), place, out="y", axis=0)


@dataclass(eq=False)
class Lookup(Node):
    """A function by its values: ``y = table[x - first]``, the same for every channel (sigmoid, tanh,
    hard-swish, a requantised branch).

    table: int64 (T,), T up to 65536, within 32 bits;  first : the input that the first entry is for
    """

    table: np.ndarray
    first: int = 0

    ARRAYS: ClassVar[dict[str, str]] = {"table": "i8"}
    OPS: ClassVar[dict[str, Op]] = {"Lookup": Op(_body, ("x", "table"), ("first",))}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_array(self.table, 1, "table", -LIMIT, LIMIT - 1)
        require(len(self.table) <= 1 << 16, f"a table has at most 65536 entries, not {len(self.table)}")
        last = self.first + len(self.table) - 1
        require(
            self.first <= x.lo and x.hi <= last,
            f"its input {x.lo}..{x.hi} is not within the table's {self.first}..{last}",
        )
        used = self.table[x.lo - self.first : x.hi - self.first + 1]
        return TensorType(x.shape, int(used.min()), int(used.max()))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return self.table.astype(np.int64)[xs[0] - self.first]

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"first": self.first}
