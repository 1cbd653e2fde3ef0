"""What counters do to a heap and what its terms will cost: the numbers that the search ranks by.

The guess of what is left uses prices: what one more term costs in a long heap, found from the linear program
whose columns are the counters (lut6: 39/40 of a LUT for a pair, 3/5 for a bit, 13/40 for a bit that a pair
can still use up), the bits rounded up a little because the last ones never find partners.
"""

from functools import cache
from typing import NamedTuple

from fermatnet.hw.piecewise.compressor.counters import Counter, family

__all__ = ["PRICES", "bulk", "cost_of", "effects", "price", "reach"]

Columns = tuple[int, ...]

# Prices in LUTs: a pair, a bit, a bit that a pair of its column can still use up. The search counts in
# thousandths, so that ties are ties.
PRICES = {"lut6": (0.975, 0.65, 0.4), "ecp5": (2.0, 1.05, 1.0), "asic": (1.25, 1.0, 1.0)}
# Bulk moves for tall columns: what the linear program repeats; each row is (pairs needed, bits needed by
# column, counters to apply).


@cache
def bulk(target: str) -> list[tuple[int, Columns, list[Counter]]]:
    """What a linear program repeats for tall columns: (pairs needed, bits needed by column, counters to
    apply)."""
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
def price(pairs: int, height: int, target: str) -> int:
    """Guess of what the terms of one column will cost."""
    per_pair, per_bit, per_useful_bit = (round(1000 * price) for price in PRICES[target])
    useful = min(pairs, height)
    return per_pair * pairs + per_useful_bit * useful + per_bit * max(0, height - useful - (pairs == 0))


class Effect(NamedTuple):
    """What a counter does to the columns of a heap from the one it is based in: bits taken, and what becomes
    of the height."""

    counter: Counter
    cost: int  # thousandths of a LUT; a carry position counts a hundredth of one
    columns: tuple[tuple[int, int, int], ...]  # (column, bits taken, change of its height)


@cache
def effects(target: str, width: int) -> tuple[Effect, ...]:
    """The counters that fit into ``width`` columns and change them; what they add above is dropped."""
    found = []
    for counter in family(target):
        span = max(len(counter.bits), counter.outputs)
        taken = (*counter.bits, *(0,) * (span - len(counter.bits)))
        columns = tuple((j, taken[j], (j < counter.outputs) - taken[j]) for j in range(min(span, width)))
        changes = counter.pairs or any(more for _, _, more in columns)
        if changes and not any(taken[width:]):
            found.append(Effect(counter, cost_of(counter), columns))
    return tuple(found)


@cache
def reach(target: str) -> tuple[int, int, int]:
    """Of all counters: columns that the widest one takes from or adds to, most pairs and most bits of a
    column that one takes."""
    counters = family(target)
    return (
        max(max(len(counter.bits), counter.outputs) for counter in counters),
        max(counter.pairs for counter in counters),
        max(max(counter.bits, default=0) for counter in counters),
    )


def cost_of(counter: Counter) -> int:
    """Price of a counter in thousandths of a LUT; of equal ones, the one with the shorter chain is
    cheaper."""
    return round(1000 * counter.cost) + 10 * counter.carries
