"""The small blocks of every design, each proved equal to its netlist for each family, and faults that are
refused.

``python -m fermatnet.synth.proofs.netlists.blocks --results FILE.jsonl`` proves all of them in some minutes.
Multipliers are narrow, because a solver cannot compare wide ones; queues hold a power of two, because a
counter that never reaches some of its values could stand there in a state in which nothing is promised.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import wiring

from fermatnet.hw.devices import device as find_device
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.shift import Rotator, Sqrt2
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.dot import Dot
from fermatnet.hw.piecewise.forms import forms_of
from fermatnet.hw.piecewise.scale import AffineUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.verilog import emit
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.requantize import RequantizeUnit
from fermatnet.hw.stream.sorter import TopK
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.network.nodes import Requantize
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth.netlist.models import models as names_of
from fermatnet.synth.netlist.models import text
from fermatnet.synth.proofs.netlists.correspondence import equal
from fermatnet.synth.proofs.netlists.miter import pair

__all__ = ["BLOCKS", "DEVICES", "FAULTS", "proved", "run"]

DEVICES = ("ecp5-85k", "xc7a35t", "ice40-up5k")

Make = Callable[[str], wiring.Component]


def _target(device: str) -> str:
    return {"ecp5": "ecp5", "xc7": "lut6"}.get(find_device(device).family, "generic")


def _thresholds(form: str) -> wiring.Component:
    rows = np.sort(np.random.default_rng(3).integers(-30, 30, (4, 3)), axis=1)
    return ThresholdUnit(rows, np.array([1, -1, 1, 1]), signed(6), lanes=1, form=form, interval=3)


def _requantizer() -> wiring.Component:
    rng = np.random.default_rng(1)
    node = Requantize(
        "y",
        ("image",),
        rng.integers(-12, 12, 4),
        rng.integers(-60, 60, 4),
        3,
        np.array([1, 0, 2, 0]),
        -3,
        -10,
        12,
        rng.integers(-15, 15, (4, 1)),
        rng.integers(-1, 2, (4, 1)),
    )
    return RequantizeUnit(node, signed(5), signed(5), lanes=1)


def _piecewise(device: str) -> wiring.Component:
    form = forms_of([-5, -2, 0, 2, 5], [0, 1, 2, 3])["one-hot"]
    return Dot(form, 3, 8, target=_target(device), pipeline=1)


def _affine(device: str) -> wiring.Component:
    rng = np.random.default_rng(5)
    clock = Clock(100, _target(device)) if _target(device) != "generic" else None
    factors = rng.integers(-15, 16, 4), rng.integers(-40, 40, 4)
    return AffineUnit(*factors, 2, -16, 15, signed(6), lanes=1, clock=clock)


BLOCKS: dict[str, Make] = {
    "popcount of 24": lambda device: Popcount(24, target=_target(device)),
    "popcount of 24, XNOR, a register": lambda device: Popcount(
        24, target=_target(device), gate="xnor", pipeline=1
    ),
    "butterfly, b = 16": lambda device: Butterfly(16, latency=2),
    "butterfly, b = 8, prefix": lambda device: Butterfly(8, latency=2, form="prefix"),
    "rotator, b = 16": lambda device: Rotator(16, latency=1),
    "sqrt(2), b = 16": lambda device: Sqrt2(16, latency=2),
    "queue of 8": lambda device: Fifo(4, 8),
    "queue of 32": lambda device: Fifo(3, 32, deep=False),
    "comparators in parallel": lambda device: _thresholds("parallel"),
    "thresholds by search": lambda device: _thresholds("search"),
    "thresholds, serial": lambda device: _thresholds("serial"),
    "requantiser": lambda device: _requantizer(),
    "affine unit": _affine,
    "piecewise array": _piecewise,
    "sorter": lambda device: TopK(signed(5), 4, 2),
    "width converter": lambda device: WidthConverter(signed(3), 1, 4, 8),
}
"""Block: what makes it for a device."""

FAULTS = ("table", "wire")


def proved(name: str, device: str, fault: str = "", seed: int = 0) -> dict[str, Any]:
    """One row: whether the block is proved equal to its netlist (True, False: refuted, None: neither), with a
    fault of that kind in the netlist if one is named."""
    started = time.process_time()
    made = pair(BLOCKS[name](device), device, fault, seed)
    verdict, words = equal(made.graph, seed, made.quiet)
    return {
        "block": name,
        "device": device,
        "fault": fault,
        "proved": verdict,
        "as_expected": verdict is True if not fault else verdict is not True,
        "how": words,
        "gates": len(made.graph.gates),
        "cells": made.cells,
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def run(
    *,
    json_path: Path | None = None,
    results: str | Path | None = None,
    only: str | None = None,
    quick: bool | None = None,
) -> list[dict[str, Any]]:
    """Proves the blocks whose name or device holds ``only`` and refuses faults (``quick``: without faults);
    prints a line each and gives the rows back."""
    log, rows = ResultLog(results), []
    for name in BLOCKS:
        for device in DEVICES:
            if only is not None and only not in f"{name} {device}":
                continue
            for fault in ("",) if quick else ("", *FAULTS):
                key = f"proof/netlist/{name}/{device}/{fault}/{_digest(name, device)}"
                rows.append(log.row(key, partial(proved, name, device, fault)))
                print(_words(rows[-1]), flush=True)
    print(f"{len(rows)} claims, {sum(row['as_expected'] for row in rows)} as expected")
    if json_path is not None:
        Path(json_path).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def _digest(name: str, device: str) -> str:
    """Of what a claim is about: the block and the models of the cells."""
    family = find_device(device).family
    models = text(family, names_of(family))
    return digest(emit(BLOCKS[name](device), "block").verilog + models)


def _words(row: dict[str, Any]) -> str:
    verdict = {True: "proved", False: "refuted", None: "not proved"}[row["proved"]]
    fault = f" with a fault ({row['fault']})" if row["fault"] else ""
    note = "" if row["as_expected"] else "   <-- NOT EXPECTED"
    what = f"{row['block']}, {row['device']}{fault}: {row['how']}{note}"
    return f"{verdict:10} {row['cpu_seconds']:7.2f} s  {what}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Proofs that netlists of small blocks are the blocks.")
    parser.add_argument("--results", help="JSONL file that keeps each row")
    parser.add_argument("--only", help="blocks or devices whose name holds this")
    parser.add_argument("--quick", action="store_true", help="without faults")
    parsed = parser.parse_args()
    run(results=parsed.results, only=parsed.only, quick=parsed.quick)
