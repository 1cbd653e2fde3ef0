"""How often each net of a mapped netlist changes: the netlist in Icarus Verilog under given stimuli.

The cells are what the library's own functions say, turned into Verilog by yosys; nothing has a delay, so that
each net changes at most once a clock edge and glitches are not seen.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth import asic, tools

__all__ = ["Drive", "toggles"]

MODELS = "models.v"
BENCH = "fermatnet_bench"


@dataclass(frozen=True)
class Drive:
    """What an input port gets: ``words``, one a clock cycle, over and over; with ``ready`` the next one only
    when that output port was high. One word holds a port still."""

    bits: int
    words: tuple[int, ...]
    ready: str = ""


def toggles(
    folder: Path, top: str, drives: Mapping[str, Drive], outputs: Mapping[str, int], *, skip: int, cycles: int
) -> dict[str, float]:
    """Changes a clock cycle of every net of ``asic.SIMULATED`` in ``folder``, by name (``name[bit]`` in
    ports), over ``cycles`` clock cycles after ``skip``; resets for the first four.

    ``outputs``: widths of the output ports. Raises InputError where Icarus Verilog is missing or refuses.
    """
    for program in ("iverilog", "vvp"):
        if shutil.which(program) is None:
            raise InputError(f"{program} is not on PATH: install Icarus Verilog 11 or newer")
    script = f"read_liberty -ignore_miss_func {asic.LIBRARY}; setundef -init -zero; write_verilog {MODELS}"
    tools.run(tools.find("yosys"), ["-q", "-p", script], folder, "models.out")
    (folder / "bench.v").write_text(_bench(folder, top, drives, outputs, skip, cycles))
    _call(["iverilog", "-g2012", "-o", "bench.vvp", "bench.v", asic.SIMULATED, MODELS], folder)
    _call(["vvp", "-n", "bench.vvp"], folder)
    with (folder / "nets.vcd").open() as file:
        return {name: count / cycles for name, count in _changes(file).items()}


def _bench(
    folder: Path, top: str, drives: Mapping[str, Drive], outputs: Mapping[str, int], skip: int, cycles: int
) -> str:
    lines = [
        "`timescale 1ns / 1ps",
        f"module {BENCH};",
        "  reg clk = 0; reg rst = 1;",
        "  always #5 clk = ~clk;",
    ]
    ports = [".clk(clk)", ".rst(rst)"]
    for name, bits in outputs.items():
        lines.append(f"  wire [{bits - 1}:0] {name};")
        ports.append(f".{name}({name})")
    for name, drive in drives.items():
        file = f"drive_{name}.hex"
        (folder / file).write_text("".join(f"{word:x}\n" for word in drive.words))
        count = len(drive.words)
        lines += [
            f"  reg [{drive.bits - 1}:0] words_{name} [0:{count - 1}]; integer at_{name} = 0;",
            f'  initial $readmemh("{file}", words_{name});',
            f"  wire [{drive.bits - 1}:0] {name} = words_{name}[at_{name}];",
            f"  always @(posedge clk) if (!rst && {drive.ready or 1}) "
            f"at_{name} <= (at_{name} + 1) % {count};",
        ]
        ports.append(f".{name}({name})")
    present = set(re.findall(r"^  (?:input|output) (?:\[.*?\] )?(\S+);", _text(folder), flags=re.M))
    kept = [port for port in ports if port[1 : port.index("(")] in present]
    return "\n".join(
        [
            *lines,
            f"  {top} dut ({', '.join(kept)});",
            "  initial begin",
            f"    #42 rst = 0; #{10 * skip};",
            '    $dumpfile("nets.vcd"); $dumpvars(1, dut);',
            f"    #{10 * cycles} $finish;",
            "  end",
            "endmodule\n",
        ]
    )


def _text(folder: Path) -> str:
    return (folder / asic.SIMULATED).read_text()


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr + done.stdout).strip().splitlines() or ["it ended without a word"]
        raise InputError(f"{command[0]} refused the netlist: {words[0]}")


def _changes(lines: Iterator[str]) -> dict[str, int]:
    """Changes of each bit of each variable after its first value; a change from or to an unknown value is
    none."""
    names: dict[str, list[str]] = {}
    widths: dict[str, int] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["$var"]:
            names.setdefault(words[3], []).append(words[4])
            widths[words[3]] = int(words[2])
        elif words[:1] == ["$enddefinitions"]:
            break
    last: dict[str, str] = {}
    counts: dict[str, Any] = {code: [0] * width for code, width in widths.items()}
    for line in lines:
        if line[0] in "01xz":
            value, code = line[0], line[1:].strip()
        elif line[0] == "b":
            value, code = line[1:].split()
            value = value.rjust(widths[code], value[0] if value[0] in "xz" else "0")
        else:
            continue
        before = last.get(code)
        if before is not None and before != value:
            for bit, (old, new) in enumerate(zip(reversed(before), reversed(value), strict=True)):
                counts[code][bit] += {old, new} == {"0", "1"}
        last[code] = value
    found = {}
    for code, entries in names.items():
        for name in entries:
            if widths[code] == 1:
                found[name] = counts[code][0]
            found |= {f"{name}[{bit}]": count for bit, count in enumerate(counts[code])}
    return found
