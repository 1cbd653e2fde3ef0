"""Accuracy of piecewise approximation beside its rivals: one network, one budget, several seeds, results kept
line by line.

Every task is one training run; its result is appended to a JSONL file at once, so that a stopped bench goes
on where it was. The tasks' order is by worth: all methods with one seed before any with two.

    fermatnet bench accuracy --data DIR --json accuracy.json
    python -m fermatnet.bench.training.accuracy --only pa-4-5/0 --results RESULTS.jsonl

DIR holds mnist/ and fashion-mnist/. Beside the accuracy stand ACE, bytes of the weights, LUTs at one
throughput and the memory of training (`fermatnet.bench.training.costs`); with --json the picture of accuracy
against LUTs is written too, FILE.svg.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.training.costs import CYCLES, DEVICE, draw
from fermatnet.model.errors import InputError

__all__ = ["FASHION", "MNIST", "Task", "run", "tasks"]

BUDGET: dict[str, Any] = {
    "epochs": 1,
    "batch": 128,
    "optimizer": "adamw",
    "lr": 2e-3,
    "schedule": "one-cycle",
    "distill": 0.0,
    "smoothing": 0.0,
    "pad": 0,
    "flip": True,
    "validation": 0.0,
    "threads": 1,
}
TWIN: dict[str, Any] = {**BUDGET, "scheme": "float", "epochs": 0, "float_epochs": 3, "float_lr": 4e-3}


@dataclass(frozen=True)
class Way:
    """One row of the table: a scheme with its counts, the network, and options of training."""

    label: str
    scheme: str
    weights: int
    activations: int
    network: str = "small-resnet"
    options: tuple[str, ...] = ()


FASHION = {
    "float": Way("full precision, the same extra epochs", "float", 0, 0),
    "pa-8-7": Way("PA(8,7)", "pa", 8, 7),
    "pa-4-5": Way("PA(4,5)", "pa", 4, 5),
    "abc-5-5": Way("ABC(5,5)", "abc", 5, 5),
    "bireal": Way("Bi-Real", "bireal", 1, 1),
    "int8": Way("INT8", "int8", 8, 8),
    "dorefa-2-2": Way("DoReFa 2/2", "dorefa", 2, 2),
    "pa-4-32": Way("PA(4,32)", "pa", 4, 0),
    "xnor": Way("XNOR", "xnor", 1, 1),
    "groupnet": Way("Group-Net (5 branches)", "groupnet", 5, 5),
    "pa-2-3": Way("PA(2,3)", "pa", 2, 3),
    "pa-8-32": Way("PA(8,32)", "pa", 8, 0),
    "lq-2-2": Way("LQ 2/2", "lq", 2, 2),
    "pact-2-2": Way("PACT/SAWB 2/2", "pact", 2, 2),
    "pact-4-4": Way("PACT/SAWB 4/4", "pact", 4, 4),
    "lsq-4-4": Way("LSQ 4/4", "lsq", 4, 4),
    "lsq-2-2": Way("LSQ 2/2", "lsq", 2, 2),
    "ttq": Way("TTQ, 32-bit activations", "ttq", 2, 0),
    "sign": Way("sign", "sign", 1, 1),
    "sign-over": Way("sign, over-parameterised", "sign", 1, 1, options=("over_parameterised",)),
    "mmse-4-4": Way("least squares 4/4", "mmse", 4, 4),
    "boolnet": Way("BoolNet", "sign", 1, 1, "boolnet"),
    "boolnet-low": Way("BoolNet, low memory", "sign", 1, 1, "boolnet", ("low_memory",)),
    "pokebnn": Way("PokeBNN", "sign", 1, 1, "pokebnn"),
}
COSTS = ("ace_millions", "kilobytes", "luts", "brams", "dsps", "memory_mb")
MNIST = {"tfc": 25, "sfc": 12}
MNIST_BUDGET: dict[str, Any] = {
    "scheme": "pa",
    "weights": 4,
    "activations": 3,
    "batch": 100,
    "lr": 4e-3,
    "float_lr": 4e-3,
    "schedule": "cosine",
    "pad": 2,
    "validation": 0.0,
    "threads": 1,
    "distill": 0.5,
    "float_epochs": 8,
}


@dataclass(frozen=True)
class Task:
    """``key`` is METHOD/SEED for Fashion-MNIST and NET/SEED for MNIST."""

    method: str
    seed: int

    @property
    def key(self) -> str:
        """METHOD/SEED."""
        return f"{self.method}/{self.seed}"


def tasks(seeds: Iterable[int] = (0, 1, 2)) -> list[Task]:
    """All tasks in order of worth."""
    seeds = list(seeds)
    first_seed = [Task(method, seeds[0]) for method in FASHION] + [Task(net, seeds[0]) for net in MNIST]
    return (
        first_seed
        + [Task(method, seed) for seed in seeds[1:] for method in FASHION]
        + [Task(net, seed) for seed in seeds[1:] for net in MNIST]
    )


def _folder(name: str, data: str | None) -> str:
    if not data:
        raise InputError("the accuracy bench needs data: --data DIR with mnist/ and fashion-mnist/")
    return f"{name}:{Path(data) / name}"


def _perform(task: Task, work: Path, data: str | None, progress: bool) -> dict[str, Any]:
    from fermatnet.model.train.run import train

    started = time.perf_counter()
    if task.method in MNIST:
        summary = train(
            task.method,
            _folder("mnist", data),
            work / task.key,
            seed=task.seed,
            resume=True,
            progress=progress,
            **MNIST_BUDGET,
            epochs=MNIST[task.method],
        )
        label, budget = f"{task.method.upper()} PA(4,3)", {**MNIST_BUDGET, "epochs": MNIST[task.method]}
    else:
        way = FASHION[task.method]
        label, plain = way.label, way.network == "small-resnet"
        source = _folder("fashion-mnist", data)
        twin = work / (f"twin/{task.seed}" if plain else f"twin-{way.network}/{task.seed}")
        train(way.network, source, twin, seed=task.seed, resume=True, progress=progress, **TWIN)
        summary = train(
            way.network,
            source,
            work / task.key,
            twin=twin,
            seed=task.seed,
            resume=True,
            progress=progress,
            scheme=way.scheme,
            weights=way.weights,
            activations=way.activations,
            **BUDGET | dict.fromkeys(way.options, True),
        )
        budget = BUDGET
    return {
        "task": task.key,
        "method": task.method,
        "label": label,
        "seed": task.seed,
        "accuracy": summary["test_accuracy"],
        "twin": summary["accuracy"].get("float"),
        "train_seconds": summary["seconds"]["total"],
        "wall_seconds": round(time.perf_counter() - started, 1),
        "budget": budget,
    }


def _read(path: Path) -> dict[str, dict[str, Any]]:
    lines = path.read_text().splitlines() if path.is_file() else []
    return {entry["task"]: entry for entry in map(json.loads, lines)}


def _costs(method: str) -> dict[str, Any]:
    """What `fermatnet.bench.training.costs.costs` says of a method, as a row of the results."""
    from fermatnet.bench.training.costs import costs
    from fermatnet.model.nn.scheme import scheme

    if method in MNIST:
        counts = {"weights": MNIST_BUDGET["weights"], "activations": MNIST_BUDGET["activations"]}
        found = costs(method, scheme(MNIST_BUDGET["scheme"], **counts))
    else:
        way = FASHION[method]
        how = scheme(way.scheme, weights=way.weights, activations=way.activations)
        found = costs(way.network, how, low_memory="low_memory" in way.options)
    return {"task": f"costs/{method}", "costs_of": method, **found}


def table(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a method: mean and range of test accuracy over its seeds, the mean gap to the twin, percent;
    and what it costs, where the entries say so."""
    by_method: dict[str, list[dict[str, Any]]] = {}
    costs: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if "costs_of" in entry:
            costs[entry["costs_of"]] = {key: entry[key] for key in COSTS}
        else:
            by_method.setdefault(entry["method"], []).append(entry)
    rows = []
    for method, group in by_method.items():
        values = [100 * entry["accuracy"] for entry in group]
        rows.append(
            {
                "method": method,
                "label": group[0]["label"],
                "seeds": len(group),
                "accuracy": round(statistics.mean(values), 2),
                "low": round(min(values), 2),
                "high": round(max(values), 2),
                **costs.get(method, dict.fromkeys(COSTS)),
                "gap_to_twin": round(
                    statistics.mean(100 * (entry["twin"] - entry["accuracy"]) for entry in group), 2
                ),
            }
        )
    return sorted(rows, key=lambda row: (row["method"] in MNIST, -row["accuracy"]))


