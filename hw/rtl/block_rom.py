"""A read-only memory of ``DP16KD`` cells with their output registers, as Verilog."""

from collections.abc import Sequence
from math import ceil

__all__ = ["block_rom", "blocks", "fits"]

_SHAPES = {18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}
"""Words of a block by the bits of a port."""
_CONTENTS = 320  # bits of a parameter
_ZERO = "1'b0"


def fits(words: int) -> bool:
    """Whether a column of a block is deep enough."""
    return words <= max(_SHAPES.values())


def _shape(words: int) -> tuple[int, int]:
    """(bits of a port, ports that read) of a block of ``words`` words: each port its own column where they
    fill half a block at most."""
    bits = next(bits for bits, depth in _SHAPES.items() if words <= depth)
    return bits, 2 if words <= _SHAPES[bits] // 2 else 1


def blocks(words: int, width: int) -> int:
    """Blocks of a memory whose columns are as deep as a block: no word is chosen from banks behind them."""
    bits, ports = _shape(words)
    return ceil(width / (bits * ports))


def block_rom(name: str, file: str, width: int, words: Sequence[int]) -> str:
    """Module ``name`` with ``clk``, ``addr`` and ``data``, two cycles later: ``en`` lets it read, ``load``
    the register take what was read. ``file`` holds the words for simulators."""
    bits, ports = _shape(len(words))
    count = blocks(len(words), width)
    cells = "".join(
        _cell(k, bits, ports, _contents(k, bits, ports, width, words), words) for k in range(count)
    )
    return f"""\
// Read-only memory with the output registers of its blocks, two cycles of latency; contents for simulation
// from a hex file next to this one, the same for synthesis in the blocks. Where load is 1 en is, too.
module {name} (
    input wire clk,
    input wire en,
    input wire load,
    input wire [{_address_bits(words) - 1}:0] addr,
    output wire [{width - 1}:0] data
);
`ifdef SYNTHESIS
    wire [{bits * ports * count - 1}:0] whole;
    assign data = whole[{width - 1}:0];
{cells}`else
    reg [{width - 1}:0] words [0:{len(words) - 1}];
    reg [{width - 1}:0] word, register;
    initial $readmemh("{file}", words);
    always @(posedge clk) begin
        if (en) word <= words[addr];
        if (load) register <= word;
    end
    assign data = register;
`endif
endmodule
"""


def _address_bits(words: Sequence[int]) -> int:
    return max(1, (len(words) - 1).bit_length())


def _contents(number: int, bits: int, ports: int, width: int, words: Sequence[int]) -> list[int]:
    """The parameters of a cell. Rows of 18 bits lie 20 bits apart, and words of 4 bits or fewer leave every
    ninth bit out."""
    rows = [0] * 1024
    inside = 18 // bits if bits >= 9 else 16 // bits  # words of a row
    for port in range(ports):
        start = (number * ports + port) * bits
        mask = (1 << max(0, min(bits, width - start))) - 1
        for at, word in enumerate(words, port * _SHAPES[bits] // 2):
            row, place = at // inside, at % inside * bits
            rows[row] |= (word >> start & mask) << (place if bits >= 9 else place + place // 8)
    step = _CONTENTS // 20
    return [sum(row << 20 * k for k, row in enumerate(rows[at : at + step])) for at in range(0, 1024, step)]


def _cell(number: int, bits: int, ports: int, contents: list[int], words: Sequence[int]) -> str:
    parameters = [f".INITVAL_{k:02X}(320'h{value:080x})" for k, value in enumerate(contents) if value]
    pins: list[str] = []
    for port, letter in enumerate("AB"):
        half = f"1'b{port}" if ports == 2 else _ZERO
        pins += _pins(letter, port < ports, half, (number * ports + port) * bits, bits, words)
    listed = "".join(f"        {one},\n" for one in parameters)
    connected = ",\n".join("        " + ", ".join(pins[k : k + 6]) for k in range(0, len(pins), 6))
    return f"""\
    DP16KD #(
        .DATA_WIDTH_A({bits}), .DATA_WIDTH_B({bits}), .REGMODE_A("OUTREG"), .REGMODE_B("OUTREG"),
{listed}        .CSDECODE_A("0b000"), .CSDECODE_B("0b000"), .WRITEMODE_A("NORMAL"), .WRITEMODE_B("NORMAL"),
        .RESETMODE("SYNC"), .ASYNC_RESET_RELEASE("SYNC"), .GSR("DISABLED"),
        .CLKAMUX("CLKA"), .CLKBMUX("CLKB")
    ) block{number} (
{connected}
    );
"""


def _pins(letter: str, used: bool, half: str, start: int, bits: int, words: Sequence[int]) -> list[str]:
    """Connections of a port that reads, in the ``half`` of the block that the highest address bit names where
    the words leave it, or of one that is left alone."""
    low = 14 - (_SHAPES[bits] - 1).bit_length()  # the lowest address pin of a word
    address = [_ZERO] * low + [f"addr[{bit}]" for bit in range(_address_bits(words))] if used else []
    address += [_ZERO] * (13 - len(address)) + [half] * (len(address) < 14)
    pins = [f".AD{letter}{pin}({value})" for pin, value in enumerate(address)]
    pins += [f".DO{letter}{k}(whole[{start + k}])" for k in range(bits if used else 0)]
    clock = "clk" if used else _ZERO
    pins += [f".CLK{letter}({clock})"]
    pins += [f".{pin}{letter}({one if used else _ZERO})" for pin, one in (("CE", "en"), ("OCE", "load"))]
    tied = [f"DI{letter}{k}" for k in range(18)] + [f"WE{letter}", f"RST{letter}"]
    return pins + [f".{pin}({_ZERO})" for pin in (*tied, *(f"CS{letter}{k}" for k in range(3)))]
