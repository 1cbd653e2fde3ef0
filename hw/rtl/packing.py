"""What a read-only memory really has to hold: the fewest columns and rows from which wires and small tables
make the words again.

Left out are columns that never change, columns that equal another one or its complement, and rows that repeat
with a power of two. Where it saves several block RAMs of a memory of many rows, neighbouring columns in which
few of all patterns occur (weights of three or five levels do not fill their bits) are kept as codes of `CODE`
bits at most, and a table behind the memory makes the patterns of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Const, Value

from fermatnet.model.fermat.block_memory import block_rams

__all__ = ["Packing"]

CODE = 5
"""Bits of a code: a table of five inputs is one of 7-series, or half of one."""
PATTERN = 12
"""Most neighbouring columns that one code stands for."""
SAVED = 2
"""Block RAMs that codes must save at least: their table stands between the memory and its reader."""
BLOCK = 235
"""Lookup tables that a block RAM of 18 kbit is worth (`fermatnet.model.fermat.cost`)."""

ROWS = 64
"""Rows up to which a column is one table of six inputs: codes would save nothing, and cost their tables."""


@dataclass(frozen=True)
class _Group:
    """Neighbouring columns: those kept of them, or a code and its patterns."""

    bits: int
    patterns: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        return max(1, (len(self.patterns) - 1).bit_length()) if self.patterns else self.bits


class Packing:
    """How the words of a memory are kept.

    Parameters
    ----------
    width, words : int, sequence of int
        Of the memory as its reader sees it.
    coded : bool
        Whether codes may stand for columns.

    Attributes
    ----------
    rows : list of int
        The words that do not repeat, at as many of the lowest address bits.
    kept_words : list of int
        The memory's contents.
    kept_width : int
        Their bits; 0: the word never changes.
    """

    def __init__(self, width: int, words: Sequence[int], coded: bool = True):
        self._codes = coded
        self.width, self.rows, self.depth = width, list(words), len(words)
        while (
            len(self.rows) % 2 == 0 and self.rows[: len(self.rows) // 2] == self.rows[len(self.rows) // 2 :]
        ):
            self.rows = self.rows[: len(self.rows) // 2]

    @cached_property
    def columns(self) -> np.ndarray:
        """(rows, width) bool, lowest bit first."""
        size = ceil(self.width / 8)
        raw = b"".join(word.to_bytes(size, "little") for word in self.rows)
        octets = np.frombuffer(raw, np.uint8).reshape(len(self.rows), size)
        return np.unpackbits(octets, axis=1, bitorder="little")[:, : self.width].astype(bool)

    @cached_property
    def sources(self) -> list[tuple[int, bool]]:
        """For each bit of a word the column that stands for it and whether complemented; -1: a constant."""
        seen: dict[bytes, int] = {}
        found = []
        for bit in range(self.width):
            column = self.columns[:, bit]
            inverted = bool(column[0])
            key = np.packbits(column ^ inverted).tobytes()
            first = seen.setdefault(key, bit) if (column != inverted).any() else -1
            inverted ^= first >= 0 and bool(self.columns[0, first])
            found.append((first, inverted))
        return found

    @cached_property
    def needed(self) -> list[int]:
        """Columns that stand for themselves, ascending."""
        return sorted({source for source, _ in self.sources if source >= 0})

    @cached_property
    def groups(self) -> list[_Group]:
        """The needed columns as kept columns and codes."""
        plain = [_Group(len(self.needed))] if self.needed else []
        if not self._codes or len(self.rows) <= ROWS or block_rams(len(self.needed), len(self.rows)) == 0:
            return plain
        coded = self._coded()
        blocks = [block_rams(sum(g.width for g in found), len(self.rows)) for found in (plain, coded)]
        tables = sum(group.bits for group in coded if group.patterns)
        saved = blocks[0] - blocks[1]
        return coded if saved >= SAVED and saved * BLOCK > tables else plain

    def _coded(self) -> list[_Group]:
        """The fewest bits: at each column the best of one column kept and every code that ends there."""
        held = self.columns[:, self.needed].astype(np.int64)
        best: list[tuple[int, list[_Group]]] = [(0, [])]
        for end in range(1, held.shape[1] + 1):
            bits, groups = best[end - 1]
            options = [(bits + 1, groups, _Group(1))]
            value = held[:, end - 1]
            for start in range(end - 2, max(-1, end - 1 - PATTERN), -1):
                value = value << 1 | held[:, start]
                present = np.flatnonzero(np.bincount(value))
                if len(present) > 1 << CODE:
                    break
                group = _Group(end - start, tuple(int(pattern) for pattern in present))
                options.append((best[start][0] + group.width, best[start][1], group))
            bits, groups, group = min(options, key=lambda option: (option[0], bool(option[2].patterns)))
            best.append((bits, [*groups, group]))
        return best[-1][1]

    @property
    def kept_width(self) -> int:
        """Bits of a word as it is kept."""
        return sum(group.width for group in self.groups)

    @cached_property
    def kept_words(self) -> list[int]:
        """The words as they are kept, a code for each group that has one."""
        held, at, place = self.columns[:, self.needed], 0, 0
        words = [0] * len(self.rows)
        for group in self.groups:
            code = {pattern: index for index, pattern in enumerate(group.patterns)}
            for row, bits in enumerate(held[:, at : at + group.bits]):
                pattern = int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
                words[row] |= code.get(pattern, pattern) << place
            at, place = at + group.bits, place + group.width
        return words

    @property
    def trivial(self) -> bool:
        """Whether the memory is kept as it is."""
        return self.kept_width == self.width and len(self.rows) == self.depth

    def expand(self, data: Any) -> Value:
        """The word from what the memory gives (None where it never changes)."""
        held: list[Value] = []
        place = 0
        for group in self.groups:
            part = data[place : place + group.width]
            place += group.width
            if group.patterns:
                whole = [*group.patterns, *[0] * ((1 << group.width) - len(group.patterns))]
                part = Value.cast(Array(Const(pattern, group.bits) for pattern in whole)[part])
            held += [part[bit] for bit in range(group.bits)]
        lanes = dict(zip(self.needed, held, strict=True))
        bits = (
            Const(inverted, 1) if source < 0 else lanes[source] ^ inverted
            for source, inverted in self.sources
        )
        return Cat(*bits)
