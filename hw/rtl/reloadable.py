"""Weights at run time: every memory has two banks; a checked load fills the idle one, and an image boundary
swaps them.

A load is a burst of 32-bit words on ``s_load``: a signature of the memories' layout, the contents of all
memories (each word in 32-bit pieces, lowest first), and the CRC-32 of those contents; ``tlast`` on the last
word. A load with a wrong signature, length or checksum is refused: ``load_error`` rises and the old weights
go on. After a good one ``load_ok`` rises;
images of which the first layers have taken a beat finish with the old weights, the next one waits until they
have left and gets the new. Beats that only wait at the edge (two in its registers, whole images in a frame
buffer) have not entered yet.
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.platform import Within
from fermatnet.hw.rtl.rom import Rom

__all__ = ["BANK_MODULE", "BANK_VERILOG", "CHECK", "Layout", "LoadPlatform", "Loader", "load_words"]

BANK_MODULE = "fermatnet_bank"

BANK_VERILOG = f"""\
// Two banks of a weight memory: the lower half is loaded from a hex file at power-up, both are \
written at run time.
module {BANK_MODULE} #(
    parameter WIDTH = 8,
    parameter ABITS = 1,
    parameter LAST = 1,
    parameter INIT = ""
) (
    input wire clk,
    input wire en,
    input wire [ABITS:0] addr,
    output reg [WIDTH-1:0] data,
    input wire wen,
    input wire [ABITS:0] waddr,
    input wire [WIDTH-1:0] wdata
);
    reg [WIDTH-1:0] words [0:(2<<ABITS)-1];
    generate if (INIT != "") begin : contents initial $readmemh(INIT, words, 0, LAST); end endgenerate
    always @(posedge clk) if (en) data <= words[addr];
    always @(posedge clk) if (wen) words[waddr] <= wdata;
endmodule
"""


# CRC-32 of IEEE 802.3, the one of zlib, over words of 32 bits: their bytes lowest first
CHECK = catalog.CRC32_ISO_HDLC(32)


def _pieces(width: int) -> int:
    return -(-width // 32)


@dataclass
class Layout:
    """The memories in the order of the load: (name, width, words) each, known once everything else is
    elaborated."""

    memories: list[tuple[str, int, list[int]]] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Words of 32 bits that hold the contents of all memories."""
        return sum(len(words) * _pieces(width) for _, width, words in self.memories)

    @property
    def signature(self) -> int:
        """CRC-32 of names, widths and depths: what a load must have been made for."""
        return zlib.crc32(repr([(name, width, len(words)) for name, width, words in self.memories]).encode())


def load_words(layout: Layout) -> list[int]:
    """The burst that loads these contents."""
    contents: list[int] = []
    for _, width, words in layout.memories:
        contents += [word >> (32 * k) & 0xFFFFFFFF for word in words for k in range(_pieces(width))]
    check = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in contents))
    return [layout.signature, *contents, check]


class LoadPlatform(Within):
    """Elaboration platform that makes every memory of a design reloadable from one ``Loader``."""

    def __init__(self, outer: Any, loader: "Loader"):
        super().__init__(outer)
        self.reloadable, self._loader = True, loader

    def memory_block(self, rom: Rom) -> Module:
        loader, m = self._loader, Module()
        start = loader.layout.length
        loader.layout.memories.append((rom.name, rom.width, rom.words))
        pieces = _pieces(rom.width)
        end = start + rom.depth * pieces
        row, held = Signal(rom.address_bits), Signal(32 * max(1, pieces - 1))
        hit, last = Signal(), Signal(init=pieces == 1)
        behind = loader.position >= start if start else 1  # lint: nothing unsigned is below 0
        m.d.comb += hit.eq(loader.strobe & behind & (loader.position < end))
        if pieces > 1:
            piece = Signal(range(pieces))
            m.d.comb += last.eq(piece == pieces - 1)
            with m.If(loader.begin):
                m.d.sync += piece.eq(0)
            with m.Elif(hit):
                m.d.sync += [piece.eq(Mux(last, 0, piece + 1)), held.eq(Cat(held, loader.data)[32:])]
        with m.If(loader.begin):
            m.d.sync += row.eq(0)
        with m.Elif(hit & last):
            m.d.sync += row.eq(row + 1)
        whole = Cat(held, loader.data) if pieces > 1 else loader.data
        # After a swap what was read ahead is read again, from the new bank.
        address, before, enable = Signal(rom.address_bits), Signal(rom.address_bits), Signal()
        m.d.comb += [address.eq(Mux(rom.en, rom.addr, before)), enable.eq(rom.en | loader.swapped)]
        with m.If(rom.en):
            m.d.sync += before.eq(rom.addr)
        read_address, write_address = Cat(address, loader.bank), Cat(row, ~loader.bank)
        if self.memory_files:
            file = self.memory_image(rom.name, rom.width, rom.words)
            m.submodules.bank = Instance(
                self.verilog_module(BANK_MODULE, BANK_VERILOG),
                p_WIDTH=rom.width,
                p_ABITS=rom.address_bits,
                p_LAST=rom.depth - 1,
                p_INIT=file,
                i_clk=ClockSignal(),
                i_en=enable,
                i_addr=read_address,
                o_data=rom.data,
                i_wen=hit & last,
                i_waddr=write_address,
                i_wdata=whole[: rom.width],
            )
        else:
            m.submodules.bank = bank = memory.Memory(
                shape=rom.width, depth=2 << rom.address_bits, init=rom.words
            )
            read, write = bank.read_port(), bank.write_port()
            m.d.comb += [
                read.addr.eq(read_address),
                read.en.eq(enable),
                rom.data.eq(read.data),
                write.addr.eq(write_address),
                write.en.eq(hit & last),
                write.data.eq(whole),
            ]
        return m


