"""Which counters make a compressor tree: a beam search over column heights, lowest column first.

A heap is a set of terms of weight 2^c in columns c: plain bits, and pairs (products of two inputs, not yet formed). Counters
take terms of a few neighbouring columns and put back fewer bits; the plan ends when every column holds at most one bit. Counters
based in a column never add to it from above, so columns are finished one after the other. The search is deterministic.

The guess of what is left uses prices: what one more term costs in a long heap, found from the linear program whose columns are the
counters (lut6: 39/40 of a LUT for a pair, 3/5 for a bit, 13/40 for a bit that a pair can still use up), the bits rounded up a
little because the last ones never find partners.
"""

from dataclasses import dataclass
from functools import lru_cache

from fermatnet.hw.piecewise.counters import Counter, family

__all__ = ["Plan", "depth", "plan"]

Columns = tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Counters in an order in which they can be applied: (column, counter) steps; ``cost`` in LUT cells (asic: full adders)."""

    target: str
    width: int
    steps: tuple[tuple[int, Counter], ...]

    @property
    def cost(self) -> float:
        return sum(counter.cost for _, counter in self.steps)

    @property
    def carries(self) -> int:
        """Carry-chain positions used."""
        return sum(counter.carries for _, counter in self.steps)


PRICES = {"lut6": (0.975, 0.65, 0.4), "ecp5": (2.0, 1.05, 1.0), "asic": (1.25, 1.0, 1.0)}
BEAM = 24
MOVES = 10
# Bulk moves for tall columns: what the linear program repeats; each row is (pairs needed, bits needed by column, counters to apply).


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


def _apply(pairs: Columns, bits: Columns, at: int, counter: Counter) -> tuple[Columns, Columns] | None:
    """Heights after one counter based in column ``at``, or None where it finds too few terms. Columns past the top are dropped: they
    are zero, the sum being known to fit."""
    if pairs[at] < counter.pairs:
        return None
    height, width = list(bits), len(bits)
    for j, count in enumerate(counter.bits):
        if count:
            if at + j >= width or height[at + j] < count:
                return None
            height[at + j] -= count
    for j in range(counter.outputs):
        if at + j < width:
            height[at + j] += 1
    left = list(pairs)
    left[at] -= counter.pairs
    return tuple(left), tuple(height)


def _price(pairs: Columns, bits: Columns, prices: tuple[float, float, float]) -> float:
    per_pair, per_bit, per_useful_bit = prices
    total = 0.0
    for count, height in zip(pairs, bits, strict=True):
        useful = min(count, height)
        total += per_pair * count + per_useful_bit * useful + per_bit * max(0, height - useful - (count == 0))
    return total


def _moves(pairs: Columns, bits: Columns, at: int, target: str) -> list[tuple[list[Counter], tuple[Columns, Columns]]]:
    """Useful next steps in column ``at``: one bulk move where the column is tall, else the best single counters."""
    for needed, heights, counters in _bulk(target):
        if pairs[at] >= needed and (needed or not pairs[at]) and all(
            at + j < len(bits) and bits[at + j] >= h for j, h in enumerate(heights) if h
        ):
            state = (pairs, bits)
            applied: list[Counter] = []
            repeats = max(1, (pairs[at] - needed) // 16 if needed else (bits[at] - heights[0]) // 8)
            for counter in counters * repeats:
                following = _apply(state[0], state[1], at, counter)
                if following is None:
                    break
                state = following
                applied.append(counter)
            if applied:
                return [(applied, state)]
    prices = PRICES[target]
    found: list[tuple[float, int, Counter, tuple[Columns, Columns]]] = []
    for counter in family(target):
        after = _apply(pairs, bits, at, counter)
        if after and after != (pairs, bits):
            found.append((counter.cost + 0.01 * counter.carries + _price(after[0], after[1], prices), len(found), counter, after))
    found.sort(key=lambda move: move[:2])
    return [([counter], after) for _, _, counter, after in found[:MOVES]]


@lru_cache(maxsize=512)
def plan(target: str, pairs: Columns, bits: Columns) -> Plan | None:
    """Best plan found for these column heights (both tuples as long as the sum is wide, which must hold the largest sum).

    None where no order of the target's counters finishes the heap within that width; plain additions do it then.
    """
    prices, width = PRICES[target], len(bits)
    beam: dict[tuple[Columns, Columns], tuple[float, tuple | None]] = {(pairs, bits): (0.0, None)}  # cost, (previous link, steps)
    best: tuple[float, tuple | None] | None = None
    seen: dict[tuple[Columns, Columns], float] = {}
    while beam:
        following: dict[tuple[Columns, Columns], tuple[float, tuple | None]] = {}
        for (left, height), (cost, link) in beam.items():
            at = next((c for c in range(width) if left[c] or height[c] > 1), None)
            if at is None:
                if best is None or cost < best[0]:
                    best = (cost, link)
                continue
            for counters, state in _moves(left, height, at, target):
                total = cost + sum(c.cost + 0.01 * c.carries for c in counters)
                if total < seen.get(state, float("inf")) and (best is None or total < best[0]):
                    seen[state] = total
                    following[state] = (total, (link, at, counters))
        ranked = sorted(following.items(), key=lambda item: (item[1][0] + _price(item[0][0], item[0][1], prices), item[0]))
        beam = dict(ranked[:BEAM])
    if best is None:
        return None
    steps: list[tuple[int, Counter]] = []
    link = best[1]
    while link is not None:
        link, at, counters = link
        steps[:0] = [(at, counter) for counter in counters]
    return Plan(target, width, tuple(steps))


def depth(made: Plan, bits: Columns) -> int:
    """Counters on the longest path of a tree built from a plan, earliest bits first; ``bits`` as given to `plan`."""
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
