"""Mapping to the cells of a Liberty library: area, gates, logic delay, and a rough power."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth import count, delays, liberty, tools

__all__ = ["ACTIVITY", "delay_ns", "estimate", "map_cells"]

LIBRARY = "cells.lib"
ACTIVITY = 0.2  # changes of a net per clock cycle, assumed; a clock net has 2


def map_cells(directory: Path, verilog: Sequence[str], top: str, *, apart: str = "") -> dict[str, Any]:
    """Maps the Verilog files in ``directory`` to the library ``cells.lib`` there.

    Memories become flip-flops and multiplexers: a library of logic cells has no RAM. Returns the cells by
    module (``modules``), instances of the module ``apart`` (``instances``), and the whole design as one flat
    module (``flat``).
    """
    yosys = tools.find("yosys")
    keep = (
        [f"select -set apart {apart}/c:* {apart}/t:$* %d", "setattr -set keep_hierarchy 1 @apart"]
        if apart
        else []
    )
    script = [
        f"read_verilog -defer {' '.join(verilog)}",
        f"hierarchy -check -top {top}",
        *keep,
        f"synth -flatten -top {top}",
        f"dfflibmap -liberty {LIBRARY}",
        f"abc -liberty {LIBRARY}",
        "opt_clean -purge",
        "write_json netlist.json",
        "tee -q -o cells.json stat -json",
        "setattr -unset keep_hierarchy a:keep_hierarchy",
        "setattr -mod -unset keep_hierarchy *",
        "flatten",
        "write_json flat.json",
    ]
    (directory / "map.ys").write_text("\n".join(script) + "\n")
    seconds = tools.run(yosys, ["-l", "yosys.log", "map.ys"], directory, "yosys.out")
    stat = json.loads((directory / "cells.json").read_text())
    modules = {
        name.removeprefix("\\"): {
            kind.removeprefix("\\"): many for kind, many in body["num_cells_by_type"].items()
        }
        for name, body in stat["modules"].items()
    }
    design = json.loads((directory / "netlist.json").read_text())["modules"][top]
    instances = {name: cell["type"] for name, cell in design["cells"].items() if cell["type"] in modules}
    flat = json.loads((directory / "flat.json").read_text())["modules"][top]
    return {
        "modules": modules,
        "instances": instances,
        "flat": flat,
        "version": yosys.version,
        "seconds": seconds,
    }


def delay_ns(flat: dict[str, Any], library: liberty.Library) -> float:
    """Longest path of a flat netlist in nanoseconds: clock to output, then logic, each cell loaded by the
    pins it drives."""
    pins = {
        name: {pin: value / library.farads for pin, value in cell.capacitances.items()}
        for name, cell in library.cells.items()
    }
    return delays.longest_path(flat, delays.arcs_of(library.group), pins) * library.seconds * 1e9


def estimate(
    modules: dict[str, dict[str, int]], name: str, library: liberty.Library, clock_mhz: float
) -> dict[str, Any]:
    """Area, gates and rough power of module ``name`` with all that is under it.

    ``gates`` counts cells; ``gate_equivalents`` is area over that of the smallest two-input NAND.
    ``power_mw`` is leakage plus a half C V^2 f for every input pin, all nets changing `ACTIVITY` times a
    cycle and clock pins twice:
    no wires, no internal energy, no real activity. It ranks two circuits of one library; it is not a
    measurement.
    """
    cells: Counter[str] = count.total(modules, name)
    unknown = sorted(kind for kind in cells if kind not in library.cells)
    if unknown:
        raise InputError(f"the library {library.name} has no cell for {', '.join(unknown)}")
    area = sum(library.cells[kind].area * many for kind, many in cells.items())
    leakage = sum(library.cells[kind].leakage * many for kind, many in cells.items())
    switched = 0.0
    for kind, many in cells.items():
        cell = library.cells[kind]
        for pin, capacitance in cell.capacitances.items():
            clock = cell.sequential and re.fullmatch(r"(?i)clk|ck|c|cp|clock|g|gate", pin) is not None
            switched += many * capacitance * (2.0 if clock else ACTIVITY)
    dynamic = 0.5 * switched * library.voltage**2 * clock_mhz * 1e6
    nand = min(
        (cell.area for kind, cell in library.cells.items() if re.match(r"(?i)nand2", kind)), default=0.0
    )
    return {
        "gates": int(sum(cells.values())),
        "area": round(area, 3),
        "gate_equivalents": round(area / nand) if nand else None,
        "ffs": int(sum(many for kind, many in cells.items() if library.cells[kind].sequential)),
        "leakage_mw": leakage * 1e3,
        "dynamic_mw": dynamic * 1e3,
        "power_mw": (leakage + dynamic) * 1e3,
    }
