"""Registers that hold the same bit side by side: control of high fan-out, cut into parts that lie near each
other."""

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal

from fermatnet.hw.rtl.platform import platform_of

__all__ = ["COPY_MODULE", "SPREAD", "copies", "spread"]

COPY_MODULE = "fermatnet_copy"
SPREAD = 40
"""Registers that one copy drives, about."""

# A module of its own, and kept: equal registers in one module become one again.
COPY_VERILOG = f"""\
(* keep_hierarchy *)
module {COPY_MODULE} (input wire clk, input wire rst, input wire d, output reg q);
    initial q = 1'b0;
    always @(posedge clk) q <= rst ? 1'b0 : d;
endmodule
"""


def copies(m: Module, platform: Any, value: Any, registers: list[Signal]) -> None:
    """Registers of one bit that each load ``value`` every cycle, 0 after reset; synthesis leaves them
    apart."""
    kept = platform_of(platform)
    for register in registers:
        if kept.named_modules and len(registers) > 1:
            m.submodules[register.name] = Instance(
                kept.verilog_module(COPY_MODULE, COPY_VERILOG),
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_d=value,
                o_q=register,
            )
        else:
            m.d.sync += register.eq(value)


def spread(widths: list[int]) -> list[int]:
    """Which copy each of some neighbouring groups of registers listens to: about `SPREAD` registers a
    copy."""
    found, copy, load = [], 0, 0
    for width in widths:
        if load and load + width > SPREAD:
            copy, load = copy + 1, 0
        load += width
        found.append(copy)
    return found
