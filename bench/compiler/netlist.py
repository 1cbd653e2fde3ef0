"""Netlists simulated: what yosys made of whole networks, against the reference, and with faults put in.

``fermatnet bench netlist`` generates each design, maps it to cells of its device, and streams 20 images
through the netlist under random stalls on both sides; every output must be the reference's. Then it does so
again with one fault at a time: a bit of a look-up table, a bit of a block memory's contents, two wires
exchanged. Some faults cannot be seen (a bit of a table for inputs that never come together), so the rows say
how many of each kind were found, and of each that was not whether the faulty cell ever gave anything else
than the whole one.

``--models`` is a folder with ``digits.onnx`` and ``digits-small.onnx``, trained where they are missing;
``--only`` takes the designs whose name holds a word; rows are kept as they come (``--results``).
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.bench.compiler.clock import tfc
from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.samples.calibrated import calibrated
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.devices import device as find_device
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference
from fermatnet.model.result_log import ResultLog, design_digest
from fermatnet.sim.network import compare, simulate
from fermatnet.sim.runner import SimulationError
from fermatnet.synth import count
from fermatnet.synth.netlist import mutants
from fermatnet.synth.netlist.design import circuit_of, put

__all__ = ["DESIGNS", "run"]

IMAGES, STALLS, MUTANTS = 20, 7, 3

Make = Callable[[Path | None], Network]


def _block(models: Path | None) -> Network:
    """A stem, one residual block of two piecewise convolutions with its addition, a head."""
    return _set_on_noise(pa_resnet((3, 8, 8), (8,), (1,), classes=5, seed=2))


def _wide_block(models: Path | None) -> Network:
    """The same on larger images, so that its queues take block memory where tables are deep."""
    return _set_on_noise(pa_resnet((3, 16, 16), (16,), (1,), classes=5, seed=2))


def _set_on_noise(net: Network) -> Network:
    """The network with thresholds and scales for random pixels, as the bench streams them."""
    images = np.random.default_rng(0).integers(0, 256, (64, *net.input_shape)).astype(np.uint8)
    return calibrated(net, images)


def _small_block(models: Path | None) -> Network:
    """The same for the smallest device."""
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


DESIGNS: dict[str, tuple[Make, str, int]] = {
    "residual block, ecp5": (_block, "ecp5-85k", 2048),
    "TFC, xc7": (tfc, "xc7z020", 3136),
    "digits, ecp5": (lambda models: network("digits", models), "ecp5-85k", 4608),
    "residual block, ice40": (_small_block, "ice40-up5k", 600),
    "TFC, ecp5": (tfc, "ecp5-85k", 3136),
    "residual block, xc7": (_wide_block, "xc7z020", 8192),
    "TFC, ice40": (tfc, "ice40-up5k", 3136),
    "digits, xc7": (lambda models: network("digits", models), "xc7z020", 4608),
    "digits-small, ice40": (lambda models: network("digits-small", models), "ice40-up5k", 9216),
}
"""Design: network, device, cycles an image."""


@bench
def run(asked: Asked, *, seed: int = 1) -> list[dict[str, Any]]:
    """Simulates the designs whose name holds ``only`` (``quick``: the first of them) as netlists, without and
    with faults drawn from ``seed``; prints the table and gives its rows back."""
    rows = []
    for name in asked.holding(DESIGNS):
        print(f"{name} ...", flush=True)
        rows.append(_row(name, asked.folder, asked.log, seed))
        print(json.dumps({key: rows[-1][key] for key in ("equal", "faults", "missed")}), flush=True)
    _print(rows)
    asked.write(rows)
    return rows


def _row(name: str, models: Path | None, log: ResultLog, seed: int) -> dict[str, Any]:
    make, device, cycles = DESIGNS[name]
    net = make(models)
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch)
        interface = generate(net, folder / "hw", cycles=cycles, device=device)
        key = design_digest(folder / "hw")
        return log.row(
            f"netlist/{name}/{seed}/{key}",
            lambda: {"design": name, **_measured(net, interface, folder, seed)},
        )


def _measured(net: Network, interface: dict[str, Any], folder: Path, seed: int) -> dict[str, Any]:
    target = find_device(interface["device"])
    (folder / "map").mkdir()
    circuit = circuit_of(folder / "hw", interface, target, folder / "map")
    counts = Counter(cell["type"] for _, cell in circuit.cells())
    faults = mutants.draw(circuit, MUTANTS, seed)
    put(mutants.with_mutants(circuit, faults), folder / "hw", folder / "netlist", [mutants.CHOICE])
    pixels = net.types["image"]
    images = np.random.default_rng(seed).integers(pixels.lo, pixels.hi + 1, (IMAGES, *pixels.shape))
    images = images.astype(np.uint8)
    wanted = reference(net, images)
    outcomes = [_outcome(folder / "netlist", images, wanted, number) for number in range(len(faults) + 1)]
    missed = [
        f"{fault.words}: {_excited(folder / 'netlist', images, number)}"
        for number, (fault, outcome) in enumerate(zip(faults, outcomes[1:], strict=True), 1)
        if not outcome
    ]
    found = {
        kind: [sum(1 for _, outcome in pairs if outcome), len(pairs)]
        for kind in mutants.KINDS
        if (pairs := [p for p in zip(faults, outcomes[1:], strict=True) if p[0].kind == kind])
    }
    return {
        "device": interface["device"],
        "cycles": interface["cycles_per_image"],
        "cells": dict(counts.most_common()),
        **count.resources(counts, target.family),
        "images": IMAGES,
        "stalls": STALLS,
        "equal": not outcomes[0],
        "difference": outcomes[0],
        "faults": found,
        "missed": missed,
        "seen": [f"{fault.words}: {out}" for fault, out in zip(faults, outcomes[1:], strict=True) if out],
    }


def _outcome(folder: Path, images: Any, wanted: Any, number: int) -> str:
    """How the netlist with that fault differs from the reference; empty where it does not."""
    mutants.choose(folder, number)
    try:
        difference = compare(simulate(folder, images, stalls=STALLS), wanted)
    except SimulationError as error:
        return str(error)
    return "" if difference is None else str(difference)


def _excited(folder: Path, images: Any, number: int) -> str:
    """Whether the cell with that fault, which no output tells, ever differs from the whole one."""
    mutants.choose(folder, number, trap=True)
    try:
        simulate(folder, images, stalls=STALLS)
    except SimulationError:
        return "the cell differs, no output does"
    return "the cell never differs"


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Netlists, {IMAGES} images each under random stalls")
    for column in ("design", "device", "LUT", "FF", "BRAM", "DSP", "equal", "table", "memory", "wire"):
        table.add_column(column, justify="left" if column in ("design", "device") else "right")
    for row in rows:
        numbers = (f"{row[key]:,}" for key in ("luts", "ffs", "brams", "dsps"))
        found = (
            "{} of {}".format(*row["faults"][kind]) if kind in row["faults"] else "-"
            for kind in mutants.KINDS
        )
        table.add_row(row["design"], row["device"], *numbers, "yes" if row["equal"] else "NO", *found)
    Console(width=140).print(table)
