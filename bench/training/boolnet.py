"""BoolNet's 1-bit shortcuts beside fixed-point ones: the same convolutions trained, synthesised, simulated.

``fermatnet bench boolnet`` trains the network ``boolnet`` with its joins as logic, with the channels split as
well, and with sums of fixed-point numbers, generates the three for one number of cycles an image, and maps
them with yosys. The *residual paths* are what lies between the convolutions: norms and signs, joins with the
queues of their shortcuts, norms of the 1x1 shortcuts; all but convolutions, the image's first layers and what
follows the last block. LUT and FF of hard multipliers are not counted: the column DSP has them.
Accuracy is of scikit-learn's digits, and with ``--data DIR`` of Fashion-MNIST in DIR/fashion-mnist, the mean
over ``--seeds`` (3 and 1); area is that of seed 0. ``--only`` takes a form, ``--quick`` one seed and ten
images in RTL in place of 100; rows are kept as they come (``--results``).
"""

import json
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.training.sources import sources
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference
from fermatnet.model.train.data import load
from fermatnet.sim.network import compare, simulate
from fermatnet.synth.flow import synthesise

__all__ = ["FORMS", "residual_paths", "run"]

FORMS: dict[str, dict[str, Any]] = {
    "logic": {"joins": "logic"},
    "logic, split": {"joins": "logic", "split": True},
    "fixed point": {"joins": "sum"},
}
"""Options of the network ``boolnet`` by form."""

DEVICE, STALLS, GOAL = "ecp5-85k", 7, 0.25
# cycles an image, images in RTL, options of training
TASKS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "digits": (9216, 100, {"epochs": 30, "float_epochs": 10, "threads": 1}),
    "fashion-mnist": (65536, 20, {"epochs": 4, "float_epochs": 2, "threads": 1}),
}
_WEIGHTED = ("Conv", "PiecewiseConv", "Dense")


@bench
def run(asked: Asked, *, data: str | None = None, seeds: int | None = None) -> list[dict[str, Any]]:
    """Trains, synthesises and simulates the forms that are asked for; prints the table and gives its rows
    back."""
    rows = []
    for task, name in sources(data).items():
        cycles, images, budget = TASKS[task]
        count = 1 if asked.quick else seeds or (3 if task == "digits" else 1)
        images = min(images, 10) if asked.quick else images
        for form in asked.named(FORMS, "form"):
            key = f"boolnet/{task}/{form}/{json.dumps([DEVICE, cycles, images, count, budget])}"
            rows.append(asked.log.row(key, partial(_row, task, name, form, images, count)))
    _print(rows)
    asked.write(rows)
    return rows


def _row(task: str, data: str, form: str, images: int, seeds: int) -> dict[str, Any]:
    cycles, _, budget = TASKS[task]
    accuracies = []
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        for seed in range(seeds):
            folder = Path(scratch) / str(seed)
            accuracies.append(_trained(data, form, folder, seed, budget))
        found = _built(Path(scratch) / "0", Path(scratch) / "hw", data, cycles, images)
    return {
        "data": task,
        "form": form,
        "accuracy": round(100 * statistics.mean(accuracies), 2),
        "accuracies": [round(100 * value, 2) for value in accuracies],
        "device": DEVICE,
        **found,
    }


def _trained(data: str, form: str, folder: Path, seed: int, budget: dict[str, Any]) -> float:
    from fermatnet.model.train.run import train

    summary = train("boolnet", data, folder, progress=False, network=FORMS[form], seed=seed, **budget)
    return float(summary["accuracy"]["quantized"])


def _built(run_folder: Path, folder: Path, data: str, cycles: int, images: int) -> dict[str, Any]:
    """Area by part, and the first test images in RTL."""
    from fermatnet.model.train.finished import export_run

    net = export_run(run_folder)
    made = generate(net, folder, cycles=cycles, device=DEVICE)
    test = load(data).test.images[:images]
    difference = compare(simulate(folder, test, stalls=STALLS), reference(net, test))
    report = synthesise(folder, DEVICE, place=False)
    paths = residual_paths(net, report["layers"])
    return {
        "rtl_images": images,
        "rtl_equal": difference is None,
        "difference": str(difference or ""),
        "cycles": made["cycles_per_image"],
        **{f"path_{key}": value for key, value in paths.items()},
        **{key: report[key] for key in ("luts", "ffs", "brams", "dsps")},
    }


def residual_paths(net: Network, parts: list[dict[str, Any]]) -> dict[str, int]:
    """LUT, FF, BRAM and DSP of all parts of a synthesised ``boolnet`` between the first convolution of a
    block and the sum over the map that hold no weights."""
    inner, found = set(), dict.fromkeys(("luts", "ffs", "brams", "dsps"), 0)
    names = [node.name for node in net.nodes]
    between = net.nodes[names.index("norm0") + 1 : names.index("sum")]
    for node in between:
        if type(node).__name__ not in _WEIGHTED:
            inner.add(node.name)
    for part in parts:
        if part["instance"] in inner:
            found = {key: found[key] + part[key] for key in found}
    return found


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"boolnet on {DEVICE}, mapped by yosys: residual paths and all, and in RTL")
    table.add_column("data")
    table.add_column("form")
    for column in ("accuracy %", "cycles", "LUT + FF of paths", "DSP", "LUT", "FF", "DSP", "RTL"):
        table.add_column(column, justify="right")
    for row in rows:
        path = row["path_luts"] + row["path_ffs"]
        rtl = f"{row['rtl_images']} equal" if row["rtl_equal"] else row["difference"]
        numbers = (row["cycles"], path, row["path_dsps"], row["luts"], row["ffs"], row["dsps"])
        table.add_row(row["data"], row["form"], f"{row['accuracy']:.2f}", *(f"{n:,}" for n in numbers), rtl)
    console = Console(width=140)
    console.print(table)
    for line in _savings(rows):
        console.print(line)


def _savings(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each form of logic beside the fixed-point one."""
    lines = []
    for task in dict.fromkeys(row["data"] for row in rows):
        mine = {row["form"]: row for row in rows if row["data"] == task}
        other = mine.pop("fixed point", None)
        if other is None:
            continue
        for form, row in mine.items():
            path, whole = (
                1 - (row[f"{p}luts"] + row[f"{p}ffs"]) / (other[f"{p}luts"] + other[f"{p}ffs"])
                for p in ("path_", "")
            )
            accuracy = row["accuracy"] - other["accuracy"]
            lines.append(
                f"{task}, {form}: {path:.0%} fewer LUT + FF in the residual paths (goal {GOAL:.0%}), "
                f"{whole:.0%} in all; {accuracy:+.2f} points"
            )
    return lines
