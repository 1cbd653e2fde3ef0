"""A compressor tree as hardware: the cells of an arrangement, with registers between their stages."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from fermatnet.hw.piecewise.compressor.arrange import Arrangement, Cell
from fermatnet.hw.piecewise.compressor.cell import CounterCell

__all__ = ["Tree"]

BANK = 32  # bits of registers in one bank


class Tree:
    """Builds the cells of an arrangement into ``m``; ``en``: clock enable of the registers, None where they
    load in every cycle."""

    def __init__(self, m: Module, en: Value | None):
        self.m, self.en = m, en
        self.delays: dict[tuple[int, int], Value] = {}
        self.held: list[tuple[Signal, Value]] = []

    def build(self, arranged: Arrangement, stages: int) -> Value:
        """Makes the cells; a term that a later stage reads passes through registers, and the sum is there
        after ``stages`` of them."""
        for k, cell in enumerate(arranged.cells):
            self._cell(k, cell)
        return Cat(
            self.delay(term.value, stages - term.moment.stage) if term else Const(0, 1)
            for term in arranged.total
        )

    def _cell(self, k: int, cell: Cell) -> None:
        one = CounterCell(cell.counter, tuple("and" if pair.formed else pair.gate for pair in cell.pairs))
        self.m.submodules[f"counter{k}"] = one
        if cell.pairs:
            inputs: list[Value] = []
            for pair in cell.pairs:
                if pair.formed:
                    late = cell.stage - pair.formed.moment.stage
                    inputs += [self.delay(pair.formed.value, late), Const(1, 1)]
                else:
                    inputs += [self.delay(value, cell.stage) for value in (pair.a, pair.b)]
            self.m.d.comb += one.p.eq(Cat(inputs))
        for j, group in enumerate(cell.taken):
            if group:
                self.m.d.comb += getattr(one, f"x{j}").eq(
                    Cat(self.delay(term.value, cell.stage - term.moment.stage) for term in group)
                )
        for j, term in enumerate(cell.made):
            term.value = one.o[j]

    def delay(self, value: Value | None, cycles: int) -> Value:
        """The value ``cycles`` enabled clock edges later; chains are shared."""
        assert value is not None and cycles >= 0
        for step in range(cycles):
            key = (id(value), step)
            if key not in self.delays:
                register = Signal(len(value), name="held", reset_less=True)
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
            bank = Signal(sum(len(register) for register, _ in row), name=f"bank{k}", reset_less=True)
            load = bank.eq(Cat(value for _, value in row))
            if self.en is None:
                self.m.d.sync += load
            else:
                with self.m.If(self.en):
                    self.m.d.sync += load
            self.m.d.comb += Cat(register for register, _ in row).eq(bank)
