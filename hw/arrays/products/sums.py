"""What all ways to multiply have in common: operands in, a sum of products for each output out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value

from fermatnet.hw.rtl.words import range_shape, shape_range

__all__ = ["Sum", "SumsOfProducts", "Tree", "added", "held", "product_shape"]


def product_shape(a: Shape, b: Shape) -> Shape:
    """Shape of every product of a value of shape a and one of shape b."""
    corners = [x * y for x in shape_range(a) for y in shape_range(b)]
    return range_shape(min(corners), max(corners))


@dataclass(frozen=True)
class Sum:
    """A value, and one bit that has still to be added to it (None: nothing)."""

    value: Value
    carry: Value | None = None

    def plus(self, other: "Sum") -> "Sum":
        """Both together: one chain, into which one of the bits goes as its carry."""
        carries = [one for one in (self.carry, other.carry) if one is not None]
        if not carries:
            return Sum(self.value + other.value)
        return Sum(added(self.value, other.value, carries[0]), carries[1] if carries[1:] else None)

    def held(self, m: Module, name: str) -> "Sum":
        """In registers."""
        carry = None if self.carry is None else held(m, self.carry, f"{name}_carry")
        return Sum(held(m, self.value, name), carry)


def added(a: Value, b: Value, carry: Value | None) -> Value:
    """``a + b + carry`` as one carry chain: the carry is what two ones below the lowest bits give."""
    if carry is None:
        return a + b
    low, high = Cat(Const(1, 1), a), Cat(carry, b)
    signed = a.shape().signed, b.shape().signed
    total = (low.as_signed() if signed[0] else low) + (high.as_signed() if signed[1] else high)
    return total[1:].as_signed() if any(signed) else total[1:]


def held(m: Module, value: Value, name: str) -> Signal:
    """The value in a register, one cycle later."""
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register


class SumsOfProducts(ABC):
    """``sum_k w[n][k] x[k]`` for every output n, registers behind the products and every few sums.

    Latency: ``latency`` cycles, at least one. Throughput: one beat a cycle.

    Attributes
    ----------
    weight_shape : Shape
        Of a weight as the memory holds it; `encoded` makes it.
    latency, levels : int
        Registers from the operands to the sum, and most adders or counters between two of them.
    offset : int
        What every sum is above the true one.
    """

    weight_shape: Shape
    latency: int
    levels: int
    offset = 0

    def encoded(self, weight: np.ndarray) -> np.ndarray:
        """Weights (..., outputs, lanes) int as the memory holds them; the same shape."""
        return weight

    @abstractmethod
    def sums(self, m: Module, platform: Any, weights: Sequence[Any], x: Any, first: int = 0) -> list[Sum]:
        """A sum an output, ``latency`` cycles behind ``weights`` (outputs x lanes) and ``x`` (lanes); names
        count outputs from ``first`` on."""


class Tree:
    """A balanced tree of sums with a register after every ``step`` levels and at its end.

    ``terms`` are what is left to add; `level` adds them two by two.
    """

    def __init__(self, m: Module, terms: list[Sum], step: int, name: str):
        self.m, self.terms, self.step, self.name, self.at = m, terms, step, name, 0

    def level(self, last: Callable[[int], bool]) -> None:
        """One level; ``last``: whether so many terms are the end."""
        pairs = range(0, len(self.terms), 2)
        self.terms = [
            self.terms[k].plus(self.terms[k + 1]) if k + 1 < len(self.terms) else self.terms[k] for k in pairs
        ]
        self.at += 1
        if self.at % self.step == 0 or last(len(self.terms)):
            self.terms = [
                term.held(self.m, f"sum{self.name}_{self.at}_{k}") for k, term in enumerate(self.terms)
            ]
