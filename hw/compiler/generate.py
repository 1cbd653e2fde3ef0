"""The network compiler: from a network to the folder of files that compute it."""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.hw.compiler.budget import plan_within
from fermatnet.hw.compiler.describe import add_resources, interface
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.fusesoc import core_file, waivers
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import TOP, Top
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.layers import Fold
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.resources import Resources, is_predicted
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.collection import uncollected
from fermatnet.hw.rtl.identifier import check_name
from fermatnet.hw.rtl.reloadable import load_words
from fermatnet.hw.rtl.split import by_layer
from fermatnet.hw.stream.options import StreamOptions
from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.network import Network
from fermatnet.model.outputs import check_directory

__all__ = ["DEVICE", "TARGETS", "VENDOR_CELLS", "build", "generate", "load_burst", "weight_words"]

_RELOADABLE = {  # what a load needs to know of the design
    "layers": [{"name": str, "pe": SIZE, "simd": SIZE}],
    "external": [{"layer": str}],
    "device": str,
    "clock_mhz": float,
    "stream": dict,
    "reload": {"bounds": dict, "structure_sha256": str},
}


VENDOR_CELLS = {"ecp5": ("CCU2C", "MULT18X18D", "DP16KD")}
"""By family: cells that generated Verilog may hold by name, for compressors, products and weights."""
DEVICE = "ecp5-85k"
"""The device that layers are built and priced for where none is named."""
TARGETS = ("auto", "plain", *VENDOR_CELLS)
"""What Verilog can be written for."""


def build(net: Network, folds: Mapping[str, Fold] | None = None, *, cycles: int | None = None) -> Top:
    """The top-level component for ``folds`` by hand, layer by layer, or for a number of ``cycles`` an image.

    It has the AXI4-Stream ports of `generate`; ``design`` tells latency and cycles. Raises InputError for a
    layer or a fold that does not exist, and for cycles that no fold reaches.
    """
    return Top(plan(net, folds=folds, cycles=cycles))


def _cycles_wanted(fps: float | None, cycles: int | None, luts: float | None, clock_mhz: float) -> int | None:
    if sum(goal is not None for goal in (fps, cycles, luts)) > 1:
        raise InputError("give only one of fps, cycles and luts")
    goals = {"fps": fps, "cycles": cycles, "luts": luts, "clock_mhz": clock_mhz}
    for name, value in goals.items():
        real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if value is not None and not (real and math.isfinite(value)):
            raise InputError(f"{name} must be a finite number, not {value!r}")
    if cycles is not None and cycles != int(cycles):
        raise InputError(f"cycles must be a whole number, not {cycles!r}")
    if clock_mhz <= 0:
        raise InputError(f"the clock must be above 0 MHz, not {clock_mhz}")
    if fps is not None:
        if fps <= 0:
            raise InputError(f"images per second must be above 0, not {fps}")
        return int(clock_mhz * 1e6 / fps)
    if cycles is not None and cycles < 1:
        raise InputError(f"cycles must be at least 1, not {cycles}")
    return None if cycles is None else int(cycles)


