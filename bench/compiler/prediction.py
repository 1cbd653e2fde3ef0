"""Predicted against synthesised resources, layer by layer, on layers that were not used to fit the
prediction.

``fermatnet bench resources`` prints a table for each family and writes JSON. With ``--json FILE`` each
synthesis is kept in FILE.jsonl with a hash of its Verilog, and not done again while the Verilog is the same.
"""

import hashlib
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from fermatnet.bench.compiler.prediction_layers import Case, cases
from fermatnet.hw.resources import predict
from fermatnet.hw.rtl import verilog
from fermatnet.model.atomic import atomic_file
from fermatnet.synth import flow

__all__ = ["error", "rows", "run", "summary"]

FAMILIES = {"xc7": "xc7", "ecp5-85k": "ecp5"}
RESOURCES = ("luts", "ffs", "brams", "dsps")


class _Kept:
    """Results of syntheses in a file of lines, by device, layer and Verilog."""

    def __init__(self, path: Path | None):
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.known = {(row["device"], row["name"], row["sha"]): row for row in map(json.loads, lines)}

    def synthesised(self, case: Case, device: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="fermatnet-resources-") as scratch:
            made = verilog.emit(case.component(device), "block", Path(scratch))
            key = (
                device,
                case.name,
                hashlib.sha256((made.verilog + repr(made.memories)).encode()).hexdigest()[:16],
            )
            if key not in self.known:
                found = flow.cells(Path(scratch) / "block.v", "block", device)
                self.known[key] = dict(zip(("device", "name", "sha"), key, strict=True)) | found
                if self.path is not None:
                    with self.path.open("a") as file:
                        file.write(json.dumps(self.known[key]) + "\n")
        return self.known[key]


def error(predicted: float, real: float) -> float:
    """Relative error; below one unit the difference itself."""
    return abs(predicted - real) / max(1.0, real)


def rows(device: str, kept: Path | None = None) -> list[dict[str, Any]]:
    """One row a layer: for each resource predicted and real, and the relative error of LUTs and
    flip-flops."""
    found, store = [], _Kept(kept)
    for case in track(cases(), description=device, transient=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            guess = predict(case.component(device), FAMILIES[device])
            seconds = time.perf_counter() - started
            real = store.synthesised(case, device)
        row: dict[str, Any] = {"layer": case.name, "fitted": case.fitted, "draw": case.draw, "device": device}
        for resource in RESOURCES:
            row |= {resource: round(getattr(guess, resource), 1), f"real_{resource}": real[resource]}
        found.append(
            row
            | {
                "lut_error": error(guess.luts, real["luts"]),
                "ff_error": error(guess.ffs, real["ffs"]),
                "seconds": round(seconds, 2),
            }
        )
    return found


def _mean(found: list[dict[str, Any]], kind: str) -> float:
    return sum(row[f"{kind}_error"] for row in found) / len(found)


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the layers that were not fitted, goal 10 %, all together and by draw; how many have the
    right number of block memories and multipliers."""
    judged = [row for row in found if not row["fitted"]]
    draws = {
        draw: [row for row in judged if row.get("draw", 0) == draw]
        for draw in sorted({row.get("draw", 0) for row in judged})
    }
    several = draws if len(draws) > 1 else {}
    return {
        "device": judged[0]["device"],
        "layers": len(judged),
        **{f"mean_{kind}_error": _mean(judged, kind) for kind in ("lut", "ff")},
        **{
            f"draw_{draw}_{kind}_error": _mean(rows, kind)
            for draw, rows in several.items()
            for kind in ("lut", "ff")
        },
        "worst_lut_error": max(row["lut_error"] for row in judged),
        **{
            f"right_{resource}": sum(row[resource] == row[f"real_{resource}"] for row in judged)
            for resource in ("brams", "dsps")
        },
    }


def _print(console: Console, found: list[dict[str, Any]]) -> None:
    table = Table(
        title=f"Resources on {found[0]['device']}: predicted / yosys (a dot: used to fit, a number: of that "
        "draw)",
        title_justify="left",
    )
    for column in ("layer", "", "LUT", "", "FF", "", "BRAM", "DSP"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for row in found:
        pairs = [f"{row[resource]:g} / {row[f'real_{resource}']:g}" for resource in RESOURCES]
        mark = "." if row["fitted"] else str(row["draw"] or "")
        table.add_row(
            row["layer"],
            mark,
            pairs[0],
            f"{row['lut_error']:.1%}",
            pairs[1],
            f"{row['ff_error']:.1%}",
            *pairs[2:],
        )
    console.print(table)
    told = summary(found)
    for draw in sorted({row["draw"] for row in found}):
        part = summary([row for row in found if row["draw"] == draw])
        console.print(
            f"draw {draw}: {part['layers']} layers, mean error {part['mean_lut_error']:.1%} of LUTs, "
            f"{part['mean_ff_error']:.1%} of flip-flops"
        )
    console.print(
        f"{told['layers']} layers not fitted: mean error {told['mean_lut_error']:.1%} of LUTs (goal 10 %), "
        f"{told['mean_ff_error']:.1%} of "
        f"flip-flops; block memories right in {told['right_brams']}, multipliers in {told['right_dsps']}"
    )


def run(json_path: str | Path | None = None) -> dict[str, Any]:
    """Both families; returns the rows and a summary by device."""
    kept = None if json_path is None else Path(json_path).with_suffix(".jsonl")
    console, results = Console(width=None if sys.stdout.isatty() else 120), {}
    for device in FAMILIES:
        found = rows(device, kept)
        _print(console, found)
        results[device] = {"summary": summary(found), "layers": found}
    if json_path is not None:
        with atomic_file(json_path) as path:
            path.write_text(json.dumps(results, indent=2) + "\n")
    return results
