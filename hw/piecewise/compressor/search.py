"""Which counters make a compressor tree: a beam search over column heights, lowest column first.

A heap is a set of terms of weight 2^c in columns c: plain bits, and pairs (products of two inputs, not yet
formed). Counters take terms of a few neighbouring columns and put back fewer bits; the plan ends when every
column holds at most one bit, or when one long carry chain can add what is left, two bits a column at most.
Counters based in a column never add to it from above, so columns are finished one after the other. The search
is deterministic. With a limit on the depth each bit has a level, the number of counters before it, and no
counter may lie deeper: for each depth that is the cheapest tree found.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fermatnet.hw.piecewise.compressor.counters import Counter, adder
from fermatnet.hw.piecewise.compressor.prices import Effect, bulk, cost_of, effects, price, reach
from fermatnet.hw.piecewise.compressor.state import Columns, State, after_counter, after_effect, finished

__all__ = ["Plan", "depth", "pareto", "plan"]


@dataclass(frozen=True)
class Plan:
    """Counters in an order in which they can be applied: (column, counter) steps; ``cost`` in LUT cells
    (asic: full adders)."""

    target: str
    width: int
    steps: tuple[tuple[int, Counter], ...]

    @property
    def cost(self) -> float:
        """Look-up tables of all its counters."""
        return sum(counter.cost for _, counter in self.steps)

    @property
    def carries(self) -> int:
        """Carry-chain positions used."""
        return sum(counter.carries for _, counter in self.steps)


BEAM = 32
MOVES = 10


class Move(NamedTuple):
    """Counters to apply in the lowest column, what they cost in thousandths, and the state after them."""

    counters: list[Counter]
    cost: int
    after: State


class Link(NamedTuple):
    """How a state was reached: the link before, the column of the move, its counters."""

    before: "Link | None"
    column: int
    counters: list[Counter]


class Reached(NamedTuple):
    """Least cost found of a state, in thousandths, and the way to it."""

    cost: int
    link: Link | None


def _bulk_move(state: State, target: str, limit: int | None) -> Move | None:
    """What the linear program repeats, a part of the way, where the lowest column is tall."""
    pairs, bits, _ = state
    for needed, heights, counters in bulk(target):
        tall = all(j < len(bits) and bits[j] >= h for j, h in enumerate(heights) if h)
        if pairs[0] < needed or not (needed or not pairs[0]) or not tall:
            continue
        after, done = state, []
        repeats = max(1, (pairs[0] - needed) // 16 if needed else (bits[0] - heights[0]) // 8)
        for counter in counters * repeats:
            following = after_counter(after, counter, limit)
            if following is None:
                break
            after = following
            done.append(counter)
        if done:
            return Move(done, sum(map(cost_of, done)), after)
    return None


def _last_move(state: State, target: str, limit: int | None) -> Move | None:
    """One carry chain for all that is left, up to the first gap above which nothing is left to add."""
    pairs, bits, levels = state
    if any(pairs) or max(bits) > 2:
        return None
    end = max(j for j, count in enumerate(bits) if count > 1) + 1
    while end < len(bits) and bits[end]:  # the carry runs on
        end += 1
    if 0 in bits[:end]:
        return None
    counter = adder(target, bits[:end], len(bits))
    deepest = max((column[-1] for column in levels[:end]), default=0)
    if counter is None or (limit is not None and deepest + 1 > limit):
        return None
    return Move([counter], cost_of(counter), State((), ()))


@lru_cache(maxsize=1 << 16)
def _ranked(pairs: Columns, bits: Columns, target: str) -> tuple[Effect, ...]:
    """Counters that find their terms in these columns, the most useful first: what they cost, and what the
    columns cost less after them."""
    _, most_pairs, most_bits = reach(target)
    changes = range(1, -most_bits - 1, -1)

    def worth(column: int, took: int) -> list[int]:
        """What changes of a column's height are worth, when ``took`` pairs leave it."""
        left, height = pairs[column], bits[column]
        now = price(left, height, target)
        return [price(left - took, height + more, target) - now for more in changes if height + more >= 0]

    lowest = [worth(0, took) for took in range(min(most_pairs, pairs[0]) + 1)]
    others = [worth(column, 0) for column in range(1, len(bits))]
    found: list[tuple[int, int, Effect]] = []
    for at, effect in enumerate(effects(target, len(bits))):
        counter, change, columns = effect
        if pairs[0] < counter.pairs:
            continue
        table = [lowest[counter.pairs], *others]
        for j, taken, more in columns:
            if bits[j] < taken:
                break
            change += table[j][1 - more]
        else:
            found.append((change, at, effect))
    found.sort(key=lambda move: move[:2])
    return tuple(effect for _, _, effect in found)


