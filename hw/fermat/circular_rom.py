"""A read-only memory that is read in a circle, some of its words in the bits that others leave over."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.rom import Rom, checked_words, reloadable
from fermatnet.model.fermat.block_memory import circle_rams, circle_rows

__all__ = ["CircularRom"]


class CircularRom(wiring.Component):
    """Words in their order, the first again behind the last; one a cycle with ``step``, one cycle later.

    Where it saves a block, each ``group`` of words has the next one in its spare bits, a slice in each
    (`fermatnet.model.fermat.block_memory`): slices enter a register as their words are read, and that word is
    the register, for which no row is read. Contents that a host loads stay as they are, a word a row.

    Parameters
    ----------
    width, words, name : as of `fermatnet.hw.rtl.rom.Rom`.
    group : int, optional
        Rows that hold one word more, 0 for none; usually what saves blocks.

    Members
    -------
    step : In(1)
        Goes on to the next word.
    data : Out(width)
        The word, one cycle after its ``step``; holds until the next one.

    Python attributes, for proofs: ``at``, the row that is read next; where words are grouped ``phase``, its
    place in its group; ``collected``, the register; ``fetched``: a row was read.
    """

    def __init__(self, width: int, words: Sequence[int], name: str, *, group: int | None = None):
        self.width, self.words, self.name = width, checked_words(width, words, name), name
        self.group = circle_rams(width, len(self.words))[1] if group is None else group
        # bits of the further word in each row
        self.slice = -(-width // self.group) if self.group else 0
        self.at = Signal(range(max(2, len(self.words))))
        self.phase, self.fetched = Signal(range(self.group + 1)), Signal()
        self.collected = Signal(self.slice * self.group, reset_less=True)
        super().__init__({"step": In(1), "data": Out(width)})

    def rows(self) -> list[int]:
        """The memory's contents where words are grouped."""
        rows, size = [], self.group + 1
        for first in range(0, len(self.words), size):
            kept = list(self.words[first : first + size])
            last = kept.pop() if len(kept) == size else 0
            mask = (1 << self.slice) - 1
            rows += [
                word | (last >> self.slice * place & mask) << self.width for place, word in enumerate(kept)
            ]
        assert len(rows) == circle_rows(len(self.words), self.group)
        return rows

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        grouped = self.group and not reloadable(platform)
        rows, width = (self.rows(), self.width + self.slice) if grouped else (self.words, self.width)
        m.submodules.rom = self.rom = rom = Rom(width, rows, self.name)
        at, last, spare = self.at, self.at == rom.depth - 1, Signal()
        m.d.comb += [rom.addr.eq(at[: len(rom.addr)]), rom.en.eq(self.step & ~spare)]
        with m.If(rom.en):
            m.d.sync += at.eq(Mux(last, 0, at + 1))
        if grouped:
            self._spares(m, rom, spare, last)
        else:
            m.d.comb += self.data.eq(rom.data)
        return m

    def _spares(self, m: Module, rom: Rom, spare: Signal, last: Any) -> None:
        """Collects the slices of a group; ``spare``: the next word is what was collected."""
        phase, fetched, collected, taken = self.phase, self.fetched, self.collected, Signal()
        whole = len(self.words) % (self.group + 1) == 0  # the last row's group holds a further word
        m.d.comb += spare.eq(phase == self.group)
        m.d.sync += fetched.eq(rom.en)
        with m.If(self.step):
            m.d.sync += [
                taken.eq(spare),
                phase.eq(Mux(spare | (0 if whole else last), 0, phase + 1)),
            ]
        with m.If(fetched):
            m.d.sync += collected.eq(Cat(collected, rom.data[self.width :])[self.slice :])
        m.d.comb += self.data.eq(Mux(taken, collected[: self.width], rom.data[: self.width]))
