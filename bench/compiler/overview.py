"""The compiler in numbers: large networks, cost of a layer, simulation speed, a real residual stage, queues,
predicted resources, random networks in RTL.

    fermatnet bench compile --json compile.json                     tables on the screen, rows as JSON
    fermatnet bench compile --only speed,stage                      only these tables
    fermatnet bench compile --results FILE.jsonl --count 2000

The last keeps finished rows in FILE.jsonl and goes on where it stopped; ``--count`` is the number of random
networks (default 100; one takes about a second). Rows are found again as long as the generator's sources are
the same.

Predicted resources are synthesised anew for Verilog that has changed (ten minutes);
``fermatnet bench resources`` is their table by layer.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

import fermatnet.hw.compiler.generate as compiler
from fermatnet.bench.compiler import prediction
from fermatnet.bench.compiler import scale as compile_scale
from fermatnet.bench.compiler import speed as compile_speed
from fermatnet.bench.samples import queues
from fermatnet.bench.samples.check import check_seed, shrunk
from fermatnet.bench.samples.weights import check_reloaded, check_streamed
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.result_log import ResultLog

__all__ = ["PARTS", "random_rows", "run"]

MOST_CYCLES = 600  # an image and layer, in the random networks
Rows = list[dict[str, Any]]


def _sources() -> str:
    """Digest of what the results depend on: the generator (without its predictions) and the random
    networks."""
    hw = Path(compiler.__file__).parent.parent
    files = [path for path in sorted(hw.rglob("*.py")) if "resources" not in path.relative_to(hw).parts]
    files += [
        hw.parent / "bench/samples" / name for name in ("networks.py", "check.py", "weights.py", "rtl.py")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _scale(log: ResultLog) -> Rows:
    return [
        log.row(f"scale/{name}/{_sources()}", partial(compile_scale.scale_row, name))
        for name in compile_scale.SCALE
    ]


def _elaboration(log: ResultLog) -> Rows:
    rows = [
        log.row(f"elaboration/{blocks}/{_sources()}", partial(compile_scale.elaboration_row, blocks))
        for blocks in compile_scale.BLOCKS
    ]
    return compile_scale.fitted(rows)


def _speed(log: ResultLog) -> Rows:
    return [
        log.row(f"speed/{name}/{_sources()}", partial(compile_speed.speed_row, name))
        for name in compile_speed.SPEED
    ]


def _stage(log: ResultLog) -> Rows:
    return [log.row(f"stage/{side}/{_sources()}", partial(compile_speed.stage_row, side)) for side in (56,)]


def _queues(log: ResultLog) -> Rows:
    return [log.row(f"queues/{depth}/{_sources()}", partial(queues.queue_row, depth)) for depth in (1, 2, 3)]


def _one(seed: int) -> dict[str, Any]:
    outcome, row = check_seed(seed, MOST_CYCLES)
    found = outcome.row()
    if outcome.problem:
        small, choices = shrunk(row, seed, MOST_CYCLES)
        found["shrunk"] = {"problem": small.problem, "layers": small.layers, "choices": choices}
    return found


def random_rows(log: ResultLog, count: int) -> Rows:
    """Seeds 0 .. count - 1: reference, onnxruntime and RTL under stalls; one line for all, one more for each
    that failed."""
    sources = _sources()
    rows = [
        log.row(f"random/{seed}/{MOST_CYCLES}/{sources}", partial(_one, seed))
        for seed in track(range(count), description="random networks")
    ]
    kinds = Counter(kind for row in rows for kind in set(row["layers"]))
    failed = [row for row in rows if row["problem"]]
    whole = {
        "networks": count,
        "seeds": f"0..{count - 1}",
        "layers": sum(len(row["layers"]) for row in rows),
        "exact_and_cycles_exact": count - len(failed),
        "latency_exact": sum(row["latency_exact"] for row in rows),
        "with_queues": sum(row["queues"] > 0 for row in rows),
        "with_add": kinds["Add"],
        "with_concat": kinds["Concat"],
        "with_pool": kinds["MaxPool"],
    }
    return [
        whole,
        *({"networks": f"seed {row['seed']}: {row['problem']}; shrunk: {row['shrunk']}"} for row in failed),
    ]


def _models(log: ResultLog, count: int) -> Rows:
    """Random torch models through convert, two training steps and export."""
    from fermatnet.bench.samples import model_check, models  # with torch, which no other part needs

    front = Path(models.__file__).parents[2] / "model"
    files = [*sorted((front / "nn").glob("*.py")), *sorted((front / "exchange").glob("export*.py"))]
    files += [Path(models.__file__), Path(model_check.__file__)]
    sources = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    rows = [
        log.row(f"model/{seed}/{sources}", lambda seed=seed: model_check.check_model(seed).row())  # type: ignore[misc]
        for seed in track(range(count), description="random torch models")
    ]
    refused = sum(row["problem"].startswith("refused") for row in rows)
    failed = [f"seed {row['seed']}: {row['problem']}" for row in rows if row["problem"]]
    return [
        {
            "models": count,
            "layers": sum(row["layers"] for row in rows),
            "exact": count - len(failed),
            "refused": refused,
            "failed": "; ".join(failed),
        }
    ]


def _weights(log: ResultLog, count: int) -> Rows:
    """Weights from streams, and weights loaded anew between images (a damaged load first), in random
    networks."""
    sources = _sources()
    rows: Rows = []
    for name, checks in (("streamed", check_streamed), ("reloaded", check_reloaded)):
        outcomes = [
            log.row(
                f"{name}/{seed}/{MOST_CYCLES}/{sources}",
                lambda seed=seed, checks=checks: checks(seed, MOST_CYCLES).row(),  # type: ignore[misc]
            )
            for seed in track(range(count), description=f"random networks, weights {name}")
        ]
        failed = [f"seed {row['seed']}: {row['problem']}" for row in outcomes if row["problem"]]
        built = sum(row["cycles"] > 0 for row in outcomes)
        rows.append(
            {
                "weights": name,
                "networks": built,
                "refused (one output)": count - built,
                "exact": built - len(failed),
                "failed": "; ".join(failed),
            }
        )
    return rows


def _resources(log: ResultLog) -> Rows:
    """Means over the layers that judge the prediction; `fermatnet bench resources` shows them one by one."""
    kept = None
    if log.path is not None:
        log.path.parent.mkdir(parents=True, exist_ok=True)
        kept = log.path.with_name("resources.jsonl")
    found = [prediction.summary(prediction.rows(device, kept)) for device in prediction.FAMILIES]
    return [
        {key: f"{value:.1%}" if key.endswith("error") else value for key, value in row.items()}
        for row in found
    ]


PARTS: dict[str, tuple[str, Callable[..., Rows]]] = {
    "scale": ("Large networks to Verilog (goal: PA-ResNet18 in 120 s and 4 GB)", _scale),
    "elaboration": ("Cost of a layer: CPU seconds to plan and emit", _elaboration),
    "speed": ("Simulation on Verilator (goal: Python's share below a third)", _speed),
    "stage": ("A residual stage with downsampling, bit for bit", _stage),
    "queues": ("Queue on a bypass: computed depth, one place less, two places", _queues),
    "resources": ("Predicted resources by layer against yosys (goal: mean LUT error of 10 %)", _resources),
    "models": (
        "Random torch models: integer mode == evaluation == reference == onnxruntime after convert, "
        "training and export",
        _models,
    ),
    "weights": (
        "Random networks with weights from streams, or loaded anew between images: reference == RTL under "
        "stalls",
        _weights,
    ),
    "random": (
        "Random networks: reference == onnxruntime == RTL under stalls",
        random_rows,
    ),
}

RANDOM = ("models", "weights", "random")  # they also take a number of networks


def _print(console: Console, title: str, rows: Rows) -> None:
    """One line a row; tables too wide for that stand on their side."""
    shown = [{key: value for key, value in row.items() if key not in ("key", "date")} for row in rows]
    columns = list(shown[0])
    table = Table(title=title, title_justify="left", show_header=len(columns) <= 6)
    lines = [columns, *([str(row.get(column, "")) for column in columns] for row in shown)]
    if len(columns) > 6:
        lines = [
            ["", *[""] * len(shown)],
            *([str(cell) for cell in line] for line in zip(*lines, strict=True)),
        ]
    for k, name in enumerate(lines[0]):
        table.add_column(name, justify="left" if k == 0 else "right")
    for line in lines[1:]:
        table.add_row(*line)
    console.print(table)


def run(
    json_path: str | Path | None = None,
    *,
    only: str | None = None,
    count: int = 100,
    results: str | Path | None = None,
) -> dict[str, Rows]:
    """Measure everything, print the tables, write JSON when a path is given; returns the rows by table.

    ``only``: parts by name, with commas between them; ``count``: random networks; ``results``: JSONL file
    that keeps finished rows. InputError for a part that there is not.
    """
    console = Console()
    wanted = list(PARTS) if only is None else only.split(",")
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise InputError(f"the compile bench has no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    log = ResultLog(results)
    tables = {}
    for part in wanted:
        title, measure = PARTS[part]
        console.print(f"{part} ...")
        tables[part] = measure(log, count) if part in RANDOM else measure(log)
        _print(console, title, tables[part])
    if json_path is not None:
        with atomic_file(json_path) as path:
            path.write_text(json.dumps(tables, indent=2) + "\n")
    return tables
