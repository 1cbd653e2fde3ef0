"""Compressor trees: many terms of weight 2^c to one binary sum, by the counters of a plan, pipelined where
asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.cell import GATES
from fermatnet.hw.piecewise.compressor.search import Plan, depth, plan
from fermatnet.hw.piecewise.compressor.tree import Term, Tree
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


class Compressor(wiring.Component):
    """``o = sum over columns c of 2^c * (number of ones in column c)``, modulo 2^width.

    Combinational with ``pipeline`` = 0; otherwise registers cut the tree into ``pipeline`` + 1 parts of equal
    depth.
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
    pipeline : int
        Register stages.
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
        pipeline: int = 0,
        enable: bool = True,
    ):
        if target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if pipeline < 0 or width < 1:
            raise InputError(
                f"pipeline must not be negative and width at least 1, not {pipeline} and {width}"
            )
        if len(bits) != len(pairs) or any(gate not in GATES for column in pairs for gate in column):
            raise InputError("pairs and bits must have one entry a column, gates be and, nand, xor or xnor")
        self.pairs, self.bits = [tuple(column) for column in pairs[:width]], list(bits[:width])
        self.width, self.target, self.pipeline, self.latency = width, target, pipeline, pipeline
        self.total_pairs, self.total_bits = sum(map(len, self.pairs)), sum(self.bits)
        if not self.total_pairs + self.total_bits:
            raise InputError("a compressor needs at least one term")
        heap = Heap(tuple(self.pairs), tuple(self.bits), width)
        self.plan, self.depth = heap.plan(target), heap.depth(target)
        ports = {"a": In(self.total_pairs), "b": In(self.total_pairs)} if self.total_pairs else {}
        ports |= {"x": In(self.total_bits)} if self.total_bits else {}
        ports |= {"en": In(1)} if pipeline and enable else {}
        self.enable = enable
        super().__init__({**ports, "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        work = Tree(m, self.en if self.pipeline and self.enable else Const(1))
        pairs: list[list[tuple[Value, Value, str]]] = [[] for _ in range(self.width)]
        bits: list[list[Term]] = [[] for _ in range(self.width)]
        at = 0
        for c, gates in enumerate(self.pairs):
            for gate in gates:
                pairs[c].append((self.a[at], self.b[at], gate))
                at += 1
        at = 0
        for c, count in enumerate(self.bits):
            bits[c] += [Term(self.x[at + k], 0) for k in range(count)]
            at += count
        if self.plan is None:
            result = self._add(work, pairs, bits)
        else:
            work.schedule(self.plan, pairs, bits)
            result = work.build(self.pipeline)
        work.close()
        m.d.comb += self.o.eq(result)
        return m

    def _add(self, work: Tree, pairs, bits) -> Value:
        """Plain balanced additions, registers spread over the levels."""
        terms: list[Value] = []
        for c in range(self.width):
            ones = [GATES[gate](a, b)[0] for a, b, gate in pairs[c]] + [term.value for term in bits[c]]
            for start in range(0, len(ones), 6):
                terms.append(sum(ones[start : start + 6], Const(0)) << c)
        depth, done, stage = max(1, (len(terms) - 1).bit_length()), 0, 0
        while len(terms) > 1:
            terms = [
                terms[k] + terms[k + 1] if k + 1 < len(terms) else terms[k] for k in range(0, len(terms), 2)
            ]
            done += 1
            wanted = done * self.pipeline // depth
            terms = [work.delay(term[: self.width], wanted - stage) for term in terms]
            stage = wanted
        return work.delay(terms[0][: self.width], self.pipeline - stage)
