"""Compressor trees: many terms of weight 2^c to one binary sum, by the counters of a plan, pipelined where
asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.counters import Counter
from fermatnet.hw.piecewise.compressor.search import Plan, depth, plan
from fermatnet.model.errors import InputError

__all__ = ["GATES", "TARGETS", "Compressor", "CounterCell", "Heap"]

TARGETS = ("generic", "lut6", "ecp5", "asic")
BANK = 32
GATES = {
    "and": lambda a, b: a & b,
    "nand": lambda a, b: ~(a & b),
    "xor": lambda a, b: a ^ b,
    "xnor": lambda a, b: ~(a ^ b),
}


@dataclass(frozen=True)
class Heap:
    """Terms to add, by column: gates of the pairs, number of plain bits; the sum is taken modulo 2^width."""

    pairs: tuple[tuple[str, ...], ...]
    bits: tuple[int, ...]
    width: int

    @property
    def terms(self) -> int:
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


class CounterCell(wiring.Component):
    """One counter: a Verilog module of its own when Verilog is made, the plain weighted sum in Amaranth's
    simulator.

    Parameters
    ----------
    counter : Counter
    gates : tuple of str
        Function of each pair.

    Members
    -------
    p : In(2 * pairs)
        Inputs of the pairs, two bits each (absent without pairs).
    x0, x1, ... : In(bits[j])
        Bits of each column (absent where there are none).
    o : Out(outputs)
    """

    def __init__(self, counter: Counter, gates: tuple[str, ...] = ()):
        self.counter, self.gates = counter, gates
        ports = {"p": In(2 * counter.pairs)} if counter.pairs else {}
        ports |= {f"x{j}": In(count) for j, count in enumerate(counter.bits) if count}
        super().__init__({**ports, "o": Out(counter.outputs)})

    def elaborate(self, platform) -> Module:
        m = Module()
        columns = {f"x{j}": getattr(self, f"x{j}") for j, count in enumerate(self.counter.bits) if count}
        if hasattr(platform, "verilog_module"):
            name = platform.verilog_module(self.counter.module(self.gates), self.counter.verilog(self.gates))
            ports = {f"i_{port}": value for port, value in columns.items()}
            if self.counter.pairs:
                ports["i_p"] = self.p
            m.submodules.cell = Instance(name, o_o=self.o, **ports)
        else:
            terms: list[Value] = [
                GATES[gate](self.p[2 * k], self.p[2 * k + 1])[0] for k, gate in enumerate(self.gates)
            ]
            terms += [bit << int(port[1:]) for port, value in columns.items() for bit in value]
            m.d.comb += self.o.eq(sum(terms, Const(0)))
        return m


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
        Clock enable of all registers (only with ``pipeline`` > 0).
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
        ports |= {"en": In(1)} if pipeline else {}
        super().__init__({**ports, "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        work = _Tree(m, self.en if self.pipeline else None)
        pairs: list[list[tuple[Value, Value, str]]] = [[] for _ in range(self.width)]
        bits: list[list[_Term]] = [[] for _ in range(self.width)]
        at = 0
        for c, gates in enumerate(self.pairs):
            for gate in gates:
                pairs[c].append((self.a[at], self.b[at], gate))
                at += 1
        at = 0
        for c, count in enumerate(self.bits):
            bits[c] += [_Term(self.x[at + k], 0) for k in range(count)]
            at += count
        if self.plan is None:
            result = self._add(work, pairs, bits)
        else:
            work.schedule(self.plan, pairs, bits)
            result = work.build(self.pipeline)
        work.close()
        m.d.comb += self.o.eq(result)
        return m

    def _add(self, work: "_Tree", pairs, bits) -> Value:
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


class _Term:
    """A bit in the tree: its value once built, the level of the counter that makes it, the pipeline stage it
    is born in."""

    def __init__(self, value: Value | None, level: int):
        self.value, self.level, self.stage = value, level, 0


class _Tree:
    """Applies a plan: earliest bits first, levels counted, then built with registers between stages."""

    def __init__(self, m: Module, en: Value | None):
        self.m, self.en = m, en
        self.cells: list[tuple[Counter, list[tuple[Value, Value, str]], list[list[_Term]], list[_Term]]] = []
        self.sum: list[_Term] = []
        self.formed: list[CounterCell] = []  # pairs that needed a table of their own
        self.delays: dict[tuple[int, int], Value] = {}
        self.held: list[tuple[Signal, Value]] = []

    def schedule(self, plan: Plan, pairs, bits) -> None:
        """Assign terms to the plan's counters."""
        for column, counter in plan.steps:
            taken_pairs = self._pick_pairs(pairs[column], counter)
            taken = []
            for j, count in enumerate(counter.bits):
                pool = bits[column + j] if count else []
                pool.sort(key=lambda term: term.level)
                taken.append([pool.pop(0) for _ in range(count)])
            level = 1 + max((term.level for group in taken for term in group), default=0)
            made = [_Term(None, level) for _ in range(counter.outputs)]
            for j, term in enumerate(made):
                if column + j < len(bits):
                    bits[column + j].append(term)
            self.cells.append((counter, taken_pairs, taken, made))
        assert not any(pairs) and all(len(column) <= 1 for column in bits), "the plan leaves terms over"
        self.sum = [column[0] if column else _Term(Const(0, 1), 0) for column in bits]

    def _pick_pairs(
        self, pool: list[tuple[Value, Value, str]], counter: Counter
    ) -> list[tuple[Value, Value, str]]:
        """Pairs for one counter. In an ecp5 chain two pairs share a position where only one may be 1 for zero
        inputs; where the column has no other pair left, a table of its own forms the second one."""
        taken: list[tuple[Value, Value, str]] = []
        for _ in range(counter.pairs):
            crowded = (
                counter.kind == "ecp5"
                and counter.positions
                and any(gate in ("nand", "xnor") for _, _, gate in taken)
            )
            at = next(
                (k for k, pair in enumerate(pool) if not (crowded and pair[2] in ("nand", "xnor"))), None
            )
            if at is not None:
                taken.append(pool.pop(at))
                continue
            a, b, gate = pool.pop(0)
            cell = CounterCell(Counter("ecp5", 1, (), 1, 1), (gate,))
            self.m.submodules[f"formed{len(self.formed)}"] = cell
            self.m.d.comb += cell.p.eq(Cat(a, b))
            self.formed.append(cell)
            taken.append((cell.o[0], Const(1, 1), "and"))
        return taken

    def build(self, pipeline: int) -> Value:
        """Make the cells level by level; a term that a later stage reads passes through registers."""
        depth = max((cell[3][0].level for cell in self.cells), default=0)
        for k, (counter, pairs, taken, made) in enumerate(self.cells):
            stage = made[0].level * (pipeline + 1) // (depth + 1)
            gates = tuple(gate for _, _, gate in pairs)
            cell = CounterCell(counter, gates)
            self.m.submodules[f"c{k}"] = cell
            if pairs:
                self.m.d.comb += cell.p.eq(
                    Cat(self.delay(value, stage) for a, b, _ in pairs for value in (a, b))
                )
            for j, group in enumerate(taken):
                if group:
                    self.m.d.comb += getattr(cell, f"x{j}").eq(
                        Cat(self.delay(t.value, stage - t.stage) for t in group)
                    )
            for j, term in enumerate(made):
                term.value, term.stage = cell.o[j], stage
        return Cat(self.delay(term.value, pipeline - term.stage) for term in self.sum)

    def delay(self, value: Value | None, cycles: int) -> Value:
        """The value ``cycles`` enabled clock edges later; chains are shared."""
        assert value is not None and cycles >= 0
        for step in range(cycles):
            key = (id(value), step)
            if key not in self.delays:
                register = Signal(len(value), name="held")
                self.held.append((register, value))
                self.delays[key] = register
                self.delays[id(register), -1] = value  # keeps the key's object alive
            value = self.delays[key]
        return value

    def close(self) -> None:
        """Registers in banks of a machine word: tools are slow with hundreds of single enabled bits."""
        rows: list[list[tuple[Signal, Value]]] = [[]]
        for register, value in self.held:
            if sum(len(held) for held, _ in rows[-1]) + len(register) > BANK:
                rows.append([])
            rows[-1].append((register, value))
        for k, row in enumerate(rows if self.held else []):
            bank = Signal(sum(len(register) for register, _ in row), name=f"bank{k}")
            with self.m.If(self.en):
                self.m.d.sync += bank.eq(Cat(value for _, value in row))
            self.m.d.comb += Cat(register for register, _ in row).eq(bank)
