"""The memory of a sliding window's rows, in parts with an address each where it is wide and shallow."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.copies import copies

__all__ = ["RowMemory", "part_widths"]

PART = 48
"""Bits of a part: whole columns of distributed memory of 4 bits (ecp5) or 6 (xc7) and of blocks of 16
(ice40)."""

SHALLOW = 48
"""Words up to which a wide memory is distributed memory on families that have it, a word of 16 or 32 at a
time: every column listens to the address by itself."""


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
    What is read while it is written, or in the two cycles after, may be anything.

    Latency: 2 cycles from ``addr`` to ``data``, one of which is the address register's.

    Members
    -------
    write.addr, write.en, write.data : In(range(depth)), In(1), In(bits)
    addr : In(range(depth)), data : Out(bits)
    """

    def __init__(self, bits: int, depth: int):
        self.bits, self.depth = bits, depth
        at = Shape.cast(range(max(2, depth)))
        write = wiring.Signature({"addr": Out(at), "en": Out(1), "data": Out(bits)})
        super().__init__({"write": In(write), "addr": In(at), "data": Out(bits)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        widths, words, start = part_widths(self.bits, self.depth), [], 0
        count = len(widths)
        addresses = _copied(m, platform, self.addr, count, "address")
        written = self._written(m, platform, count)
        for k, (width, address) in enumerate(zip(widths, addresses, strict=True)):
            attrs = {"ram_style": "auto", "no_rw_check": 1}
            m.submodules[f"part{k}"] = part = Memory(shape=width, depth=self.depth, init=[], attrs=attrs)
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


def _copied(m: Module, platform: Any, value: Value, count: int, name: str) -> list[Value]:
    """The value a cycle later, ``count`` times."""
    bits: list[list[Signal]] = []
    for at in range(len(value)):
        bits.append([Signal(name=f"{name}{k}_{at}") for k in range(count)])
        copies(m, platform, value[at], bits[-1])
    return [Cat(bit[k] for bit in bits) for k in range(count)]
