"""Decisions: what `If`, `Switch` and indexing become in a netlist, as gates."""

from fermatnet.hw.resources.cells import Assigned, Match, Part, Priority
from fermatnet.hw.resources.graph import Graph
from fermatnet.hw.resources.signals import Signals

__all__ = ["Decisions"]


class Decisions:
    """Literals of the cells that decide."""

    def __init__(self, signals: Signals, graph: Graph):
        self._signals, self._graph = signals, graph

    def matched(self, cell: Match) -> int:
        """Whether a value fits one of the patterns."""
        value = self._signals.literals(cell.value)
        return self._graph.any_of([self._fits(value, pattern) for pattern in cell.patterns])

    def _fits(self, value: list[int], pattern: str) -> int:
        marks = zip(reversed(value), pattern, strict=True)
        return self._graph.all_of([literal ^ (mark == "0") for literal, mark in marks if mark != "-"])

    def first(self, cell: Priority, bit: int) -> int:
        """Whether input ``bit`` is the first one that is 1."""
        literal = self._signals.literal
        taken = [literal(net) ^ 1 for net in cell.inputs[:bit]]
        return self._graph.all_of([literal(cell.enable), literal(cell.inputs[bit]), *taken])

    def assigned(self, cell: Assigned, bit: int) -> int:
        """A bit after all its assignments."""
        literal = self._signals.literal
        result = literal(cell.default[bit])
        for one in cell.assignments:
            if one.holds(bit):
                taken = literal(one.condition)
                result = self._graph.choose(taken, literal(one.value[bit - one.start]), result)
        return result

    def part(self, cell: Part, bit: int) -> int:
        """A bit of a part at a variable place; whole powers of two of places beyond the value are one
        entry."""
        literal = self._signals.literal
        offset = self._signals.literals(cell.offset)
        fill = literal(cell.value[-1]) if cell.signed else 0
        entries = []
        for index in range(1 << len(offset)):
            at = bit + index * cell.stride
            entries.append(literal(cell.value[at]) if at < len(cell.value) else fill)
            if at >= len(cell.value) and index & (index - 1) == 0 and index:
                entries += [fill] * ((1 << len(offset)) - len(entries))
                break
        return self._graph.select(offset, entries)
