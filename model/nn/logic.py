"""Logic joins of one-bit activations: BoolNet's shortcuts (Guo et al., "BoolNet: Minimizing the Energy
Consumption of Binary Neural Networks", 2021), which replace the residual sum by a boolean function.

Bits a, b and the table t of four bits, t[2 a + b]::

    forward   y = t[2 a + b]
              = t0 + a (t2 - t0) + b (t1 - t0) + a b (t3 - t2 - t1 + t0)
    backward  OR    dy/da = dy/db = 1 where a + b <= 1, else 0: of the sum clipped at 1, as in BoolNet's code
              AND   dy/da = dy/db = 1 where a + b >= 1, else 0: of the sum less 1, clipped at 0
              else  the boolean differences dy/da = t[2 + b] - t[b], dy/db = t[2 a + 1] - t[2 a]; for XNOR
                    these are what the product of signs 2a - 1 and 2b - 1 has
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.bits import pack, unpack

__all__ = ["TABLES", "LogicJoin", "RealJoin"]

TABLES: Mapping[str, int] = MappingProxyType(
    {"and": 0b1000, "or": 0b1110, "xor": 0b0110, "xnor": 0b1001, "nand": 0b0111, "nor": 0b0001}
)
"""Truth tables by name: bit 2 a + b is the value."""


def _of_one(bits: Tensor, table: int) -> Tensor:
    """The function of one bit whose values for 0 and 1 are the table's lowest two bits; bool."""
    zero, one = table & 1, table >> 1 & 1
    if zero == one:
        return torch.full_like(bits, bool(one))
    return bits if one else ~bits


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, table: int) -> Tensor:
        first, second = a > 0, b > 0  # what is more than a bit is refused where it is exported
        ctx.save_for_backward(pack(first), pack(second))
        ctx.table = table
        return torch.where(first, _of_one(second, table >> 2), _of_one(second, table)).to(a.dtype)

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        a, b = (unpack(bits, g.shape) for bits in ctx.saved_tensors)
        if ctx.table == TABLES["or"]:
            through = g * ~(a & b)
            return through, through, None
        if ctx.table == TABLES["and"]:
            through = g * (a | b)
            return through, through, None
        t0, t1, t2, t3 = (ctx.table >> place & 1 for place in range(4))
        through_a = b.to(g.dtype).mul_(t3 - t1 - t2 + t0).add_(t2 - t0).mul_(g)
        through_b = a.to(g.dtype).mul_(t3 - t2 - t1 + t0).add_(t1 - t0).mul_(g)
        return through_a, through_b, None


class LogicJoin(nn.Module):
    """A boolean function of two activations 0 and 1 of one shape (n, C, H, W) or (n, C), the same for every
    lane.

    ``table``: a name of `TABLES`, or four bits as a number from 0 to 15.
    """

    def __init__(self, table: str | int):
        super().__init__()
        known = isinstance(table, str) and table in TABLES
        whole = isinstance(table, int) and not isinstance(table, bool) and 0 <= table <= 15
        if not known and not whole:
            raise InputError(
                f"a logic join is one of {', '.join(TABLES)}, or a truth table from 0 to 15, not {table!r}"
            )
        self.table = TABLES[table] if isinstance(table, str) else table

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        _alike(a, b)
        return _Join.apply(a, b, self.table)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """The same of integer tensors."""
        return self.table >> (2 * a + b) & 1

    def extra_repr(self) -> str:
        names = [name for name, table in TABLES.items() if table == self.table]
        return names[0] if names else f"table={self.table:04b}"


class RealJoin(nn.Module):
    """The sum a + b in the place of a logic join, in the full-precision twin that training starts from: there
    is no logic of real numbers, and the sum is what BoolNet's logic replaced."""

    full_precision = True

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        _alike(a, b)
        return a + b


def _alike(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise InputError(
            f"a logic join takes two tensors of one shape, not {tuple(a.shape)} and {tuple(b.shape)}"
        )