def run(
    json_path: str | Path | None = None,
    *,
    data: str | None = None,
    seeds: Iterable[int] = (0, 1, 2),
    results: str | Path | None = None,
    work: str | Path | None = None,
    only: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Do the tasks that ``results`` (JSONL) lacks, print the table, write it as JSON. ``only``: one task,
    e.g. ``pa-4-5/0``."""
    work = Path(work) if work else Path(tempfile.mkdtemp(prefix="fermatnet-accuracy-"))
    kept = Path(results) if results else work / "results.jsonl"
    wanted = tasks(seeds)
    if only is not None:
        wanted = [task for task in wanted if task.key == only]
        if not wanted:
            raise InputError(
                f"no task is called {only!r}; they are METHOD/SEED with {', '.join([*FASHION, *MNIST])}"
            )
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        task.key: partial(_perform, task, work, data, progress) for task in wanted
    }
    steps |= {f"costs/{task.method}": partial(_costs, task.method) for task in wanted}
    for key, step in steps.items():
        if key not in _read(kept):
            work.mkdir(parents=True, exist_ok=True)
            entry = step()
            with kept.open("a") as out:
                out.write(json.dumps(entry) + "\n")
    rows = table(_read(kept).values())
    _print(rows)
    if json_path:
        Path(json_path).write_text(
            json.dumps({"rows": rows, "runs": list(_read(kept).values())}, indent=2) + "\n"
        )
        draw([row for row in rows if row["method"] in FASHION], Path(json_path).with_suffix(".svg"))
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    shown = Table(
        *("method", "seeds", "accuracy %", "range", "below its twin", "ACE, millions", "kB", "LUT"),
        *("BRAM", "DSP", "training, MB"),
        title=f"Test accuracy of one budget; {DEVICE} as predicted at {CYCLES:,} cycles an image",
    )
    for row in rows:
        shown.add_row(
            row["label"],
            str(row["seeds"]),
            f"{row['accuracy']:.2f}",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{row['gap_to_twin']:+.2f}",
            *("" if row[key] is None else f"{row[key]:,}" for key in COSTS),
        )
    Console(width=150).print(shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("json", "data", "results", "work", "only"):
        parser.add_argument(f"--{option}")
    parsed = parser.parse_args()
    run(parsed.json, data=parsed.data, results=parsed.results, work=parsed.work, only=parsed.only)
