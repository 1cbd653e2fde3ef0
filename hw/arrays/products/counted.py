# amaranth: UnusedElaboratable=no
"""Products in tables: the ANDs of all pairs of bits, lane after lane, in one tree of counters."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Shape, Signal

from fermatnet.hw.arrays.products.sums import Sum, SumsOfProducts
from fermatnet.hw.piecewise.dot import Dot, Lanes
from fermatnet.hw.piecewise.forms import Form, binary_form
from fermatnet.hw.rtl.clock import Clock

__all__ = ["Counted"]

WIDEST = 64
"""More bits than any sum of products here has."""


class Counted(SumsOfProducts):
    """No multiplier: a weight of a bits and a value of b bits are a x b ANDs, those of all ``lanes`` go into
    one heap (`fermatnet.hw.piecewise.dot`), and no product is ever added up alone.

    A sign bit weighs -2^(bits - 1): its terms are inverted, which makes every sum ``offset`` larger.
    Latency: 1 cycle and those of the counters, by ``clock``.
    """

    def __init__(self, weight: Shape, x: Shape, lanes: int, clock: Clock):
        self.weight_shape, self.x_shape, self.lanes, self.clock = weight, x, lanes, clock
        self.form: Form = binary_form(_places(weight), _places(x))
        heaps = Lanes(self.form, lanes, WIDEST)
        self.width = max(tree.width for tree in heaps.trees)
        inner = self._dot()
        self.latency = 1 + inner.pipeline
        self.levels = heaps.levels(clock.target, clock.budget)
        self.offset = inner.offset

    def _dot(self) -> Dot:
        target, budget = self.clock.target, self.clock.budget
        return Dot(self.form, self.lanes, self.width, target=target, pipeline=None, budget=budget)

    def sums(self, m: Module, platform: Any, weights: Sequence[Any], x: Any, first: int = 0) -> list[Sum]:
        values = [x[k] for k in range(self.lanes)]
        found = []
        for n, row in enumerate(weights, first):
            m.submodules[f"products{n}"] = dot = self._dot()
            m.d.comb += [
                dot.t.eq(_planes([row[k] for k in range(self.lanes)], self.weight_shape)),
                dot.v.eq(_planes(values, self.x_shape)),
            ]
            register = Signal(self.width, name=f"sum{n}", reset_less=True)
            m.d.sync += register.eq(dot.o)
            found.append(Sum(register))
        return found


def _places(shape: Shape) -> tuple[int, ...]:
    """What each bit of a value counts."""
    top = shape.width - 1
    return tuple(-1 << k if shape.signed and k == top else 1 << k for k in range(shape.width))


def _planes(values: list[Any], shape: Shape) -> Any:
    """Bit by bit, each of all values."""
    return Cat(value[bit] for bit in range(shape.width) for value in values)
