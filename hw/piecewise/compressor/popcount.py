"""AND-popcount of two operands: the heart of the piecewise array, as small as the target's tables and carry
chains allow."""

import math

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.heap import Compressor
from fermatnet.model.errors import InputError

__all__ = ["Popcount"]


class Popcount(wiring.Component):
    """``o = popcount(a AND b)``, or of another gate (3.20).

    Latency: ``pipeline`` cycles while ``en`` is high (combinational with 0). Throughput: one count a cycle.

    Parameters
    ----------
    width : int
        Bits of each operand, at least 1.
    target : str
        "lut6" (7-series and other six-input tables), "ecp5", "asic" or "generic".
    pipeline : int or None
        Register stages inside the tree; None: as many as ``budget`` asks for.
    budget : float
        Nanoseconds between registers (`fermatnet.hw.rtl.clock.Clock.budget`).
    gate : str
        "and", "nand", "xor" or "xnor".

    Attributes
    ----------
    tree : Compressor
        With the plan of its counters. latency : int.

    Members
    -------
    a, b : In(width)
    en : In(1)
        Clock enable of all registers (only with ``pipeline`` > 0).
    o : Out(ceil(log2(width + 1)))
    """

    def __init__(
        self,
        width: int,
        *,
        target: str = "lut6",
        pipeline: int | None = 0,
        budget: float = math.inf,
        gate: str = "and",
    ):
        if width < 1:
            raise InputError(f"width must be at least 1, not {width}")
        self.width, self.target, self.gate, self.cycles = width, target, gate, 1
        self.tree = Compressor(
            [(gate,) * width], [0], width.bit_length(), target=target, pipeline=pipeline, budget=budget
        )
        self.pipeline = self.latency = pipeline = self.tree.pipeline
        enable = {"en": In(1)} if pipeline else {}
        super().__init__({"a": In(width), "b": In(width), **enable, "o": Out(width.bit_length())})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.tree = tree = self.tree
        m.d.comb += [tree.a.eq(self.a), tree.b.eq(self.b), self.o.eq(tree.o)]
        if self.pipeline:
            m.d.comb += tree.en.eq(self.en)
        return m
