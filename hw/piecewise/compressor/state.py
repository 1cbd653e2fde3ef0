"""A heap in the middle of the search, and what one counter makes of it."""

from typing import NamedTuple

from fermatnet.hw.piecewise.compressor.counters import Counter
from fermatnet.hw.piecewise.compressor.prices import Effect

__all__ = ["Columns", "State", "after_counter", "after_effect", "finished"]

Columns = tuple[int, ...]
Levels = tuple[tuple[int, ...], ...]


class State(NamedTuple):
    """Pairs and bits from the lowest unfinished column up; ``levels``: of each bit by column, ascending, ()
    where depth has no limit."""

    pairs: Columns
    bits: Columns
    levels: Levels = ()


def after_counter(state: State, counter: Counter, limit: int | None) -> State | None:
    """State after one counter based in the lowest column, or None where it finds too few terms, or lies too
    deep. Columns past the top are dropped: they are zero, the sum being known to fit."""
    pairs, bits, levels = state
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
    left = (pairs[0] - counter.pairs, *pairs[1:])
    if limit is None:
        return State(left, tuple(height))
    after = _levels_after(levels, counter, limit)
    return None if after is None else State(left, tuple(height), after)


def after_effect(state: State, effect: Effect, limit: int | None) -> State | None:
    """The same for a counter that is known to find its terms."""
    pairs, bits, levels = state
    counter, _, columns = effect
    height = list(bits)
    for j, _, more in columns:
        height[j] += more
    left = (pairs[0] - counter.pairs, *pairs[1:]) if counter.pairs else pairs
    if limit is None:
        return State(left, tuple(height))
    after = _levels_after(levels, counter, limit)
    return None if after is None else State(left, tuple(height), after)


def _levels_after(levels: Levels, counter: Counter, limit: int) -> Levels | None:
    """The earliest bits are taken, those made lie one level behind the latest of them."""
    made = 1 + max((levels[j][count - 1] for j, count in enumerate(counter.bits) if count), default=0)
    if made > limit:
        return None
    columns = list(levels)
    for j, count in enumerate(counter.bits):
        if count:
            columns[j] = columns[j][count:]
    for j in range(min(counter.outputs, len(columns))):
        column = columns[j]
        at = len(column)
        while at and column[at - 1] > made:
            at -= 1
        columns[j] = (*column[:at], made, *column[at:])
    return tuple(columns)


def finished(state: State) -> State:
    """Without the lowest columns that need nothing more."""
    pairs, bits, levels = state
    low = 0
    while low < len(bits) and not pairs[low] and bits[low] <= 1:
        low += 1
    return state if not low else State(pairs[low:], bits[low:], levels[low:])
