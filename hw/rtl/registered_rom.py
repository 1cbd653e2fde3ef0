"""A read-only memory and a register behind it, which on ECP5 is the block memory's own.

yosys maps memories of ECP5 to ``DP16KD`` without their output registers: a word is then there 5.6 ns after
the clock, through the multiplexers of banks where the memory is deep, and goes through the wires to a
register of the fabric. With the register inside (Lattice FPGA-TN-02204, "ECP5 and ECP5-5G Memory Usage
Guide") it is there after 1.0 ns (both by nextpnr's data for grade 6), and no bit of the word takes a register
outside.
"""

from collections.abc import Iterable
from functools import cached_property
from math import ceil
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.block_rom import block_rom, blocks, fits
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.packing import Packing
from fermatnet.hw.rtl.platform import Platform, platform_of
from fermatnet.hw.rtl.rom import Rom, checked_words

__all__ = ["RegisteredRom", "in_blocks", "registers_behind"]

_AWAY = 3
"""Wires between neighbours that a way from a block to what it feeds is as long as."""
_LEAST = 2048
"""Bits up to which yosys makes tables of a read-only memory, so that it knows its equal and constant bits."""


def in_blocks(width: int, words: int) -> bool:
    """Whether a memory is large enough for blocks."""
    return width * words > _LEAST


def registers_behind(width: int, words: int, clock: Clock) -> int:
    """Registers, its own included, between a memory and the tables that its word goes into: a second one,
    beside them, where the way from the blocks leaves a clock of ECP5 no time for tables."""
    late = _AWAY * clock.delays.wire + 2 * clock.table() > clock.budget
    return 2 if clock.target == "ecp5" and in_blocks(width, words) and late else 1


class RegisteredRom(wiring.Component):
    """Read-only memory with a register behind it; latency 2 cycles, one read a cycle. Nothing resets it.

    For ``target`` "ecp5" a memory that takes blocks (more than 2,048 bits, at most 16,384 words) is written
    as `DP16KD` cells with their output registers in Verilog with cells of the family, each column as deep as
    the memory. Elsewhere, and where its contents change at run time, it is a `Rom` and registers; the same
    cycles everywhere.

    Parameters
    ----------
    width, words, name : as of `fermatnet.hw.rtl.rom.Rom`
    target : str
        What the design is made for.
    enabled : bool
        It has ``en`` and ``load``; else it reads and loads in every cycle. Then one of few words, which would
        leave its blocks mostly empty, is tables.

    Members
    -------
    addr : In(unsigned)
    en, load : In(1)
        It reads; the register takes the word that was read before. ``en`` must be 1 where ``load`` is: no
        document says that a block's register loads while the block does not read.
    data : Out(width)
    """

    def __init__(
        self,
        width: int,
        words: Iterable[Any],
        name: str = "memory",
        *,
        target: str = "generic",
        enabled: bool = False,
    ):
        self.width, self.words = width, checked_words(width, words, name)
        self.name, self.target, self.enabled = name, target, enabled
        ports = {"addr": In(max(1, (len(self.words) - 1).bit_length())), "data": Out(width)}
        super().__init__(ports | ({"en": In(1), "load": In(1)} if enabled else {}))

    @property
    def _enables(self) -> tuple[Any, Any]:
        return (self.en, self.load) if self.enabled else (Const(1), Const(1))

    @cached_property
    def packing(self) -> Packing:
        """What has to be held, without codes: their tables would stand behind the register."""
        return Packing(self.width, self.words, coded=False)

    @property
    def own(self) -> bool:
        """Whether the register is the blocks' own, where the platform does not change contents."""
        if self.target != "ecp5" or not in_blocks(self.width, len(self.words)):
            return False
        width, words = self.packing.kept_width, len(self.packing.rows)
        return in_blocks(width, words) and fits(words) and not (self.enabled and _mostly_empty(width, words))

    def elaborate(self, platform: Any) -> Module:
        m, kept = Module(), platform_of(platform)
        if kept.reloadable or not self.own:
            word = Signal(self.width, name="register", reset_less=True)
            self._apart(m, Rom(self.width, self.words, self.name), word)
            m.d.comb += self.data.eq(word)
        else:
            word = Signal(self.packing.kept_width, name="register", reset_less=True)
            self._held(m, kept, word)
            m.d.comb += self.data.eq(self.packing.expand(word))
        return m

    def _held(self, m: Module, platform: Platform, word: Signal) -> None:
        words = self.packing.kept_words
        if platform.memory_files and platform.hard_cells:
            file = platform.memory_image(self.name, len(word), words)
            name = f"fermatnet_rom_{file.removesuffix('.hex').partition('_')[2]}"  # behind the design's own
            m.submodules.blocks = Instance(
                platform.verilog_module(name, block_rom(name, file, len(word), words)),
                i_clk=ClockSignal(),
                i_en=self._enables[0],
                i_load=self._enables[1],
                i_addr=self.addr[: max(1, (len(words) - 1).bit_length())],
                o_data=word,
            )
            return
        self._apart(m, Rom(len(word), words, self.name, registered=True), word)
        platform.inside_cell(len(word))

    def _apart(self, m: Module, rom: Rom, word: Signal) -> None:
        m.submodules.memory = rom
        reads, loads = self._enables
        m.d.comb += [rom.addr.eq(self.addr[: len(rom.addr)]), rom.en.eq(reads)]
        with m.If(loads):
            m.d.sync += word.eq(rom.data)


def _mostly_empty(width: int, words: int) -> bool:
    """Whether a memory would leave so much of its blocks empty that yosys makes tables of it."""
    return width * words <= _LEAST * min(blocks(words, width), ceil(width / 36) * ceil(words / 512))
