"""A compressor tree before there is hardware: which terms each counter takes, and in which pipeline stage it
stands, so that no stage is longer than a budget of nanoseconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amaranth.hdl import Value

from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.search import Plan
from fermatnet.hw.rtl.clock import Clock

__all__ = ["FORMED", "Arrangement", "Cell", "Pair", "Term", "arrange", "delay_of", "place"]

FORMED = Counter("ecp5", 1, (), 1, 1)
"""The table that makes a pair a plain bit, where a carry chain cannot."""


class Moment(NamedTuple):
    """When a value is there: nanoseconds, and counters or adders, after the registers of a stage."""

    stage: int = 0
    time: float = 0.0
    levels: int = 0


START = Moment()


@dataclass(eq=False)
class Term:
    """A bit in the tree: when it is there, and its value once built."""

    moment: Moment = START
    value: Value | None = None


@dataclass(eq=False)
class Pair:
    """Two inputs that a gate joins; ``formed``: the term that a table of its own makes of them, if one
    does."""

    a: Value | None
    b: Value | None
    gate: str
    formed: Term | None = None


@dataclass(eq=False)
class Cell:
    """A counter, what it takes and gives, and its stage."""

    counter: Counter
    pairs: list[Pair]
    taken: list[list[Term]]
    made: list[Term]
    stage: int


@dataclass(eq=False)
class Arrangement:
    """Cells in an order in which they can be built; the sum's terms by column (None: zero); ``stages``:
    registers on every path; ``levels``: most counters between two of them."""

    cells: list[Cell] = field(default_factory=list)
    total: list[Term | None] = field(default_factory=list)
    stages: int = 0
    levels: int = 0


def delay_of(counter: Counter, clock: Clock) -> float:
    """Nanoseconds of a counter and of the wires before it."""
    return clock.chain(len(counter.positions)) if counter.positions else clock.table()


def place(moments: Sequence[Moment], delay: float, budget: float) -> tuple[int, Moment]:
    """Stage of a cell that takes these inputs, and when its outputs are there: the next stage where this one
    would become longer than the budget."""
    stage = max((moment.stage for moment in moments), default=0)
    here = [moment for moment in moments if moment.stage == stage]
    time = max((moment.time for moment in here), default=0.0)
    levels = max((moment.levels for moment in here), default=0)
    if time > 0 and time + delay > budget:
        stage, time, levels = stage + 1, 0.0, 0
    return stage, Moment(stage, time + delay, levels + 1)


def arrange(
    plan: Plan, pairs: list[list[Pair]], bits: list[list[Term]], clock: Clock, budget: float
) -> Arrangement:
    """Gives the terms to the plan's counters, earliest bits first, and each counter its stage. The lists are
    used up."""
    made = Arrangement()
    for column, counter in plan.steps:
        chosen = _pick_pairs(made, pairs[column], counter, clock)
        taken = []
        for j, count in enumerate(counter.bits):
            pool = bits[column + j] if count else []
            pool.sort(key=lambda term: term.moment)
            taken.append([pool.pop(0) for _ in range(count)])
        moments = [term.moment for group in taken for term in group]
        moments += [pair.formed.moment for pair in chosen if pair.formed]
        stage, moment = place(moments, delay_of(counter, clock), budget)
        made.levels = max(made.levels, moment.levels)
        given = [Term(moment) for _ in range(counter.outputs)]
        for j, term in enumerate(given):
            if column + j < len(bits):
                bits[column + j].append(term)
        made.cells.append(Cell(counter, chosen, taken, given, stage))
    assert not any(pairs) and all(len(column) <= 1 for column in bits), "the plan leaves terms over"
    made.total = [column[0] if column else None for column in bits]
    made.stages = max((term.moment.stage for term in made.total if term), default=0)
    return made


def _pick_pairs(made: Arrangement, pool: list[Pair], counter: Counter, clock: Clock) -> list[Pair]:
    """Pairs for one counter. In an ecp5 chain two pairs share a position where only one may be 1 for zero
    inputs; where the column has no other pair left, a table of its own forms the second one."""
    taken: list[Pair] = []
    for _ in range(counter.pairs):
        crowded = (
            counter.kind == "ecp5"
            and counter.positions
            and any(pair.gate in ("nand", "xnor") for pair in taken)
        )
        at = next((k for k, pair in enumerate(pool) if not (crowded and pair.gate in ("nand", "xnor"))), None)
        pair = pool.pop(0 if at is None else at)
        if at is None:
            pair.formed = Term(Moment(0, clock.table(), 1))
            made.cells.append(Cell(FORMED, [Pair(pair.a, pair.b, pair.gate)], [], [pair.formed], 0))
        taken.append(pair)
    return taken
