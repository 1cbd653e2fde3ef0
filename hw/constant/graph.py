"""Sums of shifted words: what a constant matrix becomes, as numbers, before any hardware."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fermatnet.hw.rtl.words import range_width

__all__ = [
    "AdderGraph",
    "Term",
    "Word",
    "combined",
    "extremes",
    "input_words",
    "positions",
    "source",
    "sum_size",
]


@dataclass(frozen=True, order=True)
class Term:
    """``sign`` * 2^``shift`` * word number ``word``; sign is +1 or -1."""

    word: int
    shift: int
    sign: int


@dataclass(frozen=True)
class Word:
    """An integer in ``low``..``high``: an input, or the sum of two terms.

    In hardware it is the integer less ``base``. With ``offset`` coding (see `combined`) that is never
    negative: a word is subtracted as its inverted bits and a constant, and no sign is extended. Without,
    ``base`` is 0 and a word that can be negative is in two's complement.

    ``parts``: its terms, () for an input; ``depth``: additions on its longest path; ``weights`` (I,) int64:
    what it is of the inputs, so that its range is exact.
    """

    low: int
    high: int
    base: int
    parts: tuple[Term, ...] = ()
    depth: int = 0
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False, compare=False)

    @property
    def signed(self) -> bool:
        """Whether the stored word can be negative."""
        return self.low < self.base

    @cached_property
    def width(self) -> int:
        """Bits of the word less its base."""
        return range_width(self.low - self.base, self.high - self.base)


def input_words(low: Sequence[int], high: Sequence[int], offset: bool) -> list[Word]:
    """The inputs, by their inclusive ranges. Where words have an offset, a negative one is read with its
    highest bit inverted."""
    words = []
    for row, lo, hi in zip(np.eye(len(low), dtype=np.int64), low, high, strict=True):
        base = -(1 << range_width(lo, hi) - 1) if offset and lo < 0 else 0
        words.append(Word(lo, hi, base, weights=row))
    return words


def combined(words: Sequence[Word], parts: tuple[Term, ...], offset: bool) -> Word:
    """The word that is the sum of ``parts``, its range from those of the inputs (words 0 to I - 1)."""
    weights = np.zeros_like(words[0].weights)
    base = 0
    for term in parts:
        one = words[term.word]
        weights = weights + (term.sign << term.shift) * one.weights
        # less a word is its inverted bits, and a constant
        base += one.base << term.shift if term.sign > 0 else -(one.base + (1 << one.width) - 1 << term.shift)
    low, high = extremes(words, weights)
    depth = 1 + max(words[term.word].depth for term in parts)
    return Word(low, high, base if offset else 0, parts, depth, weights)


def extremes(words: Sequence[Word], weights: np.ndarray) -> tuple[int, int]:
    """Inclusive range of the inputs' weighted sum."""
    low = high = 0
    for place in np.flatnonzero(weights).tolist():
        ends = [int(weights[place]) * words[place].low, int(weights[place]) * words[place].high]
        low, high = low + min(ends), high + max(ends)
    return low, high


def source(words: Sequence[Word], word: int, place: int) -> tuple[int, int, bool]:
    """Where a bit of a word with an offset comes from when no adder makes it: the word and the bit, and
    whether it is inverted. Below the higher shift of a sum the lower operand passes as it is."""
    inverted = False
    while words[word].parts:
        low, high = sorted(words[word].parts, key=lambda term: term.shift)
        if place >= min(high.shift, low.shift + words[low.word].width):
            break
        word, place, inverted = low.word, place - low.shift, inverted != (low.sign < 0)
    return word, place, inverted


def positions(word: Word, words: Sequence[Word]) -> int:
    """Positions of the carry chain of a sum of two: below the higher shift one operand passes unchanged, and
    a top bit that only a carry reaches costs none."""
    first, second = word.parts
    return _positions(word.width, words[first.word], words[second.word], second.shift - first.shift)


def _positions(width: int, first: Word, second: Word, shift: int) -> int:
    """`positions` of a sum of ``width`` bits; ``shift`` of the second word less that of the first, the lower
    of which is 0."""
    top = max(first.width + max(0, -shift), second.width + max(0, shift))
    bare = width > top and not (first.signed or second.signed)
    return max(1, width - abs(shift) - bare)


def sum_size(first: Word, second: Word, shift: int, relation: int, offset: bool) -> tuple[int, int]:
    """Width and `positions` of ``first + relation 2^shift second``, times 2^-shift where shift is negative,
    without making it: for two words of different inputs, or one word twice.

    ``relation`` is +1 or -1; ``offset`` as in `combined`.
    """
    up, down = max(0, -shift), max(0, shift)
    if first is second:
        factor = (1 << up) + (relation << down)
        low, high = sorted((factor * first.low, factor * first.high))
    else:
        ends = (second.low << down, second.high << down)
        low, high = [
            (end << up) + relation * own
            for end, own in zip((first.low, first.high), ends[::relation], strict=True)
        ]
    base = 0
    if offset:
        taken = second.base if relation > 0 else -(second.base + (1 << second.width) - 1)
        base = (first.base << up) + (taken << down)
    width = range_width(low - base, high - base)
    return width, _positions(width, first, second, shift)


@dataclass(frozen=True)
class AdderGraph:
    """``words``: inputs first, then sums, each of earlier words; ``outputs``: the terms whose sum each output
    is; ``offset``: how words are coded, see `Word`."""

    inputs: int
    words: tuple[Word, ...]
    outputs: tuple[tuple[Term, ...], ...]
    offset: bool

    def matrix(self) -> np.ndarray:
        """(O, I) int64: the matrix that it multiplies by."""
        rows = np.zeros((len(self.outputs), self.inputs), np.int64)
        for row, terms in zip(rows, self.outputs, strict=True):
            for term in terms:
                row += (term.sign << term.shift) * self.words[term.word].weights
        return rows

    @property
    def sums(self) -> tuple[Word, ...]:
        """The words that are no inputs."""
        return self.words[self.inputs :]

    @property
    def adders(self) -> int:
        """Carry-chain positions of all words."""
        return sum(positions(word, self.words) for word in self.sums)

    @property
    def bits(self) -> int:
        """Bits that are left to add, over all outputs."""
        return sum(self.words[term.word].width for terms in self.outputs for term in terms)
