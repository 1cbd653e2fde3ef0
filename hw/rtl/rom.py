"""Read-only memories that generated Verilog loads from files and Amaranth's simulator loads from Python."""

import operator
from collections.abc import Iterable
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.packing import Packing
from fermatnet.hw.rtl.platform import Platform, platform_of

__all__ = ["ROM_MODULE", "ROM_VERILOG", "Rom", "checked_words", "constant", "reloadable"]

ROM_MODULE = "fermatnet_rom"

ROM_VERILOG = f"""\
// Synchronous read-only memory, one cycle of latency, contents from a hex file next to this one. Without a
// name no file is opened: some tools elaborate the module once with its defaults.
module {ROM_MODULE} #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ABITS = 1,
    parameter INIT = ""
) (
    input wire clk,
    input wire en,
    input wire [ABITS-1:0] addr,
    output reg [WIDTH-1:0] data
);
    reg [WIDTH-1:0] words [0:DEPTH-1];
    generate if (INIT != "") begin : contents initial $readmemh(INIT, words); end endgenerate
    always @(posedge clk) if (en) data <= words[addr];
endmodule
"""


KEPT_FROM = 16


def checked_words(width: int, words: Iterable[Any], name: str) -> list[int]:
    """The words of a memory; ValueError where they are none, or one does not fit ``width`` bits."""
    kept = [operator.index(word) for word in words]
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width!r}")
    if not kept:
        raise ValueError("a memory must hold at least one word")
    for at, word in enumerate(kept):
        if not 0 <= word < 1 << width:
            raise ValueError(f"word {at} of {name} must fit {width} bits, not {word!r}")
    return kept


class Rom(wiring.Component):
    """Read-only memory with a synchronous read port; latency 1 cycle, one read a cycle.

    Elaborated for a platform that keeps files (see `fermatnet.hw.rtl.verilog`) it is an instance of
    ``<design>_rom`` that loads a hex file with ``$readmemh``; elaborated without one it is an
    `amaranth.lib.memory.Memory`, so that Amaranth's own simulator runs the same design.
    Where contents never change only what has to be is held (`fermatnet.hw.rtl.packing`): a memory of one
    word, or of equal ones, is that constant, without a register and from reset on; columns that never change
    or equal each other are wires.

    Parameters
    ----------
    width : int
        Bits of a word, at least 1.
    words : iterable of int
        Contents, each 0 <= word < 2^width; at least one.
    name : str
        Stem of the memory file.
    registered : bool
        A register behind it will be its blocks' own (`fermatnet.hw.rtl.registered_rom`): no codes, whose
        tables would stand between them.

    Members
    -------
    addr : In(unsigned)
        Address; addresses past the end read an undefined word.
    en : In(1)
        Read enable; ``data`` holds while it is low.
    data : Out(width)
        The word, one cycle after ``addr`` and ``en``.
    """

    def __init__(self, width: int, words: Iterable[Any], name: str = "memory", *, registered: bool = False):
        self.words = checked_words(width, words, name)
        self.width = width
        self.depth = len(self.words)
        self.name, self.registered = name, registered
        self.packing = Packing(width, self.words, coded=not registered)
        self.address_bits = max(1, (self.depth - 1).bit_length())
        super().__init__({"addr": In(self.address_bits), "en": In(1), "data": Out(width)})

    def elaborate(self, platform: Any) -> Any:
        return platform_of(platform).memory_block(self)

    def block(self, platform: Platform) -> Module:
        """The memory itself: a file's, or Python's; a platform may put something else in its place (streamed
        or reloadable weights)."""
        return self._held(platform) if self.minimal else self._packed()

    @property
    def minimal(self) -> bool:
        """Whether nothing can be left out of the memory. A small one is left to synthesis, which sees into
        it, but for one whose words are all the same."""
        if self.depth <= KEPT_FROM and len(set(self.words)) > 1:
            return True
        return self.packing.trivial

    def _packed(self) -> Module:
        """What has to be held, and the words of it."""
        m, packing = Module(), self.packing
        data = None
        if packing.kept_width:
            m.submodules.packed = kept = Rom(packing.kept_width, packing.kept_words, self.name)
            m.d.comb += [kept.addr.eq(self.addr[: len(kept.addr)]), kept.en.eq(self.en)]
            data = kept.data
        m.d.comb += self.data.eq(packing.expand(data))
        return m

    def _held(self, platform: Platform) -> Module:
        m = Module()
        if platform.memory_files:
            file = platform.memory_image(self.name, self.width, self.words)
            # Flattened, yosys makes 5 to 12 tables a bit of a memory of 100 words, alone 2: it is kept whole,
            # but for the small ones, whose equal and constant bits are worth more to what reads them.
            kept = {"a_keep_hierarchy": 1} if self.depth > KEPT_FROM else {}
            m.submodules.rom = Instance(
                platform.verilog_module(ROM_MODULE, ROM_VERILOG),
                p_WIDTH=self.width,
                p_DEPTH=self.depth,
                p_ABITS=self.address_bits,
                p_INIT=file,
                **kept,
                i_clk=ClockSignal(),
                i_en=self.en,
                i_addr=self.addr,
                o_data=self.data,
            )
        else:
            m.submodules.rom = rom = memory.Memory(shape=self.width, depth=self.depth, init=self.words)
            port = rom.read_port()
            m.d.comb += [port.addr.eq(self.addr), port.en.eq(self.en), self.data.eq(port.data)]
        return m


def reloadable(platform: Any) -> bool:
    """Whether contents change at run time, so that nothing may be made of what they happen to be now."""
    return platform_of(platform).reloadable


def constant(m: Module, platform: Any, width: int, word: int, name: str) -> Value:
    """A word of weights that never changes; where they can be reloaded, a memory of this one word, read in
    every cycle."""
    if not reloadable(platform):
        return Const(word, width)
    m.submodules[name] = rom = Rom(width, [word], name)
    m.d.comb += rom.en.eq(1)
    return rom.data
