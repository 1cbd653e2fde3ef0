"""Mapping to the cells of a Liberty library: area, gates, logic delay, and a rough power."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth import count, delays, liberty, tools

__all__ = [
    "ACTIVITY",
    "LIBRARY",
    "SIMULATED",
    "TIMED",
    "WORDS",
    "delay_ns",
    "estimate",
    "map_cells",
    "memory_bits",
]

LIBRARY = "cells.lib"
SIMULATED, TIMED = "simulated.v", "timed.v"
WORDS = 16  # a memory of more words is counted apart
ACTIVITY = 0.2  # changes of a net per clock cycle, assumed; a clock net has 2


def map_cells(
    directory: Path, verilog: Sequence[str], top: str, *, apart: str = "", avoid: Sequence[str] = ()
) -> dict[str, Any]:
    """Maps the Verilog files in ``directory`` to the library ``cells.lib`` there; ``avoid``: cells not to be
    taken (`fermatnet.synth.liberty.avoided`).

    Memories of more than `WORDS` words stay memories, since a library of logic cells has no RAM; smaller ones
    become flip-flops. Returns the cells by module (``modules``), instances of the module ``apart``
    (``instances``), the whole design as one flat module (``flat``), and by module the bits of its memories
    that are read only and of the others (``memories``). In ``directory`` stay `SIMULATED`, the flat netlist
    with its memories, and `TIMED`, without them; both name cells and nets alike.
    """
    yosys = tools.find("yosys")
    (directory / "map.ys").write_text("\n".join(_script(verilog, top, apart, avoid)) + "\n")
    seconds = tools.run(yosys, ["-q", "-l", "yosys.log", "map.ys"], directory, "yosys.out")
    stat = json.loads((directory / "cells.json").read_text())
    modules = {
        name.removeprefix("\\"): {
            kind.removeprefix("\\"): many for kind, many in body["num_cells_by_type"].items()
        }
        for name, body in stat["modules"].items()
    }
    netlist = json.loads((directory / "netlist.json").read_text())["modules"]
    cells = netlist[top]["cells"]
    instances = {name: cell["type"] for name, cell in cells.items() if cell["type"] in modules}
    return {
        "modules": modules,
        "instances": instances,
        "flat": json.loads((directory / "flat.json").read_text())["modules"][top],
        "memories": {name: _memories(body) for name, body in netlist.items()},
        "version": yosys.version,
        "seconds": seconds,
    }


def _script(verilog: Sequence[str], top: str, apart: str, avoid: Sequence[str]) -> list[str]:
    keep = (
        [f"select -set apart {apart}/c:* {apart}/t:$* %d", "setattr -set keep_hierarchy 1 @apart"]
        if apart
        else []
    )
    unused = "".join(f" -dont_use {cell}" for cell in avoid)
    return [
        f"read_verilog -defer {' '.join(verilog)}",
        f"hierarchy -check -top {top}",
        *keep,
        f"synth -flatten -top {top} -run begin:fine",
        f"memory_map t:$mem_v2 r:SIZE<={WORDS} %i",  # what `synth` does with all of them
        "opt -fast -full",
        "opt -undriven -fine",
        "techmap",
        "opt -fast",
        "abc",
        "opt -fast",
        f"dfflibmap -liberty {LIBRARY}{unused}",
        f"abc -liberty {LIBRARY}{unused}",
        "opt_clean -purge",
        "write_json netlist.json",
        "tee -q -o cells.json stat -json",
        "setattr -unset keep_hierarchy a:keep_hierarchy",
        "setattr -mod -unset keep_hierarchy *",
        "flatten",
        "splitnets",
        "rename -hide w:* c:*",  # plain names, which every tool can read
        "rename -enumerate -pattern c% c:*",
        "rename -enumerate -pattern n% w:$*",
        "write_json flat.json",
        f"write_verilog -noattr {SIMULATED}",
        "delete t:$mem_v2",
        "setundef -zero",
        "splitnets -ports -format __",  # OpenSTA 2.0 reads no concatenations
        "opt_clean -purge",
        f"write_verilog -noattr {TIMED}",
    ]


def _memories(module: dict[str, Any]) -> dict[str, int]:
    """Bits of the memories of a module, those without a write port as ``rom_bits``."""
    bits = {"rom_bits": 0, "ram_bits": 0}
    for cell in module["cells"].values():
        if cell["type"] == "$mem_v2":
            size, width, writers = (
                int(cell["parameters"][name], 2) for name in ("SIZE", "WIDTH", "WR_PORTS")
            )
            bits["ram_bits" if writers else "rom_bits"] += size * width
    return bits


def memory_bits(
    modules: dict[str, dict[str, int]], memories: dict[str, dict[str, int]], name: str
) -> dict[str, int]:
    """``rom_bits`` and ``ram_bits`` of module ``name`` with all that is under it."""
    found = dict(memories.get(name, {"rom_bits": 0, "ram_bits": 0}))
    for kind, many in modules[name].items():
        if kind in modules:
            for key, bits in memory_bits(modules, memories, kind).items():
                found[key] += many * bits
    return found


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
        (cell.area for kind, cell in library.cells.items() if re.search(r"(?i)nand2(_?x?\d+)?$", kind)),
        default=0.0,
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
