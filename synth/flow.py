"""The synthesis flow: a generated design in, a report of resources, timing and speed out."""

import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fermatnet.hw.compiler.interface import edge_ports, need_cells, read_interface
from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.model.errors import InputError
from fermatnet.synth import asic, count, liberty, pins
from fermatnet.synth.mapping import Netlist, map_design
from fermatnet.synth.place import Placed, place
from fermatnet.synth.watch import Progress

__all__ = ["block", "cells", "layers", "synthesise"]


def synthesise(
    directory: str | Path,
    device: str,
    *,
    liberty: str | Path | None = None,
    clock_mhz: float | None = None,
    place: bool = True,
    progress: Progress | None = None,
    detail: Progress | None = None,
) -> dict[str, Any]:
    """Synthesises the generated network (or stand-alone block) in ``directory`` for ``device`` and returns
    the report.

    Parameters
    ----------
    directory : path
        What ``fermatnet verilog`` wrote; left untouched.
    device : str
        A name of `fermatnet.hw.devices.DEVICES`.
    liberty : path or None
        Cell library, needed for ``asic`` and for nothing else.
    clock_mhz : float or None
        Clock that placement aims at (and that power is estimated for); the interface's when None.
    place : bool
        Place and route where the device has an open tool for it.
    progress : callable or None
        Called with a few words when a step begins.
    detail : callable or None
        Called with a few words while a step lasts: the pass of yosys, the iteration of the router.

    Report: ``device``, ``luts``, ``ffs``, ``brams``, ``dsps`` (for asic ``gates``, ``area``, ``delay_ns``,
    ``power_mw`` and what they mean), ``capacity``, ``layers`` (the same by instance, the rest as ``(top)``),
    ``in_logic`` (memories made of logic since the device has too few blocks, where there are such), and after
    placement ``fmax_mhz``, ``images_per_second`` at that clock, ``critical_path`` with the layer it lies in;
    ``versions``, ``seconds``.
    Raises InputError for an unknown device, a missing tool, a folder with cells of another family, and a
    design that does not fit.
    """
    directory, target = Path(directory), find_device(device)
    interface = read_interface(directory)
    need_cells(interface, target, directory)
    library = _library(target, liberty)
    clock = interface.get("clock_mhz", 100.0) if clock_mhz is None else clock_mhz
    started = time.monotonic()
    report: dict[str, Any] = {
        "device": device,
        "name": interface["name"],
        "top": interface["top"],
        "clock_mhz": clock,
    }
    with tempfile.TemporaryDirectory(prefix="fermatnet-synth-") as scratch:
        folder = Path(scratch)
        for name in (*interface["files"]["verilog"], *interface["files"]["memories"]):
            shutil.copyfile(directory / name, folder / name)
        if library is not None:
            report |= _asic(folder, interface, Path(str(liberty)), library, clock, progress)
        else:
            report |= _fpga(folder, interface, target, clock, place, progress, detail)
    report["cycles_per_image"], report["latency_cycles"] = (
        interface.get("cycles_per_image"),
        interface.get("latency_cycles"),
    )
    if report.get("fmax_mhz") and report["cycles_per_image"]:
        report["images_per_second"] = round(report["fmax_mhz"] * 1e6 / interface["cycles_per_image"], 2)
    report["seconds"] = {**report["seconds"], "total": round(time.monotonic() - started, 2)}
    return report


def cells(
    verilog: str | Path | Iterable[str | Path], top: str, device: str, *, flatten: bool = True
) -> dict[str, Any]:
    """Cell counts of a module after logic synthesis only: every cell type, and ``luts``, ``ffs``, ``brams``,
    ``dsps``.

    LUTs are counted as in `fermatnet.synth.count`: xc7 LUT1 to LUT6 cells once each; ECP5 LUT4 + 2 for a
    CCU2C. Memory files are taken from the folders of the Verilog files. ``flatten``: see
    `fermatnet.synth.mapping.map_design`. Raises InputError for a device that is no FPGA of the table, for
    files that are missing, and with yosys' own words where it refuses the Verilog.
    """
    target = _fpga_device(device)
    with tempfile.TemporaryDirectory(prefix="fermatnet-synth-") as scratch:
        netlist = map_design(Path(scratch), _gather(verilog, Path(scratch)), top, target, flatten=flatten)
        counts = count.total(netlist.modules, top)
    return {**dict(sorted(counts.items())), **count.resources(counts, target.family)}


def block(
    verilog: str | Path | Iterable[str | Path],
    top: str,
    device: str,
    *,
    clock_mhz: float = 200.0,
    flatten: bool = True,
) -> dict[str, Any]:
    """Resources, Fmax (MHz) and critical path of one module, placed and routed: what `synthesise` gives for a
    network. ``clock_mhz`` is what the router aims at. Raises InputError as `cells`, and for a device without
    an open place and route."""
    target = _fpga_device(device)
    with tempfile.TemporaryDirectory(prefix="fermatnet-synth-") as scratch:
        netlist = map_design(Path(scratch), _gather(verilog, Path(scratch)), top, target, flatten=flatten)
        resources = count.resources(count.total(netlist.modules, top), target.family)
        placed = place(netlist, target, clock_mhz)
    return {
        **resources,
        "fmax_mhz": placed.fmax_mhz,
        "critical_path": placed.critical_path,
        "context": placed.context,
    }


def _library(target: Device, path: str | Path | None) -> liberty.Library | None:
    if target.family != "asic":
        if path is not None:
            raise InputError(f"a Liberty file is for device asic, not for {target.name}")
        return None
    if path is None:
        raise InputError(
            "device asic needs a cell library: --liberty FILE (Debian's package qflow-tech-osu018 has one)"
        )
    return liberty.read(Path(path))


