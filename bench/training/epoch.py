"""Cost of an epoch as users run it: the quantized network with distillation on, beside its full-precision
twin.

    python -m fermatnet.bench.training.epoch --threads 2 --rounds 10 --json epoch.json

Steps of the project's own loop (`fermatnet.model.train.loop.Phase`) are timed in turns in one process, so
that whatever else the machine does hits all alike; a cost is the median over the rounds of a variant's time
divided by the twin's in the same round.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Part
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import Options
from fermatnet.model.train.teacher import as_teacher

__all__ = ["run"]

SHAPE = (3, 32, 32)


def _phases(network: str, batch: int, steps: int, name: str, activations: int) -> dict[str, Phase]:
    rng = np.random.default_rng(0)
    part = Part(
        rng.integers(0, 256, (batch * steps, *SHAPE), dtype=np.uint8), rng.integers(0, 10, batch * steps)
    )

    def phase(model: nn.Module, distill: float, teacher: nn.Module | None) -> Phase:
        options = Options(batch=batch, distill=distill, schedule="constant", warmup=0.0)
        return Phase(
            name,
            model,
            Batches(part, batch, 0, pad=4, flip=True),
            options,
            epochs=1 << 20,
            rate=1e-3,
            teacher=teacher,
        )

    def built(how: str) -> nn.Module:
        layer_scheme = scheme(how) if how == "float" else scheme(how, activations=activations)
        return zoo.build(network, how=layer_scheme, shape=SHAPE)

    twin = built("float")
    return {
        "full precision": phase(built("float"), 0.0, None),
        f"{name}, no distillation": phase(built(name), 0.0, None),
        f"{name}, distillation": phase(built(name), 0.5, as_teacher(twin)),
        f"{name}, distillation, twin in float64": phase(built(name), 0.5, twin.eval()),
    }


def run(
    json_path: str | Path | None = None,
    *,
    network: str = "small-resnet",
    batch: int = 128,
    steps: int = 4,
    rounds: int = 10,
    threads: int = 2,
    name: str = "pa",
    activations: int = 5,
    processor: bool = False,
) -> dict[str, Any]:
    """Print the table; returns and writes {"rows": [...]}; ``steps`` of ``batch`` images a timing.

    processor: seconds of the processor, of all threads, in the place of the wall's: for a busy machine.
    """
    clock = time.process_time if processor else time.perf_counter
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    phases = _phases(network, batch, steps, name, activations)
    times: dict[str, list[float]] = {label: [] for label in phases}
    for number in range(rounds + 1):
        for label, phase in phases.items():
            started = clock()
            phase.run_epoch()
            if number:  # the first round compiles kernels
                times[label].append((clock() - started) / steps)
    base = times["full precision"]
    table = Table("variant", "ms a step", "x full precision", "fastest / fastest")
    rows = []
    for label, mine in times.items():
        ratios = [a / b for a, b in zip(mine, base, strict=True)]
        row = {
            "variant": label,
            "milliseconds": round(1e3 * statistics.median(mine), 2),
            "cost": round(statistics.median(ratios), 3),
            "cost_of_fastest": round(min(mine) / min(base), 3),
        }
        rows.append(row)
        table.add_row(label, str(row["milliseconds"]), str(row["cost"]), str(row["cost_of_fastest"]))
    Console().print(table)
    report = {"network": network, "batch": batch, "threads": threads, "rounds": rounds, "rows": rows}
    if json_path:
        Path(json_path).write_text(json.dumps(report, indent=2) + "\n")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--network", default="small-resnet")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--processor", action="store_true", help="seconds of the processor, not of the wall")
    parsed = vars(parser.parse_args())
    run(parsed.pop("json"), **parsed)
