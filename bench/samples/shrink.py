"""A shorter failing example: rows of choices made simpler for as long as they fail."""

from collections.abc import Callable, Sequence

__all__ = ["shrink"]


def shrink(choices: Sequence[int], fails: Callable[[list[int]], bool], tries: int = 300) -> list[int]:
    """A row of choices that still fails and has no simpler neighbour that does (or the best after ``tries``
    runs of ``fails``).

    Simpler: shorter, then smaller number by number. Neighbours: a run of choices left out, one set to 0,
    halved, or one less.
    """
    best, left = list(choices), tries

    def better(row: list[int]) -> bool:
        nonlocal best, left
        if left <= 0 or (len(row), row) >= (len(best), best):
            return False
        left -= 1
        if fails(row):
            best = row
            return True
        return False

    progress = True
    while progress and left > 0:
        progress = False
        for size in (8, 4, 2, 1):
            place = 0
            while place + size <= len(best):
                if better(best[:place] + best[place + size :]):
                    progress = True
                else:
                    place += size
        for place in range(len(best)):
            for value in (0, best[place] // 2, best[place] - 1):
                if 0 <= value < best[place] and better([*best[:place], value, *best[place + 1 :]]):
                    progress = True
                    break
    return best
