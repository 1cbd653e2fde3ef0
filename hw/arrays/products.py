"""Products of a beat and their sum, with registers behind the multipliers and every few sums."""

from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.words import range_shape, shape_range

__all__ = ["Products", "product_shape"]


def product_shape(a: Shape, b: Shape) -> Shape:
    """Shape of every product of a value of shape a and one of shape b."""
    corners = [x * y for x in shape_range(a) for y in shape_range(b)]
    return range_shape(min(corners), max(corners))


class Products:
    """``sum_k a[k] b[k]`` of ``lanes`` pairs of values, a balanced tree behind a register for each product.

    Latency: 1 cycle for the products, and ``latency`` for the sums, as many as ``clock`` asks for (0 for one
    lane). Throughput: one sum a cycle.
    """

    def __init__(self, a_shape: Shape, b_shape: Shape, lanes: int, clock: Clock):
        self.shape, self.lanes = product_shape(a_shape, b_shape), lanes
        levels = (lanes - 1).bit_length()
        self.step = clock.adders(self.shape.width + levels)
        self.latency = -(-levels // self.step)

    def sum(self, m: Module, a: Any, b: Any, name: str) -> Value:
        """The sum, in a register."""
        terms: list[Value] = []
        for k in range(self.lanes):
            product = Signal(self.shape, name=f"product{name}_{k}", reset_less=True)
            m.d.sync += product.eq(a[k] * b[k])
            terms.append(product)
        level = 0
        while len(terms) > 1:
            pairs = range(0, len(terms), 2)
            terms = [terms[k] + terms[k + 1] if k + 1 < len(terms) else terms[k] for k in pairs]
            level += 1
            if level % self.step == 0 or len(terms) == 1:
                terms = [_held(m, term, f"sum{name}_{level}_{k}") for k, term in enumerate(terms)]
        return terms[0]


def _held(m: Module, value: Value, name: str) -> Signal:
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register
