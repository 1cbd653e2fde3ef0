"""How a constant matrix is computed for a target: which sums are shared, and whether the rest is added up in
heaps of bits or word by word."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from fermatnet.hw.constant.graph import AdderGraph, Term, Word, combined, extremes
from fermatnet.hw.constant.heap import BitHeap, heap_of
from fermatnet.hw.constant.sharing import share
from fermatnet.hw.piecewise.compressor.search import Plan, depth
from fermatnet.hw.rtl.words import range_shape

__all__ = ["LEVEL_NS", "MatrixPlan", "plan_matrix", "stages_for"]

# Nanoseconds of one adder or counter with the wires before it: 7-series and ECP5 of the slowest grades
LEVEL_NS = {"lut6": 1.6, "ecp5": 2.6, "generic": 2.6, "asic": 0.5}

# Tables that a bit costs an output: a heap's counters, or its share of an adder
PRICES = {"lut6": 0.645, "asic": 1.0, "ecp5": 1.1, "generic": 1.1}
HEAPS = ("lut6", "asic")  # whose counters beat their adders
DEEPEST = 3


@dataclass(frozen=True)
class MatrixPlan:
    """Shared words, and by output what is left: a heap with the counters that add it up, or, where there are
    no ``plans``, one term and a bias.

    ``ranges``: inclusive range of each output; ``adders``, ``counters``: tables.
    """

    target: str
    graph: AdderGraph
    bias: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    heaps: tuple[BitHeap, ...] = ()
    plans: tuple[Plan, ...] = ()

    @cached_property
    def cost(self) -> float:
        """Tables, by the counters and the positions of the carry chains."""
        if self.plans:
            return self.graph.adders + sum(plan.cost for plan in self.plans)
        if self.target == "ecp5":  # two bits a cell
            return sum(2 * -(-_span(word) // 2) for word in self.graph.sums)
        biased = [hi.bit_length() for (_, hi), bias in zip(self.ranges, self.bias, strict=True) if bias]
        return self.graph.adders + sum(biased)

    @cached_property
    def depth(self) -> int:
        """Levels of adders and counters on the longest path, at least 1."""
        words = self.graph.words
        deepest = 1
        for place, terms in enumerate(self.graph.outputs):
            below = max((words[term.word].depth for term in terms), default=0)
            if self.plans:
                below += depth(self.plans[place], self.heaps[place].heights())
            elif self.bias[place] or any(term.sign < 0 for term in terms):
                below += 1
            deepest = max(deepest, below)
        return deepest


def plan_matrix(
    matrix: np.ndarray,
    bias: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    target: str,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> MatrixPlan:
    """The cheaper plan of two that write the digits of weights differently.

    Parameters
    ----------
    matrix : (O, I) int
    bias : (O,) int
    low, high : (I,) int
        Inclusive range of each input.
    target : str
        "lut6", "ecp5", "asic" or "generic".
    ranges : (O,) of (low, high) or None
        Of the outputs, where they are narrower than independent inputs make them.
    """
    heaps = target in HEAPS
    shared = partial(share, matrix, np.asarray(low), np.asarray(high), price=PRICES[target], deepest=DEEPEST)
    graphs = [shared(near=near, offset=heaps) for near in (False, True)]
    graph = min(graphs, key=lambda made: made.adders + PRICES[target] * made.bits)
    words = graph.words
    ends = [extremes(words, row) for row in np.asarray(matrix, np.int64)]
    own = tuple((lo + int(b), hi + int(b)) for (lo, hi), b in zip(ends, bias, strict=True))
    ranges = own if ranges is None else tuple(ranges)
    whole = tuple(int(b) for b in bias)
    if heaps:
        made = [
            heap_of(graph, terms, own, range_shape(*limits).width)
            for terms, own, limits in zip(graph.outputs, whole, ranges, strict=True)
        ]
        plans = [heap.plan(target) for heap in made]
        found = [one for one in plans if one is not None]
        if len(found) == len(made):
            return MatrixPlan(target, graph, whole, ranges, tuple(made), tuple(found))
        graph = shared(offset=False)
    return MatrixPlan(target, _summed(graph), whole, ranges)


def _span(word: Word) -> int:
    """Bits of a sum that a carry chain makes where a carry is read as a bit: all but those of an added
    operand below the other one."""
    low, high = sorted(word.parts, key=lambda term: term.shift)
    return max(1, word.width - (high.shift - low.shift) * (low.sign > 0))


def stages_for(plans: Sequence[MatrixPlan], clock_mhz: float) -> int:
    """Register stages, at least one, with which no stage of plans one after the other is longer than a cycle
    by `LEVEL_NS`."""
    depth = sum(plan.depth for plan in plans)
    return max(1, -(-int(depth * LEVEL_NS[plans[0].target] * clock_mhz) // 1000))


def _summed(graph: AdderGraph) -> AdderGraph:
    """The graph with one term an output at most: words added two by two, those that are there first and reach
    least far first; equal sums are one word."""
    words = list(graph.words)
    known: dict[tuple[Term, Term], int] = {}
    outputs = []
    for terms in graph.outputs:
        queue = [(*_order(words, term), term) for term in terms]
        heapq.heapify(queue)
        while len(queue) > 1:
            first, second = heapq.heappop(queue)[-1], heapq.heappop(queue)[-1]
            term = _added(words, known, first, second)
            heapq.heappush(queue, (*_order(words, term), term))
        outputs.append(tuple(entry[-1] for entry in queue))
    return AdderGraph(graph.inputs, tuple(words), tuple(outputs), graph.offset)


def _order(words: list[Word], term: Term) -> tuple[int, int]:
    return words[term.word].depth, term.shift + words[term.word].width


def _added(words: list[Word], known: dict[tuple[Term, Term], int], first: Term, second: Term) -> Term:
    """The sum of two terms as a term; both negative ones are added and subtracted together."""
    low = min(first.shift, second.shift)
    sign = -1 if first.sign < 0 and second.sign < 0 else 1
    if first.sign < second.sign:  # what is subtracted from comes first
        first, second = second, first
    parts = (
        Term(first.word, first.shift - low, 1),
        Term(second.word, second.shift - low, first.sign * second.sign),
    )
    if parts not in known:
        words.append(combined(words, parts, False))
        known[parts] = len(words) - 1
    return Term(known[parts], low, sign)
