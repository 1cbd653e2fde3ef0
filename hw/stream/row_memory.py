"""The memory of a sliding window's rows, in parts with an address each where it is wide and shallow."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.block_ram import block_ram, in_blocks
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.copies import copies
from fermatnet.hw.rtl.platform import platform_of

__all__ = ["RowMemory", "part_widths"]

PART = 48
"""Bits of a part: whole columns of distributed memory of 4 bits (ecp5) or 6 (xc7) and of blocks of 16
(ice40)."""

SHALLOW = 48
"""Words up to which a wide memory is distributed memory on families that have it, a word of 16 or 32 at a
time: every column listens to the address by itself."""

_ATTRIBUTES = {"ram_style": "auto", "no_rw_check": 1}


def part_widths(bits: int, depth: int) -> list[int]:
    """Widths of the parts of a memory."""
    if depth > SHALLOW:
        return [bits]
    return [min(PART, bits - start) for start in range(0, bits, PART)]


class RowMemory(wiring.Component):
    """Words that are written and read at once, each side one a cycle.

    A wide and shallow one is in parts, each with its own copies of what both sides say: an address that
    crosses half of the device to a hundred columns is the longest path of a design, and so is what tells them
    all to write. Its writes come a cycle later than others'.
    What is read while it is written, or in the two cycles after, may be anything; in blocks with their own
    register only what is read while it is written.

    Latency: 2 cycles from ``addr`` to ``data``, one of which is the address register's; or the blocks' own
    register's behind the word, on ECP5 where ``clock`` leaves no time for a word that comes from a block late
    (`fermatnet.hw.rtl.registered_rom`): then the blocks are cells of the family.

    Parameters
    ----------
    bits, depth : int
    clock : Clock or None
    own : bool
        Blocks with their own register in any case (the words must fit into a column of one).

    Members
    -------
    write.addr, write.en, write.data : In(range(depth)), In(1), In(bits)
    addr : In(range(depth)), data : Out(bits)
    """

    def __init__(self, bits: int, depth: int, clock: Clock | None = None, own: bool = False):
        self.bits, self.depth = bits, depth
        self.own = own or (_late(clock) and len(part_widths(bits, depth)) == 1 and in_blocks(bits, depth))
        at = Shape.cast(range(max(2, depth)))
        write = wiring.Signature({"addr": Out(at), "en": Out(1), "data": Out(bits)})
        super().__init__({"write": In(write), "addr": In(at), "data": Out(bits)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self.own:
            self._blocks(m, platform)
            return m
        widths, words, start = part_widths(self.bits, self.depth), [], 0
        count = len(widths)
        addresses = _copied(m, platform, self.addr, count, "address")
        written = self._written(m, platform, count)
        for k, (width, address) in enumerate(zip(widths, addresses, strict=True)):
            m.submodules[f"part{k}"] = part = Memory(
                shape=width, depth=self.depth, init=[], attrs=_ATTRIBUTES
            )
            write, read = part.write_port(), part.read_port()
            place, en, data = written[k]
            m.d.comb += [
                write.addr.eq(place),
                write.en.eq(en),
                write.data.eq(data[start : start + width]),
                read.addr.eq(address),
            ]
            words.append(read.data)
            start += width
        m.d.comb += self.data.eq(Cat(*words))
        return m

    def _blocks(self, m: Module, platform: Any) -> None:
        """Blocks with their own registers."""
        kept, write = platform_of(platform), self.write
        word = Signal(self.bits, name="register", reset_less=True)
        m.d.comb += self.data.eq(word)
        if kept.hard_cells:
            name = f"fermatnet_ram_{self.bits}x{self.depth}"
            m.submodules.blocks = Instance(
                kept.verilog_module(name, block_ram(name, self.bits, self.depth)),
                i_clk=ClockSignal(),
                i_write_en=write.en,
                i_write_addr=write.addr,
                i_write_data=write.data,
                i_addr=self.addr,
                o_data=word,
            )
            return
        m.submodules.rows = rows = Memory(shape=self.bits, depth=self.depth, init=[], attrs=_ATTRIBUTES)
        port, read = rows.write_port(), rows.read_port()
        m.d.comb += [port.addr.eq(write.addr), port.en.eq(write.en), port.data.eq(write.data)]
        m.d.comb += read.addr.eq(self.addr)
        m.d.sync += word.eq(read.data)
        kept.inside_cell(self.bits)

    def _written(self, m: Module, platform: Any, count: int) -> list[tuple[Value, Value, Value]]:
        """Address, enable and word of each part: as they are, or a cycle later from copies."""
        write = self.write
        if count == 1:
            return [(write.addr, write.en, write.data)]
        data = Signal(self.bits, name="later_data", reset_less=True)
        m.d.sync += data.eq(write.data)
        places = _copied(m, platform, write.addr, count, "place")
        enables = _copied(m, platform, write.en, count, "write")
        return [(place, en, data) for place, en in zip(places, enables, strict=True)]


def _late(clock: Clock | None) -> bool:
    """Whether a word that comes from a block of ECP5 late does not get to a register in time."""
    if clock is None or clock.target != "ecp5":
        return False
    return clock.delays.memory + clock.delays.wire > clock.budget


def _copied(m: Module, platform: Any, value: Value, count: int, name: str) -> list[Value]:
    """The value a cycle later, ``count`` times."""
    bits: list[list[Signal]] = []
    for at in range(len(value)):
        bits.append([Signal(name=f"{name}{k}_{at}") for k in range(count)])
        copies(m, platform, value[at], bits[-1])
    return [Cat(bit[k] for bit in bits) for k in range(count)]
