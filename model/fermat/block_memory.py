"""How many block RAMs a memory takes, and one that is read in a circle, some of whose words lie in the bits
that others leave over.

A block's words are 9, 18 or 36 bits wide, those of a memory seldom. Of each ``group`` + 1 words read in turn
the last one lies in the bits that the ``group`` before it leave over, a few in each, so that the memory has
fewer rows: 9 words of 32 bits take 8 rows of 36.
"""

from math import ceil

__all__ = ["block_rams", "circle_memory", "circle_rams", "circle_rows", "spare_group"]

PORT = 9
"""Bits that the words of block memories are multiples of."""


def spare_group(width: int) -> int:
    """Words of ``width`` bits whose spare bits hold one more; 0: nothing is over."""
    spare = -width % PORT
    return ceil(width / spare) if spare else 0


def circle_rows(depth: int, group: int) -> int:
    """Rows of a memory of ``depth`` words where each ``group`` of rows holds one more; those at the end that
    are no whole group hold none."""
    return depth - depth // (group + 1) if group else depth


def circle_rams(width: int, depth: int) -> tuple[int, int]:
    """18-kbit block RAMs of a memory of ``depth`` words of ``width`` bits, read in a circle, and the group
    that takes so few (0: words as they are); a group must save a block."""
    group = spare_group(width)
    plain = block_rams(width, depth)
    dense = block_rams(width + -width % PORT, circle_rows(depth, group)) if group else plain
    return (dense, group) if dense < plain else (plain, 0)


def circle_memory(width: int, depth: int) -> tuple[int, int]:
    """(width, rows) of the memory that holds such words."""
    group = circle_rams(width, depth)[1]
    return (width + ceil(width / group), circle_rows(depth, group)) if group else (width, depth)


def block_rams(width: int, depth: int) -> int:
    """18-kbit block RAMs of a memory, in the aspect ratio that takes the fewest; small ones are lookup-table
    RAM, as yosys decides."""
    if width * depth <= 2304:
        return 0
    return min(
        ceil(width / w) * ceil(depth / d)
        for w, d in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
    )