@uncollected()
def generate(
    net: Network,
    out_dir: str | Path,
    *,
    fps: float | None = None,
    cycles: int | None = None,
    luts: float | None = None,
    clock_mhz: float = 100.0,
    dsps: int | None = None,
    device: str | None = None,
    force: bool = False,
    folds: Mapping[str, Fold] | None = None,
    external: Collection[str] | str = "auto",
    reloadable: bool = False,
    resources: bool = False,
    name: str = TOP,
    tlast: str = "check",
    frame_buffer: bool = False,
    tdata_width: str | int = "auto",
    tkeep: bool = False,
    target: str = "auto",
    per_layer: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Writes NAME.v, its memories NAME_*.hex, NAME.core, NAME.vlt and interface.json; returns the interface.

    Parameters
    ----------
    net : of `fermatnet.load`, or of an export or import
    out_dir : folder to write; it appears whole or not at all
    fps, cycles, luts : at most one goal: images a second at ``clock_mhz``, cycles an image, or LUTs; without
    one the fastest design predicted to take half the device
    clock_mhz : clock that the design is meant for, a goal that its blocks are pipelined for
    dsps : hard multipliers that the design is predicted to take at most (families ecp5 and xc7); beyond them
    arrays multiply in tables
    device : its name; its family decides how layers are built and priced. None: plain Verilog for any vendor,
    built and priced as for `DEVICE`
    force : replace a folder that is not empty
    folds : parallelism of layers by name, in the place of a goal
    external : layers whose weights come through ports, or "auto": those that do not fit the device
    reloadable : add a port that loads other weights at run time
    resources : say in the interface what each layer is predicted to take (seconds for a large network)
    name : of the top module; begins the name of every module and memory file, so that designs of different
    names live in one project
    tlast, frame_buffer, tdata_width, tkeep : those of `fermatnet.hw.stream.options.StreamOptions`
    target : "plain", Verilog that any tool of any vendor takes; a family of `VENDOR_CELLS`, whose cells are
    then in it by name; "auto": the named device's family where it is one of these, else plain
    per_layer : a file NAME_<instance>.v for the modules of each layer, beside NAME.v for the others
    progress : told each step

    With weights from outside there is also ``NAME_w_<instance>.hex``, what each weight port has to bring over
    and over; with ``reloadable`` also ``NAME_load.hex``, the burst that loads them. With ``luts`` the
    prediction is within them where the device's family is predicted and the design is not reloadable, else a
    formula decides. The same network and options give the same bytes.

    The interface says ``cycles_per_image`` and ``latency_cycles``, the ports, and a line a layer. Raises
    InputError, before anything is written, for goals that cannot be met (with the nearest that can), folds
    that do not divide, layers that cannot be generated and unknown devices.
    """
    check_name(name)
    target, device = _target(target, device), device or DEVICE
    options = StreamOptions(tlast, frame_buffer, tdata_width, tkeep)
    wanted = _cycles_wanted(fps, cycles, luts, clock_mhz)
    if resources:
        resources_layers.check(device, reloadable)
    check_directory(out_dir, force=force)
    say = progress or (lambda words: None)
    say("choosing how parallel each layer becomes")
    known: dict[Any, Resources] = {}
    given: dict[str, Any] = {"external": external, "clock_mhz": clock_mhz, "dsps": dsps}
    given["plain"] = target == "plain"
    if luts is not None and not reloadable and is_predicted(device):
        resources = True
        design = plan_within(net, luts, device, progress=say, known=known, **given)
    else:
        goal: dict[str, Any] = {"cycles": wanted, "luts": luts, "folds": folds}
        design = plan(net, device=device, reloadable=reloadable, **goal, **given)
    design = replace(design, options=options)
    with atomic_directory(out_dir, force=force) as folder:
        say(f"building {len(net.nodes)} layers and their Verilog")
        top = Top(design)
        emitted = verilog.emit(top, name, folder, vendor=target != "plain")
        description = interface(
            design, net.meta.get("name", "network"), list(emitted.memories), clock_mhz, device, top=name
        )
        used = [cell for cell in VENDOR_CELLS.get(target, ()) if f" {cell} " in emitted.verilog]
        description |= {"target": target, "vendor_cells": used}
        if per_layer:
            _write_by_layer(folder, emitted, description)
        _write_weights(folder, top, emitted, description)
        if resources:
            say("predicting the resources of the layers")
            add_resources(description, design, device, known=known)
        (folder / "interface.json").write_text(json.dumps(description, indent=2) + "\n")
        (folder / f"{name}.core").write_text(core_file(description))
        (folder / f"{name}.vlt").write_text(waivers())
    return description


def _write_by_layer(folder: Path, emitted: verilog.Emitted, description: dict[str, Any]) -> None:
    """A file for each layer in the place of one for all; ``description`` then names them."""
    layers = [layer["instance"] for layer in description["layers"]]
    files = by_layer(emitted.verilog, emitted.name, layers)
    description["files"]["verilog"] = list(files)
    for file, text in files.items():
        (folder / file).write_text(text)


def _write_weights(folder: Path, top: Top, emitted: verilog.Emitted, description: dict[str, Any]) -> None:
    """What the weight ports bring, and the burst of a reloadable design; ``description`` then has its length
    and the digest of the structure that it is for."""
    for port in description["external"]:
        (folder / port["file"]).write_text(_hex(weight_words(top.design, port["layer"]), port["width"]))
    if top.loader:
        burst = load_words(top.loader.layout)
        (folder / description["reload"]["file"]).write_text(_hex(burst, 32))
        description["reload"] |= {"words": len(burst), "structure_sha256": _structure(emitted)}


def _structure(emitted: verilog.Emitted) -> str:
    """SHA-256 of all that loads of weights leave as it is."""
    return hashlib.sha256(emitted.verilog.encode()).hexdigest()


def _target(wanted: str, device: str | None) -> str:
    """The family whose cells are used, or "plain"; InputError for a family that has none here, or another
    one than the device's."""
    family = find_device(device or DEVICE).family
    if wanted == "auto":
        return family if device is not None and family in VENDOR_CELLS else "plain"
    if wanted != "plain" and wanted not in VENDOR_CELLS:
        raise InputError(f"target must be one of {', '.join(TARGETS)}, not {wanted!r}")
    if wanted not in ("plain", family):
        raise InputError(f"target {wanted} has cells that {device} has not: name a device of the family")
    return wanted


def _hex(words: list[int], width: int) -> str:
    return "".join(f"{word:0{-(-width // 4)}x}\n" for word in words)


def weight_words(design: Design, name: str) -> list[int]:
    """What the weight port of a layer has to bring for one output pixel, over and over: unsigned words, each
    as wide as the port's tdata has bits in use.

    ``name`` is a layer of ``design.external``; whether it can be one, `generate` has said by InputError.
    """
    return array_of(design.components[name]).array.words()


def load_burst(net: Network, directory: str | Path) -> list[int]:
    """The 32-bit words that load ``net`` into a reloadable design generated for another set of weights.

    Raises InputError, naming the layer where it can, when the network has another structure or goes beyond
    the design's bounds.
    """
    description = read_interface(Path(directory), "network")
    if "reload" not in description:
        raise InputError(f"{directory} holds no reloadable design")
    validate(description, _RELOADABLE, Path(directory) / "interface.json")
    reload = description["reload"]
    folds = {layer["name"]: Fold(layer["pe"], layer["simd"]) for layer in description["layers"]}
    if [node.name for node in net.nodes] != list(folds):
        raise InputError("the network's layers are not those of the design")
    external = [port["layer"] for port in description["external"]] or "none"
    plain = description.get("target") == "plain"
    design = plan(
        net,
        folds=folds,
        device=description["device"],
        external=external,
        reloadable=True,
        bounds=reload["bounds"],
        clock_mhz=description["clock_mhz"],
        plain=plain,
    )
    chosen = description["stream"]
    options = StreamOptions(*(chosen[key] for key in ("tlast", "frame_buffer", "tdata_width", "tkeep")))
    top = Top(replace(design, options=options))
    if _structure(verilog.emit(top, description["top"], vendor=not plain)) != reload["structure_sha256"]:
        raise InputError(
            "the network has another structure than the design: shapes, levels, scales or clip ranges differ"
        )
    assert top.loader
    return load_words(top.loader.layout)
