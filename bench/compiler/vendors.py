"""One plain Verilog folder through the mappers of seven families, placed where pip has a place and route.

``fermatnet bench vendors`` generates the network of the demo once, without a cell of any vendor, and maps the
same files for a device of each family: cells by layer, and the names of cells that are not the family's own
(there must be none). Rows are kept as they come (``--results``), and found again by their Verilog; ``--only``
takes one device, ``--quick`` a small residual network in the demo's place (seconds instead of minutes a
step), ``--models`` is a folder with ``digits.onnx``.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.interface import edge_ports
from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.result_log import design_digest
from fermatnet.synth import count, pins
from fermatnet.synth.flow import layers
from fermatnet.synth.mapping import Netlist, map_design
from fermatnet.synth.place import place
from fermatnet.synth.tools import ToolError
from fermatnet.synth.wheels import yosys

__all__ = ["CYCLES", "LIBRARIES", "foreign", "run"]

CYCLES = 18_432  # an image: the network of the demo then fits the smallest of the devices
QUICK_CYCLES = 600
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
COLUMNS = ("device", "family", "LUT", "FF", "BRAM", "DSP", "foreign", "Fmax", "largest layers", "seconds")


def foreign(cells: set[str], device: str) -> list[str]:
    """Those of ``cells`` that the family of ``device`` does not define."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        yosys(f"read_verilog -lib {LIBRARIES[device]}; tee -q -o cells.txt ls =*", Path(scratch))
        known = {
            line.strip().removeprefix("\\") for line in (Path(scratch) / "cells.txt").read_text().splitlines()
        }
    return sorted(cells - known)


def run(
    *,
    json_path: Path | None = None,
    models: str | None = None,
    results: str | None = None,
    only: str | None = None,
    quick: bool | None = None,
) -> list[dict[str, Any]]:
    """Maps and places for each device, prints the table and gives its rows back."""
    names = [name for name in LIBRARIES if only is None or only == name]
    if not names:
        raise InputError(f"no device of this bench is called {only!r}; there are {', '.join(LIBRARIES)}")
    kept, rows = _Kept(None if results is None else Path(results)), []
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / "out"
        net, cycles = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4), QUICK_CYCLES
        if not quick:
            net, cycles = network("digits", None if models is None else Path(models)), CYCLES
        made = generate(net, folder, cycles=cycles, target="plain")
        digest = design_digest(folder)
        for name in names:
            print(f"{name} ...", flush=True)
            row = _row(name, folder, made, digest, kept)
            more = {"design": "small" if quick else "digits", "foreign": foreign(set(row["cells"]), name)}
            rows.append({**row, **more})
    _print(rows)
    if json_path is not None:
        with atomic_file(json_path) as temporary:
            temporary.write_text(json.dumps(rows, indent=2) + "\n")
    return rows


class _Kept:
    """Rows by files and device, the last one of each, in a file of lines where there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.is_file() else []
        rows = [json.loads(line) for line in lines if line]
        self.known = {(row["verilog_sha256"], row["device"]): row for row in rows}

    def keep(self, row: dict[str, Any]) -> None:
        self.known[row["verilog_sha256"], row["device"]] = row
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def _row(name: str, folder: Path, made: dict[str, Any], digest: str, kept: _Kept) -> dict[str, Any]:
    device = find_device(name)
    row = kept.known.get((digest, name))
    if row is not None and (not device.place or "fmax_mhz" in row):
        return row
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        netlist, prefix = _mapped(folder, Path(scratch), made, device)
        cells = count.total(netlist.modules, netlist.top)
        row = {
            "device": name,
            "family": device.family,
            "cycles": made["cycles_per_image"],
            **layers(netlist, device, prefix),
            "cells": dict(sorted(cells.items())),
            "versions": {"yosys": netlist.version},
            "seconds": {"yosys": round(netlist.seconds, 1)},
            "verilog_sha256": digest,
        }
        kept.keep(row)
        if device.place:
            kept.keep(row := row | _placed(netlist, device, row))
    return row


def _mapped(folder: Path, scratch: Path, made: dict[str, Any], device: Device) -> tuple[Netlist, str]:
    """The netlist, in a frame of registers where the device has too few pins, and what then stands before
    names."""
    for file in (*made["files"]["verilog"], *made["files"]["memories"]):
        (scratch / file).write_bytes((folder / file).read_bytes())
    top, sources, prefix = made["top"], list(made["files"]["verilog"]), ""
    into, out = (made[side]["tdata_bits"] for side in ("input", "output"))
    more = edge_ports(made)
    if device.place and into + out + 8 + sum(bits for *_, bits in more) > device.pins:
        (scratch / "frame.v").write_text(pins.frame(top, into, out, more))
        top, sources, prefix = pins.FRAME, [*sources, "frame.v"], "core."
    return map_design(scratch, sources, top, device, apart=made["top"]), prefix


def _placed(netlist: Netlist, device: Device, row: dict[str, Any]) -> dict[str, Any]:
    """What placement adds to a row; why there is none, where there is none."""
    try:
        placed = place(netlist, device, AIM)
    except (InputError, ToolError) as error:
        return {"fmax_mhz": None, "not_placed": str(error).splitlines()[0]}
    return {
        "fmax_mhz": placed.fmax_mhz,
        "slowest": placed.critical_path.get("layer", ""),
        "context": placed.context,
        "utilisation": placed.utilisation,
        "versions": {**row["versions"], "nextpnr": placed.version},
        "seconds": {**row["seconds"], "nextpnr": round(placed.seconds, 1)},
    }


def _print(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    table = Table(title=f"{first['design']}, {first['cycles']:,} cycles an image: the same plain Verilog")
    for column in COLUMNS:
        left = column in ("device", "family", "foreign", "largest layers")
        table.add_column(column, justify="left" if left else "right")
    for row in rows:
        largest = sorted(row["layers"], key=lambda layer: -layer["luts"])[:3]
        fmax = row.get("fmax_mhz")
        table.add_row(
            row["device"],
            row["family"],
            *(f"{row[key]:,}" for key in ("luts", "ffs", "brams", "dsps")),
            ", ".join(row["foreign"]) or "none",
            f"{fmax:.1f}" if fmax else row.get("not_placed", "-")[:40],
            ", ".join(f"{layer['instance']} {layer['luts']:,}" for layer in largest),
            f"{sum(row['seconds'].values()):,.0f}",
        )
    Console(width=160).print(table)
