"""Which sums the outputs of a matrix share: common subexpressions of signed digits, greedily, each weighed by
what it saves.

Every weight is written in canonical signed digits, so every output is a sum of terms +-2^k x_i. Two terms
that stand in the same relation to each other in several outputs (the same words, relative shift and relative
sign) are formed once, as a word, and stand in these outputs as one term. The pair that saves most goes first:
an output pays ``price`` tables for each bit that it has to add up, a word costs an adder once. Words are
terms like inputs, so sums of several inputs grow by themselves, up to ``deepest`` additions.

After Hartley, "Subexpression sharing in filters using canonic signed digit multipliers" (1996) and Sun et
al., "da4ml: Distributed Arithmetic for Real-time Neural Networks on FPGAs" (2025); new here is the price,
which is that of a heap of bits and not of one more adder.
"""

import heapq
from collections import Counter
from collections.abc import Iterator

import numpy as np

from fermatnet.hw.constant.graph import AdderGraph, Term, Word, combined, input_words, positions, sum_size
from fermatnet.model.piecewise.planes import digits

__all__ = ["share"]

Pattern = tuple[int, int, int, int]  # words a <= b, shift of b relative to a, product of the signs
Digits = list[list[tuple[int, int]]]  # of an output's weights: sign and shift
TERMS = 160  # of an output among which pairs are counted: the work grows with the square


def share(
    matrix: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    price: float,
    deepest: int = 3,
    offset: bool = True,
    near: bool = False,
) -> AdderGraph:
    """The graph of a matrix.

    Parameters
    ----------
    matrix : (O, I) int
    low, high : (I,) int
        Inclusive range of each input.
    price : float
        Tables that a bit costs an output.
    deepest : int
        Most additions on the path to a shared word.
    offset : bool
        How words are coded, see `fermatnet.hw.constant.graph.Word`.
    near : bool
        Write 3 as 2 + 1, not as 4 - 1: more terms then meet at equal shifts.
    """
    words = input_words([int(value) for value in low], [int(value) for value in high], offset)
    rows = [[_written(int(value), near) for value in row] for row in matrix]
    terms: list[list[Term]] = [[] for _ in rows]
    for first, last in _blocks(rows):
        inside = [[own if first <= k < last else [] for k, own in enumerate(row)] for row in rows]
        part = _Sharing(words, inside, price, deepest, offset)
        part.run()
        for found, output in zip(terms, part.outputs, strict=True):
            found += [Term(word, shift, sign) for word, own in output.items() for shift, sign in own.items()]
    made = AdderGraph(len(words[0].weights), tuple(words), tuple(map(tuple, map(sorted, terms))), offset)
    assert np.array_equal(made.matrix(), matrix), "the shared sums do not make the matrix"
    return made


def _written(value: int, near: bool) -> list[tuple[int, int]]:
    """(sign, shift) of the digits of a weight."""
    found, pairs = digits(value), []
    while found:
        sign, shift = found.pop(0)
        if near and found[:1] == [(-sign, shift + 2)]:
            found.pop(0)
            pairs += [(-sign, shift), (-sign, shift + 1)]
        else:
            pairs.append((sign, shift))
    return pairs


def _blocks(rows: list[Digits]) -> list[tuple[int, int]]:
    """Runs of columns, from and to, in which every output has at most `TERMS` terms."""
    counts = np.array([[len(own) for own in row] for row in rows])
    blocks, start = [], 0
    for column in range(1, counts.shape[1]):
        if counts[:, start : column + 1].sum(axis=1).max() > TERMS:
            blocks.append((start, column))
            start = column
    return [*blocks, (start, counts.shape[1])]


