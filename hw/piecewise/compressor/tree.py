"""A compressor tree in the making: terms handed to the counters of a plan, then the cells, with registers
between them."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from fermatnet.hw.piecewise.compressor.cell import CounterCell
from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.search import Plan

__all__ = ["Term", "Tree"]

BANK = 32  # bits of registers in one bank


class Term:
    """A bit in the tree: its value once built, the level of the counter that makes it, the pipeline stage it
    is born in."""

    def __init__(self, value: Value | None, level: int):
        self.value, self.level, self.stage = value, level, 0


class Tree:
    """Applies a plan: earliest bits first, levels counted, then built with registers between stages."""

    def __init__(self, m: Module, en: Value | None):
        self.m, self.en = m, en
        self.cells: list[tuple[Counter, list[tuple[Value, Value, str]], list[list[Term]], list[Term]]] = []
        self.sum: list[Term] = []
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
            made = [Term(None, level) for _ in range(counter.outputs)]
            for j, term in enumerate(made):
                if column + j < len(bits):
                    bits[column + j].append(term)
            self.cells.append((counter, taken_pairs, taken, made))
        assert not any(pairs) and all(len(column) <= 1 for column in bits), "the plan leaves terms over"
        self.sum = [column[0] if column else Term(Const(0, 1), 0) for column in bits]

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
