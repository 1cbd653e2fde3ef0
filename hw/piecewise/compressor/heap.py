"""Compressor trees: many terms of weight 2^c to one binary sum, by the counters of a plan, pipelined where
asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from amaranth.hdl import Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.arrange import Pair, Term, arrange
from fermatnet.hw.piecewise.compressor.cell import GATES
from fermatnet.hw.piecewise.compressor.search import Plan, depth, plan
from fermatnet.hw.piecewise.compressor.tree import Tree
from fermatnet.hw.rtl.clock import Clock
from fermatnet.model.errors import InputError

__all__ = ["TARGETS", "Compressor", "Heap"]

TARGETS = ("generic", "lut6", "ecp5", "asic")


@dataclass(frozen=True)
class Heap:
    """Terms to add, by column: gates of the pairs, number of plain bits; the sum is taken modulo 2^width."""

    pairs: tuple[tuple[str, ...], ...]
    bits: tuple[int, ...]
    width: int

    @property
    def terms(self) -> int:
        """Bits and pairs of bits that are left to be added."""
        return sum(map(len, self.pairs[: self.width])) + sum(self.bits[: self.width])

    @property
    def addends(self) -> int:
        """Words of plain additions: up to six terms of a column make one."""
        columns = list(map(len, self.pairs[: self.width])) + [0] * max(0, len(self.bits) - len(self.pairs))
        return sum(-(-(n + count) // 6) for n, count in zip(columns, self.bits[: self.width], strict=True))

    def _heights(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        spare = (0,) * (self.width - len(self.bits))
        return (*map(len, self.pairs[: self.width]), *spare), (*self.bits[: self.width], *spare)

    def plan(self, target: str) -> Plan | None:
        """Counters for a target; None for generic, and where no plan was found: plain additions."""
        return None if target == "generic" else plan(target, *self._heights())

    def depth(self, target: str) -> int:
        """Counters, or adders, on the longest path."""
        made = self.plan(target)
        return depth(made, self._heights()[1]) if made else 1 + max(1, self.terms - 1).bit_length()

    def stages(self, target: str, budget: float) -> int:
        """Register stages that leave no more than ``budget`` nanoseconds between two of them, where a single
        counter does not take longer."""
        return _cut(self, target, budget)[0]

    def levels(self, target: str, budget: float) -> int:
        """Most counters, or adders, between two registers then."""
        return _cut(self, target, budget)[1]

    def arranged(self, target: str, budget: float, pairs: list[list[Pair]], bits: list[list[Term]]):
        """The counters with their terms and stages; None where plain additions do it."""
        made = self.plan(target)
        return arrange(made, pairs, bits, Clock(target=target), budget) if made else None

    def budget(self, target: str, stages: int) -> float:
        """Least nanoseconds between registers with which ``stages`` of them are enough."""
        low, high = 0.0, 1.0
        while self.stages(target, high) > stages:
            low, high = high, 2 * high
        while stages and high - low > 0.05:
            middle = (low + high) / 2
            low, high = (low, middle) if self.stages(target, middle) <= stages else (middle, high)
        return high


@lru_cache(maxsize=4096)
def _cut(heap: Heap, target: str, budget: float) -> tuple[int, int]:
    """Register stages, and most counters between two of them."""
    pairs = [[Pair(None, None, gate) for gate in column] for column in heap.pairs[: heap.width]]
    bits = [[Term() for _ in range(count)] for count in heap.bits[: heap.width]]
    spare: list[list] = [[] for _ in range(heap.width - len(bits))]
    found = heap.arranged(target, budget, pairs + spare, bits + [list(column) for column in spare])
    if found is not None:
        return found.stages, found.levels
    levels = adder_stages(heap.addends, heap.width, Clock(target=target), budget)
    return len(levels) - 1, max(levels)


def adder_stages(addends: int, width: int, clock: Clock, budget: float) -> list[int]:
    """Of a balanced tree of plain additions, how many levels stand in each stage; the first level counts up
    to six terms."""
    levels, each = 1 + max(0, addends - 1).bit_length(), clock.chain(width)
    fitting = levels if budget >= levels * each else max(1, int(budget // each))
    return [min(fitting, levels - start) for start in range(0, levels, fitting)]


class Compressor(wiring.Component):
    """``o = sum over columns c of 2^c * (number of ones in column c)``, modulo 2^width.

    Combinational with ``pipeline`` = 0; otherwise registers cut the tree into stages, no longer than
    ``budget`` nanoseconds, or, where a number of stages is given, as short as that many can be.
    Latency: ``pipeline`` cycles while ``en`` is high. Throughput: one sum a cycle.

    Parameters
    ----------
    pairs : sequence of sequences of str
        By column, the gate of each pair: "and", "nand", "xor", "xnor".
    bits : sequence of int
        By column, the number of plain bits. As long as ``pairs``.
    width : int
        Bits of the sum; terms above are dropped.
    target : str
        "lut6", "ecp5", "asic", or "generic": plain additions, the synthesiser decides.
    pipeline : int or None
        Register stages; None: as many as ``budget`` asks for.
    budget : float
        Nanoseconds between registers (`fermatnet.hw.rtl.clock.Clock.budget`); infinite: as few as
        ``pipeline`` stages make it.
    enable : bool
        Whether the registers have a clock enable; without one they load in every cycle.

    Attributes
    ----------
    plan : Plan or None
        Counters used (None for generic).
    depth : int
        Counters, or adders, on the longest path.
    latency : int

    Members
    -------
    a, b : In(total pairs)
        The pairs' inputs, column after column.
    x : In(total bits)
        The plain bits, column after column.
    en : In(1)
        Clock enable of all registers (only with ``pipeline`` > 0 and ``enable``).
    o : Out(width)
    """

    def __init__(
        self,
        pairs: Sequence[Sequence[str]],
        bits: Sequence[int],
        width: int,
        *,
        target: str = "generic",
        pipeline: int | None = 0,
        budget: float = math.inf,
        enable: bool = True,
    ):
        if target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if (pipeline or 0) < 0 or width < 1:
            raise InputError(
                f"pipeline must not be negative and width at least 1, not {pipeline} and {width}"
            )
        if len(bits) != len(pairs) or any(gate not in GATES for column in pairs for gate in column):
            raise InputError("pairs and bits must have one entry a column, gates be and, nand, xor or xnor")
        self.pairs, self.bits = [tuple(column) for column in pairs[:width]], list(bits[:width])
        self.width, self.target = width, target
        self.total_pairs, self.total_bits = sum(map(len, self.pairs)), sum(self.bits)
        if not self.total_pairs + self.total_bits:
            raise InputError("a compressor needs at least one term")
        self.heap = heap = Heap(tuple(self.pairs), tuple(self.bits), width)
        self.plan, self.depth = heap.plan(target), heap.depth(target)
        self.budget = budget if budget < math.inf or not pipeline else heap.budget(target, pipeline)
        self.pipeline = self.latency = heap.stages(target, budget) if pipeline is None else pipeline
        ports = {"a": In(self.total_pairs), "b": In(self.total_pairs)} if self.total_pairs else {}
        ports |= {"x": In(self.total_bits)} if self.total_bits else {}
        ports |= {"en": In(1)} if self.pipeline and enable else {}
        self.enable = enable
        super().__init__({**ports, "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        work = Tree(m, self.en if self.pipeline and self.enable else None)
        pairs: list[list[Pair]] = [[] for _ in range(self.width)]
        bits: list[list[Term]] = [[] for _ in range(self.width)]
        at = 0
        for c, gates in enumerate(self.pairs):
            for gate in gates:
                pairs[c].append(Pair(self.a[at], self.b[at], gate))
                at += 1
        at = 0
        for c, count in enumerate(self.bits):
            bits[c] += [Term(value=self.x[at + k]) for k in range(count)]
            at += count
        if self.plan is None:
            result = self._add(work, pairs, bits)
        else:
            arranged = arrange(self.plan, pairs, bits, Clock(target=self.target), self.budget)
            result = work.build(arranged, self.pipeline)
        work.close()
        m.d.comb += self.o.eq(result)
        return m

    def _add(self, work: Tree, pairs: list[list[Pair]], bits: list[list[Term]]) -> Value:
        """Plain balanced additions, registers behind the levels of each stage but the last."""
        terms: list[Value] = []
        for c in range(self.width):
            ones = [GATES[pair.gate](pair.a, pair.b)[0] for pair in pairs[c]]
            ones += [term.value for term in bits[c]]
            for start in range(0, len(ones), 6):
                terms.append(sum(ones[start : start + 6], Const(0)) << c)
        clock = Clock(target=self.target)
        stages = adder_stages(self.heap.addends, self.width, clock, self.budget)
        done, level, ends = 0, 1, list(accumulate(stages))[:-1]  # registers so far; the terms are level 1
        while True:
            if level in ends and done < self.pipeline:
                terms, done = [work.delay(term[: self.width], 1) for term in terms], done + 1
            if len(terms) == 1:
                return work.delay(terms[0][: self.width], self.pipeline - done)
            pair_up = range(0, len(terms), 2)
            terms = [terms[k] + terms[k + 1] if k + 1 < len(terms) else terms[k] for k in pair_up]
            level += 1
