"""Which counters make a compressor tree: a beam search over column heights, lowest column first.

A heap is a set of terms of weight 2^c in columns c: plain bits, and pairs (products of two inputs, not yet
formed). Counters take terms of a few neighbouring columns and put back fewer bits; the plan ends when every
column holds at most one bit. Counters based in a column never add to it from above, so columns are finished
one after the other. The search is deterministic.

The guess of what is left uses prices: what one more term costs in a long heap, found from the linear program
whose columns are the counters (lut6: 39/40 of a LUT for a pair, 3/5 for a bit, 13/40 for a bit that a pair
can still use up), the bits rounded up a little because the last ones never find partners.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

from fermatnet.hw.piecewise.compressor.counters import Counter, family

__all__ = ["Plan", "depth", "plan"]

Columns = tuple[int, ...]


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


# Prices in LUTs: a pair, a bit, a bit that a pair of its column can still use up. The search counts in
# thousandths, so that ties are ties.
PRICES = {"lut6": (0.975, 0.65, 0.4), "ecp5": (2.0, 1.05, 1.0), "asic": (1.25, 1.0, 1.0)}
BEAM = 32
MOVES = 10
# Bulk moves for tall columns: what the linear program repeats; each row is (pairs needed, bits needed by
# column, counters to apply).


@cache
def _bulk(target: str) -> list[tuple[int, Columns, list[Counter]]]:
    counters = family(target)
    if target == "lut6":
        first = next(c for c in counters if c.pairs == 3)
        absorb = next(c for c in counters if c.positions == ((2, 1, 1), (0, 0, 1)) and c.cin)
        crush = next(c for c in counters if c.bits == (5, 3, 1) and not c.pairs)
        return [(40, (0,), [first, first, absorb]), (0, (24, 14, 5), [crush])]
    if target == "ecp5":
        wide = next(c for c in counters if c.pairs == 2 and c.bits == (0, 4, 0, 0))
        narrow = next(c for c in counters if c.pairs == 1 and c.bits == (2, 0))
        half = next(c for c in counters if c.pairs == 1 and not c.bits)
        return [(40, (0, 24), [wide]), (40, (24,), [narrow]), (40, (0,), [half, half, narrow])]
    full = next(c for c in counters if c.bits == (3,))
    return [(1, (0,), [next(c for c in counters if c.pairs == 1)]), (0, (3,), [full])]


@cache
def _column(pairs: int, height: int, target: str) -> int:
    """Guess of what the terms of one column will cost."""
    per_pair, per_bit, per_useful_bit = (round(1000 * price) for price in PRICES[target])
    useful = min(pairs, height)
    return per_pair * pairs + per_useful_bit * useful + per_bit * max(0, height - useful - (pairs == 0))


@cache
def _effects(target: str) -> tuple[tuple[Counter, int, int, tuple[tuple[int, int, int], ...]], ...]:
    """Each counter with its cost in thousandths (a carry position counts a hundredth of a LUT), the pairs it
    takes, and by column the bits it takes and what it adds to the height."""
    found = []
    for counter in family(target):
        span = max(len(counter.bits), counter.outputs)
        taken = (*counter.bits, *(0,) * (span - len(counter.bits)))
        found.append(
            (
                counter,
                _cost(counter),
                counter.pairs,
                tuple((j, taken[j], (j < counter.outputs) - taken[j]) for j in range(span)),
            )
        )
    return tuple(found)


def _cost(counter: Counter) -> int:
    return round(1000 * counter.cost) + 10 * counter.carries


State = tuple[Columns, Columns]  # pairs and bits, from the lowest unfinished column up


def _apply(state: State, counter: Counter) -> State | None:
    """Heights after one counter based in the lowest column, or None where it finds too few terms. Columns
    past the top are dropped: they are zero, the sum being known to fit."""
    pairs, bits = state
    if not pairs or pairs[0] < counter.pairs:
        return None
    height, width = list(bits), len(bits)
    for j, count in enumerate(counter.bits):
        if count:
            if j >= width or height[j] < count:
                return None
            height[j] -= count
    for j in range(min(counter.outputs, width)):
        height[j] += 1
    return (pairs[0] - counter.pairs, *pairs[1:]), tuple(height)


def _finished(state: State) -> State:
    """Without the lowest columns that need nothing more."""
    pairs, bits = state
    low = 0
    while low < len(bits) and not pairs[low] and bits[low] <= 1:
        low += 1
    return pairs[low:], bits[low:]


def _moves(state: State, target: str) -> list[tuple[list[Counter], State]]:
    """Useful next steps in the lowest column: one bulk move where it is tall, else the best single
    counters."""
    pairs, bits = state
    for needed, heights, counters in _bulk(target):
        if (
            pairs[0] >= needed
            and (needed or not pairs[0])
            and all(j < len(bits) and bits[j] >= h for j, h in enumerate(heights) if h)
        ):
            after: State = state
            applied: list[Counter] = []
            repeats = max(1, (pairs[0] - needed) // 16 if needed else (bits[0] - heights[0]) // 8)
            for counter in counters * repeats:
                following = _apply(after, counter)
                if following is None:
                    break
                after = following
                applied.append(counter)
            if applied:
                return [(applied, after)]
    found: list[tuple[int, int, Counter]] = []
    width = len(bits)
    for place, (counter, cost, took, columns) in enumerate(_effects(target)):
        if pairs[0] < took:
            continue
        change, changed = cost, took
        for j, taken, more in columns:
            if j >= width:
                if taken:
                    break
                continue
            if bits[j] < taken:
                break
            left = pairs[j] - (took if j == 0 else 0)
            change += _column(left, bits[j] + more, target) - _column(pairs[j], bits[j], target)
            changed += abs(more)
        else:
            if changed:
                found.append((change, place, counter))
    found.sort(key=lambda move: move[:2])
    return [
        ([counter], made) for _, _, counter in found[:MOVES] if (made := _apply(state, counter)) is not None
    ]


@lru_cache(maxsize=4096)
def plan(target: str, pairs: Columns, bits: Columns) -> Plan | None:
    """Best plan found for these column heights (both tuples as long as the sum is wide, which must hold the
    largest sum).

    None where no order of the target's counters finishes the heap within that width; plain additions do it
    then.
    """
    width, start = len(bits), _finished((pairs, bits))
    beam: dict[State, tuple[int, tuple | None]] = {start: (0, None)}  # cost, (previous link, column, steps)
    best: tuple[int, tuple | None] | None = None
    seen: dict[State, int] = {}
    while beam:
        following: dict[State, tuple[int, tuple | None]] = {}
        for state, (cost, link) in beam.items():
            if not state[1]:
                if best is None or cost < best[0]:
                    best = (cost, link)
                continue
            at = width - len(state[1])
            for counters, made in _moves(state, target):
                total = cost + sum(map(_cost, counters))
                after = _finished(made)
                known = following.get(after)
                if total < min(seen.get(after, total + 1), known[0] if known else total + 1) and (
                    best is None or total < best[0]
                ):
                    following[after] = (total, (link, at, counters))
        ranked = sorted(
            (total + sum(map(_column, *state, (target,) * len(state[1]))), state)
            for state, (total, _) in following.items()
        )
        beam = {state: following[state] for _, state in ranked[:BEAM]}
        seen |= {state: total for state, (total, _) in beam.items()}  # a state that was cut may come back
    if best is None:
        return None
    steps: list[tuple[int, Counter]] = []
    link = best[1]
    while link is not None:
        link, at, counters = link
        steps[:0] = [(at, counter) for counter in counters]
    return Plan(target, width, tuple(steps))


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