class Loader(wiring.Component):
    """Takes loads, checks them, and swaps the banks between two images. Add it as the last submodule: it has
    to know the layout.

    Members
    -------
    tdata, tvalid, tready, tlast : the ``s_load`` stream
    ok, error : Out(1)
        Outcome of the last load, until the next one begins.
    empty : In(1)
        No image is inside.
    hold : Out(1)
        No image may enter.
    """

    def __init__(self):
        self.layout = Layout()
        self.data, self.strobe, self.begin = Signal(32), Signal(), Signal()
        self.position, self.bank, self.swapped = Signal(32), Signal(), Signal()
        super().__init__(
            {
                "tdata": In(32),
                "tvalid": In(1),
                "tready": Out(1),
                "tlast": In(1),
                "ok": Out(1),
                "error": Out(1),
                "empty": In(1),
                "hold": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        length, accept = self.layout.length, Signal()
        m.submodules.check = check = CHECK.create()
        m.d.comb += [accept.eq(self.tvalid & self.tready), self.data.eq(self.tdata)]
        m.d.comb += [check.start.eq(self.begin), check.data.eq(self.tdata), check.valid.eq(self.strobe)]
        m.d.sync += self.swapped.eq(0)
        good = (self.tdata == check.crc) & self.tlast
        with m.FSM():
            with m.State("SIGNATURE"):
                m.d.comb += [self.tready.eq(1), self.begin.eq(accept)]
                with m.If(accept):
                    m.d.sync += [self.ok.eq(0), self.error.eq(0), self.position.eq(0)]
                    with m.If((self.tdata != self.layout.signature) | self.tlast):
                        m.d.sync += self.error.eq(1)
                        m.next = "SIGNATURE"
                        with m.If(~self.tlast):
                            m.next = "REFUSED"
                    with m.Else():
                        m.next = "CONTENTS"
            with m.State("CONTENTS"):
                m.d.comb += [self.tready.eq(1), self.strobe.eq(accept)]
                with m.If(accept):
                    m.d.sync += self.position.eq(self.position + 1)
                    with m.If(self.tlast):
                        m.d.sync += self.error.eq(1)
                        m.next = "SIGNATURE"
                    with m.Elif(self.position == length - 1):
                        m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += self.tready.eq(1)
                with m.If(accept & good):
                    m.next = "SWAP"
                with m.Elif(accept):
                    m.d.sync += self.error.eq(1)
                    m.next = "SIGNATURE"
                    with m.If(~self.tlast):
                        m.next = "REFUSED"
            with m.State("REFUSED"):
                m.d.comb += self.tready.eq(1)
                with m.If(accept & self.tlast):
                    m.next = "SIGNATURE"
            with m.State("SWAP"):
                m.d.comb += self.hold.eq(1)
                with m.If(self.empty):
                    m.d.sync += [self.bank.eq(~self.bank), self.swapped.eq(1), self.ok.eq(1)]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += self.hold.eq(1)
                m.next = "SIGNATURE"
        return m
