"""A block of the array synthesised: cells on xc7 and ECP5, or gates of a cell library, each once."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw.rtl import verilog
from fermatnet.synth import asic, liberty, tools

__all__ = ["gates", "kept", "mapped_cells"]

COMMANDS = {"xc7": "synth_xilinx -family xc7 -noiopad -noclkbuf -nodsp", "ecp5": "synth_ecp5 -nodsp"}


class _Kept:
    """Results by a hash of what was mapped, in a file of lines when there is one."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.known: dict[str, Any] = {}

    def open(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.known = dict(json.loads(line) for line in lines)

    def get(self, what: str, made: verilog.Emitted, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        key = hashlib.sha256((what + made.verilog + repr(made.memories)).encode()).hexdigest()
        if key not in self.known:
            self.known[key] = measure()
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps([key, self.known[key]]) + "\n")
        return self.known[key]


kept = _Kept()


def mapped_cells(component: wiring.Component, family: str) -> dict[str, Any]:
    """LUTs (xc7: LUT1 to LUT6, each once; ecp5: LUT4 + 2 a CCU2C), carry cells, flip-flops and block memories
    after synthesis."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-array-") as scratch:
        folder = Path(scratch)
        made = verilog.emit(component, "block", folder)

        def measure() -> dict[str, Any]:
            # splitnets: abc9 can stop at nets of several bits, see fermatnet.synth.mapping
            command = f"{COMMANDS[family]} -top block"
            script = (
                f"read_verilog -defer block.v; {command} -run begin:map_luts; splitnets; {command} -run "
                "map_luts:; tee -q -o cells.json stat -json"
            )
            tools.run(tools.find("yosys"), ["-q", "-p", script], folder, "yosys.out")
            return json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]

        cells: dict[str, int] = kept.get(COMMANDS[family], made, measure)
    carry = cells.get("CARRY4", 0) + cells.get("CCU2C", 0)
    luts = sum(cells.get(f"LUT{n}", 0) for n in range(1, 7)) + 2 * cells.get("CCU2C", 0)
    ffs = sum(n for kind, n in cells.items() if kind.startswith(("FD", "TRELLIS_FF")))
    brams = sum(n for kind, n in cells.items() if kind.startswith(("RAMB", "DP16", "PDPW")))
    return {"luts": luts, "carry_cells": carry, "ffs": ffs, "brams": brams}


def gates(component: wiring.Component, path: Path, library: liberty.Library) -> dict[str, Any]:
    """Gates, area, power at 100 MHz and longest path in a cell library."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-array-") as scratch:
        folder = Path(scratch)
        made = verilog.emit(component, "block", folder)

        def measure() -> dict[str, Any]:
            (folder / asic.LIBRARY).write_text(liberty.text_of(path))
            mapped = asic.map_cells(folder, ["block.v"], "block", avoid=liberty.avoided(library))
            return asic.estimate(mapped["modules"], "block", library, 100.0) | {
                "delay_ns": asic.delay_ns(mapped["flat"], library)
            }

        return kept.get(str(path), made, measure)
