"""Logic synthesis with yosys: from Verilog to a netlist of the family's cells, with each layer kept apart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.synth import count, spill, tools
from fermatnet.synth.watch import Progress, passes

__all__ = ["Netlist", "map_design"]

COMMANDS = {
    "ecp5": "synth_ecp5",
    "ice40": "synth_ice40",
    "xc7": "synth_xilinx",
    "gowin": "synth_gowin",
    "gatemate": "synth_gatemate",
    "nexus": "synth_nexus",
    "intel": "synth_intel_alm",
}
NETLIST, MEMORIES = "netlist.json", "memories.json"
# Cells that generated Verilog instantiates by name must be known before the hierarchy is checked.
LIBRARIES = {
    "ecp5": ["read_verilog -lib +/ecp5/cells_sim.v +/ecp5/cells_bb.v"],
    "ice40": ["read_verilog -lib -D ICE40_HX +/ice40/cells_sim.v"],
    "gowin": ["read_verilog -lib +/gowin/cells_sim.v +/gowin/cells_xtra_{family}.v"],
}
# The mappers themselves would put pads at the ports of every module that is kept whole.
PADS = {
    "gowin": "iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -toutpad TBUF ~OEN:I:O",
    "gatemate": "iopadmap -bits -inpad CC_IBUF Y:I -outpad CC_OBUF A:O",
}


@dataclass(frozen=True)
class Netlist:
    """A mapped design in ``directory``: cells by module and the top module's instances by name; ``in_logic``
    names memories that were made of logic since there are too few blocks for them."""

    directory: Path
    top: str
    modules: dict[str, dict[str, int]]
    instances: dict[str, str]
    port_bits: int
    version: str
    seconds: float
    in_logic: tuple[str, ...] = ()


def map_design(
    directory: Path,
    verilog: Sequence[str],
    top: str,
    device: Device,
    *,
    flatten: bool = True,
    apart: str = "",
    detail: Progress | None = None,
) -> Netlist:
    """Maps the Verilog files (names relative to ``directory``, which holds their memory files too) to cells
    of ``device``.

    ``flatten``: dissolve the hierarchy, except modules that ask to be kept. ``apart``: keep every instance
    directly under this module whole. Cells then belong to exactly one layer, where names of mapped logic in a
    flat netlist tell nothing;
    layers meet at registered streams, so hardly anything could have been shared across them. ``detail``: told
    the pass that yosys is in. A design that takes more memory blocks than the device has is mapped again with
    some of its memories in logic (`fermatnet.synth.spill`).
    """
    yosys = tools.find("yosys")
    kept = [] if flatten else ["-noflatten"]
    if device.family == "xc7":  # the other way round there
        kept = ["-flatten"] if flatten else []
    command = " ".join([COMMANDS[device.family], *device.map, *kept, "-top", top])
    keep = (
        [f"select -set apart {apart}/c:* {apart}/t:$* %d", "setattr -set keep_hierarchy 1 @apart"]
        if apart
        else []
    )
    before = [
        *_libraries(device),
        f"read_verilog -defer {' '.join(verilog)}",  # -defer: a memory's default file name is not one to open
        f"hierarchy -check -top {top}",
        *keep,
    ]
    behind = [
        "splitnets",  # abc9 can give two wires one name (yosys issue 4349) unless they are single bits
        f"{command} -run map_luts:",
        *([f"select {top}", PADS[device.family], "select -clear"] if device.family in PADS else []),
        f"write_json {NETLIST}",
        "tee -q -o cells.json stat -json",
    ]

    def seconds(script: Sequence[str]) -> float:
        (directory / "map.ys").write_text("\n".join(script) + "\n")
        watch = passes(directory / "yosys.log", detail)
        return tools.run(yosys, ["-q", "-l", "yosys.log", "map.ys"], directory, "yosys.out", watch=watch)

    spent = seconds([*before, f"{command} -run begin:map_luts", *behind])
    netlist = _read(directory, top, yosys.version, spent)
    excess, room = _too_many(netlist, device)
    if excess <= 0 or device.family not in spill.LABELS:
        return netlist
    spent += seconds([*before, *_listed(command, device, [])])
    logic = _logic(netlist, device, excess, room)
    if not logic:
        return replace(netlist, seconds=spent)
    last = f"{command} -run {spill.LABELS[device.family]}:map_luts"
    spent += seconds([*before, *_listed(command, device, logic), last, *behind])
    standing = spill.places(_modules(directory), top)
    names = (f"{place}{one.cell}" for one in logic for place in standing[one.module])
    return replace(_read(directory, top, yosys.version, spent), in_logic=tuple(sorted(names)))


def _listed(command: str, device: Device, logic: Sequence[spill.Stored]) -> list[str]:
    """yosys' commands up to where memories are mapped: those of ``logic`` are told to be no blocks, all are
    written down."""
    return [
        f"{command} -run begin:{spill.LABELS[device.family]}",
        *(f'setattr -set ram_style "logic" {one.module}/{one.cell}' for one in logic),
        f"select t:$mem_v2; write_json -selected {MEMORIES}; select -clear",
    ]


def _too_many(netlist: Netlist, device: Device) -> tuple[float, float]:
    """Block memories that the device lacks for a netlist, and the tables that it leaves."""
    used = count.resources(count.total(netlist.modules, netlist.top), device.family)
    return used["brams"] - device.brams, device.luts - used["luts"]


def _logic(netlist: Netlist, device: Device, excess: float, room: float) -> list[spill.Stored]:
    """The memories to make of logic, of those written down; none where the design cannot be made to fit."""
    found = spill.memories(netlist.directory / MEMORIES)
    return spill.chosen(spill.stored(found, _modules(netlist.directory), netlist.top, device), excess, room)


def _modules(directory: Path) -> dict[str, Any]:
    modules: dict[str, Any] = json.loads((directory / NETLIST).read_text())["modules"]
    return modules


def _libraries(device: Device) -> list[str]:
    """Commands that read the cells of the device's family."""
    options = dict(zip(device.map[::2], device.map[1::2], strict=False))
    family = options.get("-family", "")
    return [command.format(family=family) for command in LIBRARIES.get(device.family, [])]


def _read(directory: Path, top: str, version: str, seconds: float) -> Netlist:
    stat = json.loads((directory / "cells.json").read_text())
    modules = {name.removeprefix("\\"): body["num_cells_by_type"] for name, body in stat["modules"].items()}
    modules = {
        name: {kind.removeprefix("\\"): many for kind, many in cells.items()}
        for name, cells in modules.items()
    }
    design = json.loads((directory / NETLIST).read_text())["modules"][top]
    instances = {name: cell["type"] for name, cell in design["cells"].items() if cell["type"] in modules}
    port_bits = sum(len(port["bits"]) for port in design["ports"].values())
    return Netlist(directory, top, modules, instances, port_bits, version, seconds)