class _Sharing:
    """The greedy search over some columns; new words are put at the end of ``words``."""

    def __init__(self, words: list[Word], rows: list[Digits], price: float, deepest: int, offset: bool):
        self.words, self.price, self.deepest, self.offset = words, price, deepest, offset
        self.outputs: list[dict[int, dict[int, int]]] = []  # sign by word and shift
        self.inputs = [1 << place for place in range(len(words))]  # that a word is of, a bit each
        self.sizes: dict[tuple[int, ...], tuple[int, int]] = {}  # of sums, by the ranges of the two
        self.counts: Counter[Pattern] = Counter()
        self.worth: dict[Pattern, tuple[float, int]] = {}
        self.queue: list[tuple[float, Pattern]] = []
        for output, row in enumerate(rows):
            self.outputs.append({})
            for word, own in enumerate(row):
                for sign, shift in own:
                    self.counts.update(self._meets(output, word, shift, sign))
                    self.outputs[output].setdefault(word, {})[shift] = sign
        for pattern in self.counts:
            self._push(pattern)

    def run(self) -> None:
        while self.queue:
            gain, pattern = heapq.heappop(self.queue)
            now = self._gain(pattern, self.counts[pattern])
            if now <= 0:
                continue
            if now < -gain:  # fewer than when it was put there
                heapq.heappush(self.queue, (-now, pattern))
                continue
            found = self._uses(pattern)
            if self._gain(pattern, len(found)) > 0:
                self._replace(pattern, found)

    def _push(self, pattern: Pattern) -> None:
        count = self.counts[pattern]
        if count > 1 and (gain := self._gain(pattern, count)) > 0:
            heapq.heappush(self.queue, (-gain, pattern))

    def _gain(self, pattern: Pattern, uses: int) -> float:
        """Tables that a word saves."""
        worth = self.worth.get(pattern)
        if worth is None:
            worth = self.worth[pattern] = self._worth(pattern)
        return uses * worth[0] - worth[1]

    def _worth(self, pattern: Pattern) -> tuple[float, int]:
        """Tables that each use saves, and that the adder costs: those of `_word`, which is not made where its
        range follows from the two words' (most of the time of a search passes here)."""
        a, b, shift, relation = pattern
        one, other = self.words[a], self.words[b]
        if a != b and self.inputs[a] & self.inputs[b]:
            word = self._word(pattern, 1)
            width, cost = word.width, positions(word, self.words)
        else:
            kind = one.low, one.high, one.base, other.low, other.high, other.base, a == b, shift, relation
            if kind not in self.sizes:
                self.sizes[kind] = sum_size(one, other, shift, relation, self.offset)
            width, cost = self.sizes[kind]
        if max(one.depth, other.depth) >= self.deepest:
            cost = 1 << 30
        return (one.width + other.width - width) * self.price, cost

    def _word(self, pattern: Pattern, sign: int) -> Word:
        """The sum that a pattern is; ``sign`` of its first term where the two differ."""
        a, b, shift, relation = pattern
        sign = sign if relation < 0 else 1
        first = Term(a, max(0, -shift), sign)
        return combined(self.words, (first, Term(b, max(0, shift), sign * relation)), self.offset)

    def _uses(self, pattern: Pattern) -> list[tuple[int, int, int]]:
        """(output, shift of the first word, its sign) of pairs that share no term."""
        a, b, apart, relation = pattern
        found = []
        for output, terms in enumerate(self.outputs):
            if a not in terms or b not in terms:
                continue
            second, taken = terms[b], set()
            for shift, sign in sorted(terms[a].items()):
                if second.get(shift + apart) != sign * relation:
                    continue
                if a == b and shift in taken:
                    continue
                taken.add(shift + apart)
                found.append((output, shift, sign))
        return found

    def _replace(self, pattern: Pattern, found: list[tuple[int, int, int]]) -> None:
        a, b, apart, _ = pattern
        # the sign that most uses have; of a word times an odd number the positive one
        sign = 1 if sum(sign for *_, sign in found) >= 0 else -1
        word = self._word(pattern, sign)
        if a == b and word.high < -word.low:
            word = self._word(pattern, -sign)
        flipped, new = word.parts[0].sign, len(self.words)
        self.words.append(word)
        self.inputs.append(self.inputs[a] | self.inputs[b])
        for output, shift, first in found:
            self._remove(output, a, shift)
            self._remove(output, b, shift + apart)
            self._add(output, new, min(shift, shift + apart), first * flipped)

    def _meets(self, output: int, word: int, shift: int, sign: int) -> Iterator[Pattern]:
        """Patterns of a term with each term of an output."""
        for other, own in self.outputs[output].items():
            for place, its in own.items():
                if (other, place) < (word, shift):
                    yield other, word, shift - place, sign * its
                else:
                    yield word, other, place - shift, sign * its

    def _remove(self, output: int, word: int, shift: int) -> None:
        own = self.outputs[output][word]
        sign = own.pop(shift)
        if not own:
            del self.outputs[output][word]
        for pattern in self._meets(output, word, shift, sign):
            self.counts[pattern] -= 1

    def _add(self, output: int, word: int, shift: int, sign: int) -> None:
        known = self.outputs[output].get(word, {})
        while shift in known:  # equal terms carry over, opposite ones vanish
            same = known[shift] == sign
            self._remove(output, word, shift)
            if not same:
                return
            shift += 1
        for pattern in self._meets(output, word, shift, sign):
            self.counts[pattern] += 1
            self._push(pattern)
        self.outputs[output].setdefault(word, {})[shift] = sign
