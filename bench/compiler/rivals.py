"""Constant matrices beside da4ml: the same integers, one vector a cycle, the same synthesis.

``fermatnet bench rivals`` draws ten matrices of three sizes and two densities (4-bit inputs, weights -7..7),
lets both tools write their Verilog without registers that the other one lacks, and counts tables after yosys
(``synth_xilinx -family xc7 -flatten``). Then the dense layers of the multilayer perceptron 16-64-32-32-5, one
by one, for tables and then, pipelined, for speed (nextpnr, ECP5). Rows where the rival is smaller stay in.
``--quick`` takes the smallest matrices and no perceptron. da4ml comes from pip and is needed by nothing else.
Rows are kept as they come (``--results``).
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fermatnet.bench.compiler.rivals_speed import DEVICE, rival_verilog, speed_rows
from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.rtl import verilog
from fermatnet.model.atomic import atomic_file
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth.flow import cells

__all__ = ["drawn", "perceptron", "run"]

SIZES = ((12, 12), (24, 16), (32, 32))  # outputs, inputs
DENSITIES = (1.0, 0.4)
GOAL = 3000  # tables of the dense 32x32 matrix
MATRICES = 10

Matrix = tuple[str, np.ndarray, Shape]


def drawn(count: int = MATRICES, seed: int = 0) -> Iterator[Matrix]:
    """Name, weights and input of each matrix."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        outputs, inputs = SIZES[number % len(SIZES)]
        density = DENSITIES[number // len(SIZES) % len(DENSITIES)]
        weight = rng.integers(-7, 8, (outputs, inputs))
        weight[rng.random(weight.shape) >= density] = 0
        yield f"{outputs}x{inputs}, density {density:g}", weight, Shape(4)


def perceptron(seed: int = 0) -> Iterator[Matrix]:
    """Dense layers of 16-64-32-32-5: 8-bit weights first and last, 4-bit ones between, 8-bit activations."""
    rng, sizes = np.random.default_rng(seed), (16, 64, 32, 32, 5)
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        top = 127 if place in (0, 3) else 7
        weight = rng.normal(0, top / 3, (outputs, inputs)).round().clip(-top, top).astype(np.int64)
        yield f"dense {inputs} to {outputs}, weights up to {top}", weight, Shape(8)


def _ours(weight: np.ndarray, shape: Shape, folder: Path) -> list[Path]:
    block = ConstantMatrix(weight, [], shape, target="lut6", stages=1)
    verilog.emit(block, "matrix", folder)
    return [folder / "matrix.v"]


def _row(name: str, weight: np.ndarray, shape: Shape, goal: int | None, log: ResultLog) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-rivals-") as scratch:
        folders = [Path(scratch) / side for side in ("ours", "rival")]
        for folder in folders:
            folder.mkdir()
        sources = _ours(weight, shape, folders[0]), rival_verilog(weight, shape, folders[1])[0]
        text = "".join(path.read_text() for path in (*sources[0], *sources[1]))
        row = log.row(f"{name} {digest(text)}", lambda: _counted(*sources))
    return {"matrix": name, **row, "goal": goal}


def _counted(ours: list[Path], rival: list[Path]) -> dict[str, Any]:
    own, other = cells(ours, "matrix", "xc7"), cells(rival, "rival", "xc7")
    return {
        "luts": own["luts"],
        "inverters": own.get("INV", 0),
        "da4ml_luts": other["luts"],
        "da4ml_inverters": other.get("INV", 0),
        "ratio": own["luts"] / other["luts"],
        "ratio_with_inverters": (own["luts"] + own.get("INV", 0)) / (other["luts"] + other.get("INV", 0)),
        "dsps": own["dsps"],
    }


def run(
    json_path: str | Path | None = None, *, quick: bool = False, results: str | None = None
) -> dict[str, Any]:
    """Measures, prints the tables, writes JSON when a path is given; returns the rows. A row kept in
    ``results`` is taken while both tools' Verilog is the same."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    wanted = {"matrices": list(drawn(3 if quick else MATRICES)), "perceptron": list(perceptron())}
    if quick:
        wanted = {"matrices": wanted["matrices"][:2]}
    log, found = ResultLog(results), dict[str, Any]()
    for title, matrices in wanted.items():
        rows = []
        for name, weight, shape in track(matrices, title, transient=True):
            dense = title == "matrices" and weight.shape == (32, 32)
            rows.append(_row(name, weight, shape, GOAL if dense else None, log))
        mean = {key: float(np.mean([row[key] for row in rows])) for key in ("ratio", "ratio_with_inverters")}
        rows.append({"matrix": "mean, goal below 1", **mean})
        found[title] = rows
        _print(console, f"Constant {title}, xc7: tables of this project and of da4ml", rows)
    if not quick:
        placed = track(list(perceptron()), "placing", transient=True)
        found["speed"] = [row for matrix in placed for row in speed_rows(*matrix, log)]
        _print(console, f"The same layers pipelined and placed on {DEVICE}", found["speed"])
    if json_path is not None:
        with atomic_file(json_path) as path:
            path.write_text(json.dumps(found, indent=2) + "\n")
    return found


def _print(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    columns = [key for key in rows[0] if key not in ("key", "date")]
    for column in columns:
        table.add_column(column, justify="left" if column == "matrix" else "right")
    for row in rows:
        values = [row.get(column) for column in columns]
        table.add_row(*("" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values))
    console.print(table)
