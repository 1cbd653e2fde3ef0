"""One plain Verilog folder through the mappers of seven families, placed where pip has a place and route.

``fermatnet bench vendors`` generates the network of the demo, with any levels, once and without a cell of any
vendor, and maps the same files for a device of each family: cells by layer, and the names of cells that are
not the family's own (there must be none). A device that the design is too large for is said so, and gets the
next slower design as well. Rows are kept as they come (``--results``), and found again by their Verilog;
``--only`` takes one device, ``--quick`` a small residual network in the demo's place (seconds instead of
minutes a step), ``--models`` is a folder with ``digits.onnx``.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.interface import edge_ports
from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.model.errors import InputError
from fermatnet.model.result_log import ResultLog, design_digest
from fermatnet.synth import count, pins
from fermatnet.synth.flow import layers
from fermatnet.synth.mapping import Netlist, map_design
from fermatnet.synth.place import place
from fermatnet.synth.tools import ToolError
from fermatnet.synth.wheels import yosys

__all__ = ["CYCLES", "LIBRARIES", "foreign", "run"]

CYCLES: tuple[int, ...] = (
    18_432,
    36_864,
    73_728,
)  # an image: the first for all, the others where that is too large
QUICK_CYCLES: tuple[int, ...] = (600,)
AIM = 50.0  # MHz that placement aims at
# device: the files that define its family's cells
LIBRARIES = {
    "ecp5-85k": "+/ecp5/cells_sim.v +/ecp5/cells_bb.v",
    "ice40-hx8k": "-D ICE40_HX +/ice40/cells_sim.v",
    "gw2ar-18": "+/gowin/cells_sim.v +/gowin/cells_xtra_gw2a.v",
    "xc7z020": "+/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
    "ccgm1a1": "+/gatemate/cells_sim.v +/gatemate/cells_bb.v",
    "lifcl-40": "+/nexus/cells_sim.v +/nexus/cells_xtra.v",
    "5cseba6": "+/intel_alm/common/alm_sim.v +/intel_alm/common/dff_sim.v +/intel_alm/common/dsp_sim.v "
    "+/intel_alm/common/mem_sim.v +/intel_alm/common/misc_sim.v",
}
COLUMNS = (
    "device",
    "family",
    "cycles",
    "LUT",
    "FF",
    "BRAM",
    "DSP",
    "foreign",
    "Fmax",
    "largest layers",
    "seconds",
)


def foreign(cells: set[str], device: str) -> list[str]:
    """Those of ``cells`` that the family of ``device`` does not define."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        yosys(f"read_verilog -lib {LIBRARIES[device]}; tee -q -o cells.txt ls =*", Path(scratch))
        known = {
            line.strip().removeprefix("\\") for line in (Path(scratch) / "cells.txt").read_text().splitlines()
        }
    return sorted(cells - known)


@bench
def run(asked: Asked) -> list[dict[str, Any]]:
    """Maps and places for each device, prints the table and gives its rows back."""
    names, rows = asked.named(LIBRARIES, "device"), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folds = QUICK_CYCLES if asked.quick else CYCLES
        small = functools.partial(pa_resnet, (1, 4, 4), (2,), (1,), seed=3, classes=4)
        net = small() if asked.quick else network("digits", asked.folder)

        @functools.cache
        def made(cycles: int) -> tuple[Path, dict[str, Any]]:
            folder = Path(scratch) / str(cycles)
            return folder, generate(net, folder, cycles=cycles, target="plain")

        for name, cycles in ((name, cycles) for name in names for cycles in folds):
            if rows and rows[-1]["device"] == name and not rows[-1]["too_large"]:
                continue
            print(f"{name}, {cycles:,} cycles ...", flush=True)
            row = _row(name, *made(cycles), asked.log)
            design = "small" if asked.quick else "digits"
            rows.append({**row, "design": design, "foreign": foreign(set(row["cells"]), name)})
    _print(rows)
    asked.write(rows)
    return rows


def _row(name: str, folder: Path, made: dict[str, Any], log: ResultLog) -> dict[str, Any]:
    device, key = find_device(name), design_digest(folder)
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        mapped = functools.cache(lambda: _mapped(folder, Path(scratch), made, device))
        row = log.row(f"vendors/mapped/{name}/{key}", lambda: _counted(*mapped(), made, device))
        full = [
            f"{row[kind]:,} of {most:,} {kind}"
            for kind in count.RESOURCES
            if row[kind] > (most := getattr(device, kind))
        ]
        row = {**row, "too_large": ", ".join(full)}
        if full or not device.place:
            return row
        placed = log.row(f"vendors/placed/{name}/{key}", lambda: _placed(mapped()[0], device))
        return {**row, **placed, **{part: row[part] | placed[part] for part in ("versions", "seconds")}}


def _counted(netlist: Netlist, prefix: str, made: dict[str, Any], device: Device) -> dict[str, Any]:
    """What a row has before placement."""
    return {
        "device": device.name,
        "family": device.family,
        "cycles": made["cycles_per_image"],
        **layers(netlist, device, prefix),
        "in_logic": list(netlist.in_logic),
        "cells": dict(sorted(count.total(netlist.modules, netlist.top).items())),
        "versions": {"yosys": netlist.version},
        "seconds": {"yosys": round(netlist.seconds, 1)},
    }


def _mapped(folder: Path, scratch: Path, made: dict[str, Any], device: Device) -> tuple[Netlist, str]:
    """The netlist, in a frame of registers where the device has too few pins or wants them named, and what
    then stands before names."""
    for file in (*made["files"]["verilog"], *made["files"]["memories"]):
        (scratch / file).write_bytes((folder / file).read_bytes())
    top, sources, prefix = made["top"], list(made["files"]["verilog"]), ""
    into, out = (made[side]["tdata_bits"] for side in ("input", "output"))
    more = edge_ports(made)
    if pins.framed(device, into + out + 8 + sum(bits for *_, bits in more)):
        (scratch / "frame.v").write_text(pins.frame(top, into, out, more))
        top, sources, prefix = pins.FRAME, [*sources, "frame.v"], "core."
    return map_design(scratch, sources, top, device, apart=made["top"]), prefix


def _placed(netlist: Netlist, device: Device) -> dict[str, Any]:
    """What placement adds to a row; why there is none, where there is none."""
    try:
        placed = place(netlist, device, AIM)
    except (InputError, ToolError) as error:
        why = str(error).splitlines()[0]
        return {"fmax_mhz": None, "not_placed": why, "versions": {}, "seconds": {}}
    return {
        "fmax_mhz": placed.fmax_mhz,
        "slowest": placed.critical_path.get("layer", ""),
        "context": placed.context,
        "utilisation": placed.utilisation,
        "versions": {"nextpnr": placed.version},
        "seconds": {"nextpnr": round(placed.seconds, 1)},
    }


def _print(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    table = Table(title=f"{first['design']}: the same plain Verilog for all")
    for column in COLUMNS:
        left = column in ("device", "family", "foreign", "largest layers")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        largest = sorted(row["layers"], key=lambda layer: -layer["luts"])[:3]
        fmax = row.get("fmax_mhz")
        table.add_row(
            row["device"],
            row["family"],
            f"{row['cycles']:,}",
            *(f"{row[key]:,}" for key in ("luts", "ffs", "brams", "dsps")),
            ", ".join(row["foreign"]) or "none",
            f"{fmax:.1f}" if fmax else row["too_large"] or row.get("not_placed", "-")[:40],
            ", ".join(f"{layer['instance']} {layer['luts']:,}" for layer in largest),
            f"{sum(row['seconds'].values()):,.0f}",
        )
    Console(width=160).print(table)