def _fpga_device(name: str) -> Device:
    target = find_device(name)
    if target.family == "asic":
        raise InputError("cells of a library are counted by synthesise(..., 'asic', liberty=FILE)")
    return target


def _gather(verilog: str | Path | Iterable[str | Path], scratch: Path) -> list[str]:
    """Copies Verilog files, and the memory files beside them, into ``scratch``; their names."""
    names = []
    for path in [Path(verilog)] if isinstance(verilog, str | Path) else [Path(entry) for entry in verilog]:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        for file in (path, *path.parent.glob("*.hex")):
            shutil.copyfile(file, scratch / file.name)
        names.append(path.name)
    return names


def _fpga(
    folder: Path,
    interface: dict[str, Any],
    target: Device,
    clock: float,
    placing: bool,
    progress: Progress | None,
    detail: Progress | None,
) -> dict[str, Any]:
    say = progress or (lambda words: None)
    top, sources, prefix = interface["top"], list(interface["files"]["verilog"]), ""
    into, out = (interface.get(side, {}).get("tdata_bits", 0) for side in ("input", "output"))
    if placing and into and pins.framed(target, into + out + 8):
        (folder / "frame.v").write_text(pins.frame(top, into, out, edge_ports(interface)))
        sources, prefix = [*sources, "frame.v"], "core."
    say(f"yosys: mapping {top} to {target.name} (the first call of a WebAssembly build takes a minute more)")
    netlist = map_design(folder, sources, pins.FRAME if prefix else top, target, apart=top, detail=detail)
    report = layers(netlist, target, prefix)
    if netlist.in_logic:
        report["in_logic"] = list(netlist.in_logic)
    report["versions"], report["seconds"] = {"yosys": netlist.version}, {"yosys": round(netlist.seconds, 2)}
    if target.luts:
        report["capacity"] = {resource: getattr(target, resource) for resource in count.RESOURCES}
        for resource, most in report["capacity"].items():
            if placing and report[resource] > most:
                raise InputError(
                    f"the design needs {report[resource]} {resource}, {target.name} has {most}; fold it "
                    "more (--cycles, --luts)"
                )
    if placing and target.place:
        say(f"nextpnr: placing and routing {report['luts']} LUTs on {target.name}")
        placed: Placed = place(netlist, target, clock, progress=progress, detail=detail)
        path = {key: _plain(value, prefix) for key, value in placed.critical_path.items()}
        report |= {
            "fmax_mhz": placed.fmax_mhz,
            "critical_path": path,
            "utilisation": placed.utilisation,
            "context": placed.context,
            "placement_seed": placed.seed,
        }
        report["versions"]["nextpnr"], report["seconds"]["nextpnr"] = placed.version, round(placed.seconds, 2)
        report["speed_grade"] = target.speed
    return report


def _plain(value: Any, prefix: str) -> Any:
    """Names without the frame's ``core.`` before them."""
    if isinstance(value, list):
        return [_plain(entry, prefix) for entry in value]
    return value.removeprefix(prefix) if isinstance(value, str) else value


def layers(netlist: Netlist, target: Device, prefix: str = "") -> dict[str, Any]:
    """Resources of a netlist, and as ``layers`` those of each instance under its top, named without
    ``prefix``; the rest is ``(top)``."""
    whole = count.resources(count.total(netlist.modules, netlist.top), target.family)
    rest, parts = dict(whole), []
    for instance, module in netlist.instances.items():
        part = count.resources(count.total(netlist.modules, module), target.family)
        parts.append({"instance": instance.removeprefix(prefix), **part})
        rest = {resource: count.whole(rest[resource] - part[resource]) for resource in rest}
    parts.sort(key=lambda layer: str(layer["instance"]))
    if any(rest.values()):
        parts.append({"instance": "(top)", **rest})
    return {**whole, "layers": parts}


def _asic(
    folder: Path,
    interface: dict[str, Any],
    path: Path,
    library: liberty.Library,
    clock: float,
    progress: Progress | None,
) -> dict[str, Any]:
    (folder / asic.LIBRARY).write_text(liberty.text_of(path))
    if progress is not None:
        progress(f"yosys: mapping {interface['top']} to {library.name}")
    top = interface["top"]
    mapped = asic.map_cells(
        folder, interface["files"]["verilog"], top, apart=top, avoid=liberty.avoided(library)
    )
    modules, memories = mapped["modules"], mapped["memories"]

    def priced(module: str) -> dict[str, Any]:
        return asic.estimate(modules, module, library, clock) | asic.memory_bits(modules, memories, module)

    whole = priced(top)
    layers = [
        {"instance": instance, **priced(module)} for instance, module in sorted(mapped["instances"].items())
    ]
    return {
        **whole,
        "layers": layers,
        "delay_ns": round(asic.delay_ns(mapped["flat"], library), 3),
        "library": library.name,
        "voltage": library.voltage,
        "meaning": {
            "area": "sum of cell areas in the library's units, no wires; memories of more than "
            f"{asic.WORDS} words are not in it: rom_bits and ram_bits count them",
            "delay_ns": "clock to output and logic of the longest path by the library's tables, "
            "loaded by the driven pins; no wires, no set-up time",
            "power_mw": f"leakage + C V^2 f / 2 of input pins at {clock:g} MHz, "
            f"{asic.ACTIVITY} changes a cycle assumed: an estimate to rank by",
        },
        "versions": {"yosys": mapped["version"]},
        "seconds": {"yosys": round(mapped["seconds"], 2)},
    }
