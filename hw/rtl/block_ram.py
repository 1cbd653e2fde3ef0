"""A memory that is written and read at once, of ``DP16KD`` cells with their output registers, as Verilog."""

from math import ceil

__all__ = ["block_ram", "in_blocks", "ram_shape"]

_SHAPES = {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}
"""Words of a block by the bits of a port; 36 are both ports' together."""
_ZERO, _ONE = "1'b0", "1'b1"
_BLOCK, _COLUMN, _CHOSEN = 128, 4, 0.5
"""yosys' prices: of a block, of 16 words of 4 bits of distributed memory, of choosing a bit of 16 words
more."""


def ram_shape(words: int) -> int:
    """Bits of a port, where a column is as deep as the memory; 0: it is deeper than a block."""
    return next((bits for bits, depth in _SHAPES.items() if words <= depth), 0)


def in_blocks(width: int, words: int) -> bool:
    """Whether yosys takes blocks for it, rather than distributed memory, and one is deep enough."""
    rows, bits = ceil(words / 16), ram_shape(words)
    distributed = _COLUMN * rows * ceil(width / 4) + _CHOSEN * width * (rows - 1)
    return bool(bits) and distributed >= _BLOCK * ceil(width / bits)


def block_ram(name: str, width: int, words: int) -> str:
    """Module ``name``: writes ``write_data`` to ``write_addr`` where ``write_en``; ``data`` is the word of
    ``addr`` two cycles later. A word that is read while it is written may be anything, and nothing resets
    it."""
    bits, address = ram_shape(words), max(1, (words - 1).bit_length())
    count = ceil(width / bits)
    cells = "".join(_cell(k, bits, address) for k in range(count))
    return f"""\
// Written and read at once, with the output registers of its blocks: two cycles from an address to its word.
// A word that is read while it is written may be anything.
module {name} (
    input wire clk,
    input wire write_en,
    input wire [{address - 1}:0] write_addr,
    input wire [{width - 1}:0] write_data,
    input wire [{address - 1}:0] addr,
    output wire [{width - 1}:0] data
);
`ifdef SYNTHESIS
    wire [{bits * count - 1}:0] given, whole;
    assign given = write_data;
    assign data = whole[{width - 1}:0];
{cells}`else
    (* no_rw_check *) reg [{width - 1}:0] words [0:{words - 1}];
    reg [{width - 1}:0] word, register;
    always @(posedge clk) begin
        if (write_en) words[write_addr] <= write_data;
        word <= words[addr];
        register <= word;
    end
    assign data = register;
`endif
endmodule
"""


def _cell(number: int, bits: int, address: int) -> str:
    """Port A writes, port B reads; of 36 bits each has half of the data pins of both."""
    start, low = number * bits, 14 - (_SHAPES[bits] - 1).bit_length()
    pins = []
    for port, name in (("A", "write_addr"), ("B", "addr")):
        # the lowest address pins of wide ports are enables of bytes; at 36 bits yosys writes by these alone
        enables = {36: 4, 18: 2}.get(bits, 0) if port == "A" else 0
        unused = ["write_en"] * enables + ["1'b0"] * (low - enables)
        used = [f"{name}[{bit}]" for bit in range(address)]
        whole = [*unused, *used, *["1'b0"] * (14 - low - address)]
        pins += [f".AD{port}{pin}({value})" for pin, value in enumerate(whole)]
    half = min(bits, 18)
    for k in range(18):
        for port, first in (("A", 0), ("B", 18)):
            there = k < half and first + k < bits
            pins.append(f".DI{port}{k}({f'given[{start + first + k}]' if there else _ZERO})")
    for k in range(half):
        ports = (("A", 0), ("B", 18)) if bits == 36 else (("B", 0),)
        pins += [f".DO{port}{k}(whole[{start + first + k}])" for port, first in ports]
    pins += [".CLKA(clk)", ".CLKB(clk)", f".WEA({_ONE if bits == 36 else 'write_en'})", f".WEB({_ZERO})"]
    pins += [f".{pin}{port}({_ONE})" for pin in ("CE", "OCE") for port in "AB"]
    pins += [
        f".{pin}({_ZERO})" for port in "AB" for pin in (f"RST{port}", *(f"CS{port}{k}" for k in range(3)))
    ]
    connected = ",\n".join("        " + ", ".join(pins[k : k + 6]) for k in range(0, len(pins), 6))
    return f"""\
    DP16KD #(
        .DATA_WIDTH_A({bits}), .DATA_WIDTH_B({bits}), .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
        .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
        .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"), .GSR("DISABLED"),
        .CLKAMUX("CLKA"), .CLKBMUX("CLKB")
    ) block{number} (
{connected}
    );
"""