def _moves(state: State, target: str, limit: int | None) -> list[Move]:
    """Useful next steps in the lowest column: one bulk move where it is tall, else the best single counters;
    and the carry chain that ends it all."""
    bulk = _bulk_move(state, target, limit)
    if bulk is not None:
        return [bulk]
    last = _last_move(state, target, limit)
    moves = [last] if last else []
    span = reach(target)[0]  # no counter looks further: many states share these columns
    for effect in _ranked(state.pairs[:span], state.bits[:span], target):
        made = after_effect(state, effect, limit)
        if made is not None:
            moves.append(Move([effect.counter], effect.cost, made))
        if len(moves) == MOVES:
            break
    return moves


@lru_cache(maxsize=4096)
def plan(target: str, pairs: Columns, bits: Columns, limit: int | None = None) -> Plan | None:
    """Best plan found for these column heights (both tuples as long as the sum is wide, which must hold the
    largest sum), with no more than ``limit`` counters on a path.

    None where no order of the target's counters finishes the heap within that width, or that depth; plain
    additions do it then.
    """
    width = len(bits)
    levels = () if limit is None else tuple((0,) * count for count in bits)
    beam: dict[State, Reached] = {finished(State(pairs, bits, levels)): Reached(0, None)}
    best: Reached | None = None
    seen: dict[State, int] = {}
    while beam:
        following: dict[State, Reached] = {}
        for state, (cost, link) in beam.items():
            if not state.bits:
                if best is None or cost < best.cost:
                    best = Reached(cost, link)
                continue
            at = width - len(state.bits)
            for counters, extra, made in _moves(state, target, limit):
                total = cost + extra
                after = finished(made)
                known = following.get(after)
                if total < min(seen.get(after, total + 1), known.cost if known else total + 1) and (
                    best is None or total < best.cost
                ):
                    following[after] = Reached(total, Link(link, at, counters))
        ranked = sorted((reached.cost + _left(state, target), state) for state, reached in following.items())
        beam = {state: following[state] for _, state in ranked[:BEAM]}
        seen |= {state: reached.cost for state, reached in beam.items()}  # one cut may come back
    return None if best is None else Plan(target, width, _steps(best.link))


def _left(state: State, target: str) -> int:
    """Guess of what the terms of a state will cost."""
    return sum(price(pairs, bits, target) for pairs, bits in zip(state.pairs, state.bits, strict=True))


def _steps(link: Link | None) -> tuple[tuple[int, Counter], ...]:
    steps: list[tuple[int, Counter]] = []
    while link is not None:
        steps[:0] = [(link.column, counter) for counter in link.counters]
        link = link.before
    return tuple(steps)


def pareto(target: str, pairs: Columns, bits: Columns) -> list[tuple[int, Plan]]:
    """(depth, cheapest plan found that is no deeper) for every depth that costs more than a greater one, the
    shallowest first."""
    made = plan(target, pairs, bits)
    found: list[tuple[int, Plan]] = []
    while made is not None:
        deep = depth(made, bits)
        assert not found or deep < found[-1][0], "a plan is no deeper than its limit"
        if found and made.cost <= found[-1][1].cost:
            found.pop()
        found.append((deep, made))
        made = plan(target, pairs, bits, deep - 1)
    return found[::-1]


def depth(made: Plan, bits: Columns) -> int:
    """Counters on the longest path of a tree built from a plan, earliest bits first; ``bits`` as given to
    `plan`."""
    pools = [[0] * count for count in bits]
    deepest = 0
    for at, counter in made.steps:
        level = 0
        for j, count in enumerate(counter.bits):
            if count:
                pools[at + j].sort()
                level = max(level, pools[at + j][count - 1])
                del pools[at + j][:count]
        for j in range(min(counter.outputs, made.width - at)):
            pools[at + j].append(level + 1)
        deepest = max(deepest, level + 1)
    return deepest
