"""Sums: chained additions become carry-save adders and one carry chain; multipliers that add take their share
(xc7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermatnet.hw.resources.cells import Netlist, Operator, Word, bit_of, cell_of
from fermatnet.hw.resources.chains import Chains
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.multipliers import Multipliers
from fermatnet.hw.resources.signals import Signals

__all__ = ["Sums"]


@dataclass(frozen=True)
class Term:
    """One operand of a sum: literals, and whether it is subtracted."""

    word: tuple[int, ...]
    negative: bool


class Sums:
    """Additions and subtractions of a netlist."""

    def __init__(
        self,
        netlist: Netlist,
        signals: Signals,
        made: Contents,
        chains: Chains,
        multipliers: Multipliers,
    ):
        self._netlist, self._signals, self._made, self._graph = netlist, signals, made, made.graph
        self._chains, self._multipliers = chains, multipliers
        self._known: dict[tuple[int, tuple[Term, ...]], list[int]] = {}

    def of(self, cell: Operator, width: int) -> list[int]:
        """Literals of the lowest ``width`` bits of a sum or difference; one that is written twice is one."""
        terms = tuple(self._terms(cell, width))
        if (width, terms) not in self._known:
            self._known[width, terms] = self._added(terms, width)
        return self._known[width, terms]

    def _terms(self, cell: Operator, width: int) -> list[Term]:
        """Operands of a sum with their signs; sums that only this one reads are dissolved into it."""
        if len(cell.inputs) == 1:
            return [Term(tuple(self._signals.extended(cell.inputs[0], width)), True)]
        terms = []
        for place, word in enumerate(cell.inputs):
            negative = place == 1 and cell.kind == "-"
            inner = self._only_read_here(word[:width])
            if inner is None:
                terms.append(Term(tuple(self._signals.extended(word, width)), negative))
            else:
                terms += [Term(one.word, one.negative ^ negative) for one in self._terms(inner, width)]
        return terms

    def _only_read_here(self, word: Word) -> Operator | None:
        """The sum that a word is, from its lowest bit on, where nothing else reads it, nobody wants it kept
        and it cannot overflow before it is extended."""
        if not word or word[0] <= 1:
            return None
        index = cell_of(word[0])
        cell = self._netlist.cells[index]
        if not isinstance(cell, Operator) or cell.kind not in ("+", "-"):
            return None
        if self._netlist.readers.get(index) != 1 or index in self._netlist.kept:
            return None
        low = word[: len(cell.inputs[0])]
        if any(net <= 1 or cell_of(net) != index or bit_of(net) != k for k, net in enumerate(low)):
            return None
        return cell

    def _added(self, terms: Sequence[Term], width: int) -> list[int]:
        """Carry-save adders down to two operands, then a carry chain (a few bits: gates)."""
        words, constant, carry = _operands(terms, width)
        words = self._absorbed(words, width)
        if constant:
            words.append([constant >> k & 1 for k in range(width)])
        words = self._saved(words)
        if not words:
            return [0] * width
        if len(words) == 1 and not carry:
            return words[0]
        return self._chains.add(words[0], words[1] if len(words) > 1 else [0] * width, carry)

    def _saved(self, words: list[list[int]]) -> list[list[int]]:
        """Three words by carry-save adders to two, until there are only two."""
        graph = self._graph
        while len(words) > 2:
            a, b, c = words[:3]
            sums = [graph.parity(*column) for column in zip(a, b, c, strict=True)]
            carries = [graph.majority(*column) for column in zip(a[:-1], b[:-1], c[:-1], strict=True)]
            words = [*words[3:], sums, [0, *carries]]
        return words

    def _absorbed(self, words: list[list[int]], width: int) -> list[list[int]]:
        """What is left to add where multipliers add (xc7): in a balanced tree each first sum of two products
        is one multiplier's, an odd product takes one sum more; a single product takes what is added to it,
        with its register."""
        registered, addends = self._multipliers.registered, self._multipliers.addends
        own = [word for word in words if word[0] in registered]
        if not own or len(words) == 1:
            return words
        others = [word for word in words if word[0] not in registered]
        if len(own) == 1:
            own.append(others.pop(0))
            self._made.registers -= sum(literal & ~1 in addends for literal in set(own[1]))
        self._made.roots += [literal for word in own for literal in word]
        return [[self._graph.leaf() for _ in range(width)] for _ in range(len(own) // 2)] + others


def _operands(terms: Sequence[Term], width: int) -> tuple[list[list[int]], int, int]:
    """Words to add, the sum of all constants, and the carry into the lowest bit: a subtracted word is its
    complement and one more, and of two words and more the carry gives that one."""
    terms = [term for term in terms if any(term.word)]
    constant = sum(term.negative for term in terms)
    words = [[literal ^ term.negative for literal in term.word] for term in terms]
    fixed = [word for word in words if all(literal <= 1 for literal in word)]
    constant += sum(literal << k for word in fixed for k, literal in enumerate(word))
    words = [word for word in words if word not in fixed]
    carry = 0
    if any(term.negative for term in terms) and len(words) >= 2 and not fixed:
        constant, carry = constant - 1, 1
    return words, constant % (1 << width), carry
