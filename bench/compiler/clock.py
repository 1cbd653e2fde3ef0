"""How fast whole networks run: placed and routed on ECP5-85K, at several folds, each Fmax beside its goal.

``fermatnet bench clock`` generates, maps and places each design (minutes each): rows are kept as they come
(``--results``) and found again by their Verilog. ``--only`` takes the designs whose name holds a word;
``--models`` is a folder with ``demo.onnx``, the demonstration's network, and ``digits.onnx``, the same one
with any levels; they are trained where they are missing.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.untrained import untrained
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import Network
from fermatnet.model.result_log import ResultLog, design_digest
from fermatnet.synth.flow import synthesise

__all__ = ["DESIGNS", "run", "tfc"]

DEVICE = "ecp5-85k"
AIM = 150.0  # MHz that designs are pipelined and placed for
GOAL, GOAL_LUTS = 120.0, {"demo, 4608": 10_500, "digits, 4608": 10_500}
COLUMNS = ("design", "cycles", "latency", "LUT", "FF", "BRAM", "DSP", "Fmax", "goal", "slowest in")


def tfc(models: Path | None) -> Network:
    """The fully connected 64-64-64 topology, M = 4 and N = 5, untrained."""
    return untrained("tfc", ("pa", 4, 5), (1, 28, 28), patch=7, images=256, passes=20)


Make = Callable[[Path | None], Network]
_NETWORKS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "demo": (partial(network, "demo"), (4608,)),
    "digits": (partial(network, "digits"), (4608,)),
    "TFC": (tfc, (784, 3136, 12544)),
    "PA-ResNet8": (lambda models: pa_resnet(), (36_864, 147_456, 589_824)),
}
DESIGNS = {f"{name}, {cycles}": (make, cycles) for name, (make, all_) in _NETWORKS.items() for cycles in all_}
"""Design: network, cycles an image."""


@bench
def run(asked: Asked) -> list[dict[str, Any]]:
    """Measures the designs whose name holds ``only`` (``quick``: the first of them), prints the table and
    gives its rows back."""
    rows = []
    for name in asked.holding(DESIGNS):
        print(f"{name} ...", flush=True)
        rows.append(_row(name, asked.folder, asked.log))
    _print(rows)
    asked.write(rows)
    return rows


def _row(name: str, models: Path | None, log: ResultLog) -> dict[str, Any]:
    make, cycles = DESIGNS[name]
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / "out"
        made = generate(make(models), folder, cycles=cycles, clock_mhz=AIM, device=DEVICE)
        key = design_digest(folder)
        return log.row(f"clock/router1/{key}", lambda: _measured(folder, made)) | {
            "design": name,
            "goal_mhz": GOAL,
            "goal_luts": GOAL_LUTS.get(name),
        }


def _measured(folder: Path, made: dict[str, Any]) -> dict[str, Any]:
    found = synthesise(folder, DEVICE, clock_mhz=AIM)
    return {
        "cycles": made["cycles_per_image"],
        "latency": made["latency_cycles"],
        **{key: found[key] for key in ("luts", "ffs", "brams", "dsps", "fmax_mhz")},
        "slowest": found["critical_path"].get("layer", ""),
        **{key: found[key] for key in ("critical_path", "images_per_second", "versions")},
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Fmax on {DEVICE}, pipelined for {AIM:g} MHz")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("design", "slowest in") else "right")
    for row in rows:
        luts = f"{row['luts']:,}" + (f" (at most {row['goal_luts']:,})" if row["goal_luts"] else "")
        numbers = (f"{row[key]:,}" for key in ("cycles", "latency"))
        others = (f"{row[key]:,}" for key in ("ffs", "brams", "dsps"))
        speed = f"{row['fmax_mhz']:.1f}", f"{row['goal_mhz']:.0f}"
        table.add_row(row["design"], *numbers, luts, *others, *speed, row["slowest"])
    Console(width=140).print(table)
