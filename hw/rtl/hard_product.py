"""A product into a register, which on ECP5 is the multiplier's own.

yosys maps products of ECP5 to ``MULT18X18D`` without its registers: then a path goes from a register through
the wires to the multiplier, 3.9 ns through it, and through wires again. With the register inside (Lattice
FPGA-TN-02205, "sysDSP Usage Guide") the second way is gone. For the 7 series yosys moves registers in by
itself.
"""

from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal, Value, ValueLike

from fermatnet.hw.rtl.platform import platform_of
from fermatnet.hw.rtl.wide_product import WIDTHS

__all__ = ["HARD_PRODUCT", "hard_product"]

HARD_PRODUCT = "fermatnet_product"
"""Name of the module."""
LEAST = 4
"""Bits of a product from which yosys takes a multiplier (`fermatnet.hw.resources.HARD_PRODUCT`)."""


def _ports(letter: str, word: str, bits: int) -> str:
    return ", ".join(f".{letter}{k}({word}[{k}])" for k in range(bits))


_VERILOG = f"""\
// p <= a * b, with the register inside a multiplier of 18 by 18 bits.
module {HARD_PRODUCT} #(
    parameter A = 18,
    parameter B = 18,
    parameter P = 36,
    parameter SIGNED_A = 1,
    parameter SIGNED_B = 1
) (
    input wire clk,
    input wire en,
    input wire [A-1:0] a,
    input wire [B-1:0] b,
    output wire [P-1:0] p
);
    wire signed [18:0] wide_a = {{{{(19-A){{(SIGNED_A != 0) & a[A-1]}}}}, a}};
    wire signed [18:0] wide_b = {{{{(19-B){{(SIGNED_B != 0) & b[B-1]}}}}, b}};
`ifdef SYNTHESIS
    // ports that are plain wires: for an expression yosys reads the whole module again, behind its flattening
    wire [17:0] factor_a = wide_a[17:0];
    wire [17:0] factor_b = wide_b[17:0];
    wire signed_a = SIGNED_A != 0;
    wire signed_b = SIGNED_B != 0;
    wire [35:0] product;
    MULT18X18D #(
        .REG_INPUTA_CLK("NONE"), .REG_INPUTB_CLK("NONE"), .REG_INPUTC_CLK("NONE"), .REG_PIPELINE_CLK("NONE"),
        .REG_OUTPUT_CLK("CLK0"), .REG_OUTPUT_CE("CE0"), .REG_OUTPUT_RST("RST0"), .GSR("DISABLED")
    ) multiplier (
        {_ports("A", "factor_a", 18)},
        {_ports("B", "factor_b", 18)},
        {_ports("P", "product", 36)},
        .SIGNEDA(signed_a), .SIGNEDB(signed_b), .SOURCEA(1'b0), .SOURCEB(1'b0),
        .CLK0(clk), .CE0(en), .RST0(1'b0)
    );
    assign p = product[P-1:0];
`else
    reg signed [37:0] product;
    initial product = 0;
    always @(posedge clk) if (en) product <= wide_a * wide_b;
    assign p = product[P-1:0];
`endif
endmodule
"""


def hard_product(
    m: Module, platform: Any, a: ValueLike, b: ValueLike, register: Signal, *, target: str, enable: Any = 1
) -> None:
    """``register`` takes ``a * b``, cut to its width, in each cycle with ``enable``; its value after reset is
    not defined.

    target: what the design is made for. Where that is "ecp5", both factors vary and fit one multiplier, the
    register is the multiplier's own in Verilog with cells of the family; the same cycles everywhere.
    """
    a, b, kept = Value.cast(a), Value.cast(b), platform_of(platform)
    if not _own(a, b, register, target):
        with m.If(enable):
            m.d.sync += register.eq(_product(a, b))
    elif not kept.hard_cells:
        kept.inside_cell(len(register))
        with m.If(enable):
            m.d.sync += register.eq(a * b)
    else:
        m.submodules[f"{register.name}_hard"] = Instance(
            kept.verilog_module(HARD_PRODUCT, _VERILOG),
            p_A=len(a),
            p_B=len(b),
            p_P=len(register),
            p_SIGNED_A=int(a.shape().signed),
            p_SIGNED_B=int(b.shape().signed),
            i_clk=ClockSignal(),
            i_en=enable,
            i_a=a,
            i_b=b,
            o_p=register,
        )


def _product(a: Value, b: Value) -> Value:
    """``a * b``; by one bit it is a choice, for which yosys would take a multiplier too."""
    for one, other in (a, b), (b, a):
        if len(one) == 1 and not one.shape().signed:
            return Mux(one, other, 0)
    return a * b


def _own(a: Value, b: Value, register: Signal, target: str) -> bool:
    if target != "ecp5" or isinstance(a, Const) or isinstance(b, Const):
        return False
    wide, narrow = WIDTHS[target]
    fits = len(a) <= wide - (not a.shape().signed) and len(b) <= narrow - (not b.shape().signed)
    return fits and min(len(a), len(b)) >= 2 and LEAST <= len(register) <= len(a) + len(b)
