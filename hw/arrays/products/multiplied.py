"""Products by multipliers one by one: ``*`` in the Verilog, which tools map to hard multipliers from a few
bits on."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Shape, Signal

from fermatnet.hw.arrays.products.sums import Sum, SumsOfProducts, Tree, product_shape
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.hard_product import hard_product

__all__ = ["Multiplied"]


class Multiplied(SumsOfProducts):
    """A multiplier for each of ``lanes`` products of an output and a balanced tree of sums.

    Latency: 1 cycle for the products, and as many for the sums as ``clock`` asks for (none for one lane).
    """

    def __init__(self, weight: Shape, x: Shape, lanes: int, clock: Clock):
        self.weight_shape, self.shape = weight, product_shape(weight, x)
        self.lanes, self.target, depth = lanes, clock.target, (lanes - 1).bit_length()
        self.step = clock.adders(self.shape.width + depth)
        self.latency, self.levels = 1 + -(-depth // self.step), min(self.step, lanes.bit_length())

    def sums(self, m: Module, platform: Any, weights: Sequence[Any], x: Any, first: int = 0) -> list[Sum]:
        return [self._sum(m, platform, row, x, f"{n}") for n, row in enumerate(weights, first)]

    def _sum(self, m: Module, platform: Any, weights: Any, x: Any, name: str) -> Sum:
        products = []
        for k in range(self.lanes):
            product = Signal(self.shape, name=f"product{name}_{k}", reset_less=True)
            hard_product(m, platform, weights[k], x[k], product, target=self.target)
            products.append(Sum(product))
        tree = Tree(m, products, self.step, name)
        while len(tree.terms) > 1:
            tree.level(lambda left: left == 1)
        return tree.terms[0]
