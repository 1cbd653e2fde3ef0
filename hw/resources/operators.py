"""Operators on words: gates bit by bit, shifts, products; sums and comparisons are parts of their own."""

from fermatnet.hw.resources.cells import Netlist, Operator, Word, bit_of, cell_of, is_constant
from fermatnet.hw.resources.comparisons import ORDER, Comparisons
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.multipliers import Multipliers
from fermatnet.hw.resources.signals import Signals
from fermatnet.hw.resources.sums import Sums

__all__ = ["Operators"]


class Operators:
    """Operators of a netlist on ``family``. ``used``: the highest bit used of each operator's output."""

    def __init__(
        self,
        netlist: Netlist,
        signals: Signals,
        made: Contents,
        *,
        used: dict[int, int],
        sums: Sums,
        comparisons: Comparisons,
        multipliers: Multipliers,
        family: str,
    ):
        self._netlist, self._signals, self._made, self._graph = netlist, signals, made, made.graph
        self._used, self._family = used, family
        self._sums, self._comparisons, self._multipliers = sums, comparisons, multipliers
        self._whole: dict[int, list[int]] = {}  # literals of cells that are made as a whole

    def bit(self, net: int, cell: Operator) -> int:
        """Literal of one bit of an operator's output."""
        if cell.kind in ("+", "-", "*") or cell.kind in ORDER:
            index = cell_of(net)
            if index not in self._whole:
                self._whole[index] = self._arithmetic(index, cell)
            return self._whole[index][bit_of(net)]
        if cell.kind in ("u>>", "s>>", "<<"):
            return self._shifted(cell, bit_of(net))
        if cell.kind in ("~", "&", "|", "^", "m"):
            return self._bitwise(cell, bit_of(net))
        return self._reduced(cell)

    def _bitwise(self, cell: Operator, bit: int) -> int:
        """Operators of which a bit is made of one bit of each input."""
        graph, literal = self._graph, self._signals.literal
        if cell.kind == "~":
            return literal(cell.inputs[0][bit]) ^ 1
        if cell.kind == "m":
            select = self._condition(cell)
            return graph.choose(select, literal(cell.inputs[1][bit]), literal(cell.inputs[2][bit]))
        a, b = [literal(word[bit]) for word in cell.inputs]
        return {"&": graph.conj, "|": graph.disj, "^": graph.differ}[cell.kind](a, b)

    def _reduced(self, cell: Operator) -> int:
        """Operators of which the one bit is made of all bits of the inputs."""
        graph, kind = self._graph, cell.kind
        words = [self._signals.literals(word) for word in cell.inputs]
        if kind in ("b", "r|"):
            return graph.any_of(words[0])
        if kind == "r&":
            return graph.all_of(words[0])
        if kind == "r^":
            return graph.odd_of(words[0])
        if kind in ("==", "!="):
            same = graph.all_of(graph.differ(a, b) ^ 1 for a, b in zip(*words, strict=True))
            return same ^ (kind == "!=")
        raise AssertionError(f"operator {kind!r} is in no generator")

    def _condition(self, cell: Operator) -> int:
        """Select of a multiplexer. Where x above a limit becomes the limit, x at the limit may too: yosys
        then compares with >= on ecp5."""
        net, limit, value = cell.inputs[0][0], cell.inputs[1], cell.inputs[2]
        test = self._netlist.cells[cell_of(net)] if net > 1 else None
        if self._family == "ecp5" and isinstance(test, Operator) and test.kind in ("s>", "u>"):
            literals = self._signals.literals
            if test.inputs[1] == limit and (left := literals(test.inputs[0])) == literals(value):
                return self._comparisons.of(test.kind + "=", left, literals(limit))
        return self._signals.literal(net)

    def _shifted(self, cell: Operator, bit: int) -> int:
        word, amount = cell.inputs
        literal = self._signals.literal
        fill = literal(word[-1]) if cell.kind == "s>>" else 0
        entries = []
        for distance in range(1 << len(amount)):
            at = bit - distance if cell.kind == "<<" else bit + distance
            entries.append(literal(word[at]) if 0 <= at < len(word) else fill)
        return self._graph.select(self._signals.literals(amount), entries)

    def _arithmetic(self, index: int, cell: Operator) -> list[int]:
        width = self._used.get(index, 0) + 1
        if cell.kind == "*":
            return self._product(cell, width)
        if cell.kind in ("+", "-"):
            return self._sums.of(cell, width) + [0] * (len(cell.inputs[0]) - width)
        left, right = [self._signals.literals(word) for word in cell.inputs]
        return [self._comparisons.of(cell.kind, left, right)]

    def _product(self, cell: Operator, used: int) -> list[int]:
        a, b = (_significant(word) for word in cell.inputs)
        self._made.products.append((len(a), len(b), min(used, cell.width)))
        self._signals.want(a + b)
        result = [self._graph.leaf() for _ in range(cell.width)]
        if self._family == "xc7" and not any(is_constant(word) for word in cell.inputs):
            self._multipliers.products.update(result)
        return result


def _significant(word: Word) -> Word:
    """A word without its repeated sign or leading zeros."""
    size = len(word)
    while size > 1 and (word[size - 1] == word[size - 2] or word[size - 1] == 0):
        size -= 1
    return word[:size]
