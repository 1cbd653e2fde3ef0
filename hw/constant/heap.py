"""One output as a heap of bits: the bits of its terms by column, some of them inverted, and a constant."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermatnet.hw.constant.graph import AdderGraph, Term, source
from fermatnet.hw.piecewise.compressor.search import Plan, plan

__all__ = ["Bit", "BitHeap", "heap_of"]


@dataclass(frozen=True, order=True)
class Bit:
    """Bit ``place`` of word number ``word``, inverted or not."""

    word: int
    place: int
    inverted: bool


@dataclass(frozen=True)
class BitHeap:
    """Bits by column, whose sum and ``constant`` are the output modulo 2^width."""

    columns: tuple[tuple[Bit, ...], ...]
    constant: int

    @property
    def width(self) -> int:
        """Columns of the heap."""
        return len(self.columns)

    def ones(self, column: int) -> int:
        """1 where the constant has this bit."""
        return self.constant >> column & 1

    def heights(self) -> tuple[int, ...]:
        """Bits a column, those of the constant among them."""
        return tuple(len(column) + self.ones(place) for place, column in enumerate(self.columns))

    def plan(self, target: str) -> Plan | None:
        """Counters for it; None where the search finds none, or where there is nothing to add."""
        return plan(target, (0,) * self.width, self.heights())


def heap_of(graph: AdderGraph, terms: Sequence[Term], bias: int, width: int) -> BitHeap:
    """The heap of the sum of ``terms`` and ``bias``, modulo 2^width.

    A bit b that counts negative, of a word that is subtracted or the highest one of two's complement, is
    added as its inverse: -b = ~b - 1.
    """
    columns: list[list[Bit]] = [[] for _ in range(width)]
    constant = bias
    for term in terms:
        word = graph.words[term.word]
        constant += term.sign * (word.base << term.shift)
        for place in range(min(word.width, width - term.shift)):
            negative = (term.sign < 0) != (word.signed and place == word.width - 1)
            constant -= negative << term.shift + place
            number, own, inverted = (
                source(graph.words, term.word, place) if graph.offset else (term.word, place, False)
            )
            columns[term.shift + place].append(Bit(number, own, negative != inverted))
    return BitHeap(tuple(map(tuple, columns)), constant % (1 << width))
