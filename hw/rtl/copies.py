"""Registers that hold the same bit side by side: control of high fan-out, cut into parts that lie near each
other."""

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal

from fermatnet.hw.rtl.platform import platform_of

__all__ = ["COPIES", "SPREAD", "copies", "spread", "word_copies"]

SPREAD = 40
"""Registers that one copy drives, about."""

_WHEN = "fermatnet_copy_when"

COPIES = {"fermatnet_copy": 0, "fermatnet_copy_set": 1, _WHEN: None}
"""Names of the modules, and what the register holds after reset (None: what it held)."""

_WHEN_VERILOG = f"""\
(* keep_hierarchy *)
module {_WHEN} (input wire clk, input wire en, input wire d, output reg q);
    always @(posedge clk) if (en) q <= d;
endmodule
"""


def _verilog(start: int) -> tuple[str, str]:
    """Name and text of a module of its own, and kept: equal registers in one module become one again."""
    name = list(COPIES)[start]
    return (
        name,
        f"""\
(* keep_hierarchy *)
module {name} (input wire clk, input wire rst, input wire d, output reg q);
    initial q = 1'b{start};
    always @(posedge clk) q <= rst ? 1'b{start} : d;
endmodule
""",
    )


def copies(m: Module, platform: Any, value: Any, registers: list[Signal]) -> None:
    """Registers of one bit that each load ``value`` every cycle, their initial value after reset; synthesis
    leaves them apart."""
    kept = platform_of(platform)
    for register in registers:
        if kept.named_modules and len(registers) > 1:
            m.submodules[register.name] = Instance(
                kept.verilog_module(*_verilog(register.init)),
                i_clk=ClockSignal(),
                i_rst=ResetSignal(),
                i_d=value,
                o_q=register,
            )
        else:
            m.d.sync += register.eq(value)


def word_copies(m: Module, platform: Any, enable: Any, value: Signal, count: int, name: str) -> list[Signal]:
    """``count`` registers that load the same word with ``enable``, which synthesis leaves apart: one for each
    of the things that would stretch the wires of a single one."""
    kept, words = platform_of(platform), []
    for copy in range(count):
        word = Signal(len(value), name=f"{name}{copy}", reset_less=True)
        words.append(word)
        if not (kept.named_modules and count > 1):
            with m.If(enable):
                m.d.sync += word.eq(value)
            continue
        for at in range(len(value)):
            bit = Signal(name=f"{name}{copy}_{at}")
            m.submodules[bit.name] = Instance(
                kept.verilog_module(_WHEN, _WHEN_VERILOG),
                i_clk=ClockSignal(),
                i_en=enable,
                i_d=value[at],
                o_q=bit,
            )
            m.d.comb += word[at].eq(bit)
    return words


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
