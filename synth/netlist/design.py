"""From a generated folder to the same folder with a netlist in the place of its Verilog."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fermatnet.hw.compiler.interface import need_cells, read_interface
from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.synth.mapping import NETLIST, map_design
from fermatnet.synth.netlist import models
from fermatnet.synth.netlist.verilog import Circuit, read
from fermatnet.synth.watch import Progress

__all__ = ["CELLS", "NETS", "circuit_of", "netlist_design", "put"]

NETS, CELLS = "netlist.v", "cells.v"


def netlist_design(
    directory: Path,
    out: Path,
    device: str,
    *,
    progress: Progress | None = None,
    detail: Progress | None = None,
) -> Circuit:
    """Maps the design in ``directory`` to cells of ``device`` by the flow of `fermatnet.synth.flow`, and
    writes to the new folder ``out`` what simulates like it: interface, netlist and models of the cells.

    Raises InputError for a device whose family has no models, for a folder with cells of another family, for
    cells without a model, and with yosys' own words where it refuses the design. Contents of memories stand
    in the netlist: ``out`` has no memory files.
    """
    interface = read_interface(directory, "network")
    target = find_device(device)
    need_cells(interface, target, directory)
    models.models(target.family)  # refused before yosys takes its minutes
    if progress is not None:
        progress(f"yosys: mapping {interface['top']} to {device}")
    with tempfile.TemporaryDirectory(prefix="fermatnet-netlist-") as scratch:
        circuit = circuit_of(directory, interface, target, Path(scratch), detail)
    put(circuit, directory, out)
    return circuit


def circuit_of(
    directory: Path, interface: dict, target: Device, scratch: Path, detail: Progress | None = None
) -> Circuit:
    """The netlist of a generated folder, made in ``scratch``, each layer kept apart."""
    sources, top = interface["files"]["verilog"], interface["top"]
    for name in (*sources, *interface["files"]["memories"]):
        shutil.copyfile(directory / name, scratch / name)
    map_design(scratch, sources, top, target, apart=top, detail=detail)
    return read(scratch / NETLIST, top, target.family)


def put(circuit: Circuit, directory: Path, out: Path, memories: Sequence[str] = ()) -> None:
    """Writes ``out``: the generated folder ``directory`` with ``circuit`` in the place of its Verilog.
    ``memories``: files that it reads, put there by the caller."""
    interface = json.loads((directory / "interface.json").read_text())
    replaced = {*interface["files"]["verilog"], *interface["files"]["memories"]}
    out.mkdir(parents=True)
    for path in directory.iterdir():
        if path.is_file() and path.name not in replaced:
            shutil.copyfile(path, out / path.name)
    (out / NETS).write_text(circuit.verilog())
    (out / CELLS).write_text(models.text(circuit.family, circuit.kinds))
    interface["files"] |= {"verilog": [NETS, CELLS], "memories": list(memories)}
    (out / "interface.json").write_text(json.dumps(interface, indent=2) + "\n")
