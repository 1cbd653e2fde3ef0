"""Training comparisons of the chapters 4 to 8: what their benches share.

Each bench trains several networks on the same subset with the same seeds and budget, appends one JSON line a
run to a file (runs already in the file are not repeated) and prints a table of means and ranges.
"""

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Data, Part, load
from fermatnet.model.train.loop import Phase, accuracy
from fermatnet.model.train.options import Options

__all__ = ["Row", "Standardised", "arguments", "compare", "differences", "fit", "subset", "table"]


class Standardised(nn.Module):
    """A network with its input's normalisation: raw pixels in, ``(x - mean) / std`` by channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, data: Data) -> None:
        super().__init__()
        self.network = network
        pixels = data.train.images
        self.register_buffer("mean", torch.from_numpy(pixels.mean((0, 2, 3))).float().view(1, -1, 1, 1))
        self.register_buffer("std", torch.from_numpy(pixels.std((0, 2, 3))).float().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x.float() - self.mean) / self.std)


def _part(part: Part, count: int, seed: int, halve: bool) -> Part:
    if count and count < len(part):
        _, part = part.split(count / len(part), seed)
    images = part.images
    if halve:
        n, c, h, w = images.shape
        images = (
            images[:, :, : h // 2 * 2, : w // 2 * 2]
            .reshape(n, c, h // 2, 2, w // 2, 2)
            .mean((3, 5))
            .round()
            .astype(np.uint8)
        )
    return Part(images, part.labels)


def subset(name: str, training: int, test: int, *, halve: bool = False) -> Data:
    """A stratified subset of a dataset, always the same one; ``halve``: 2x2 means, half the side."""
    data = load(name)
    return Data(
        f"{name.partition(':')[0]}[{training}]",
        _part(data.train, training, 0, halve),
        _part(data.test, test, 0, halve),
        data.classes,
    )


def fit(
    network: nn.Module,
    data: Data,
    *,
    epochs: int,
    rate: float,
    seed: int,
    batch: int = 64,
    optimizer: str = "adamw",
    schedule: str = "one-cycle",
    weight_decay: float = 1e-4,
    flip: bool = False,
    pad: int = 0,
    **more: Any,
) -> dict[str, float]:
    """Train with the project's loop; returns test accuracy, training loss of the last epoch and seconds.
    ``more``: other options of it."""
    how = Options(
        batch=batch,
        optimizer=optimizer,
        schedule=schedule,
        weight_decay=weight_decay,
        epochs=epochs,
        seed=seed,
        distill=0.0,
        **more,
    )
    phase = Phase(
        "compare",
        network,
        Batches(data.train, batch, seed, pad=pad, flip=flip),
        how,
        epochs=epochs,
        rate=rate,
    )
    started = time.perf_counter()
    last = {}
    for _ in range(epochs):
        last = phase.run_epoch()
    return {
        "accuracy": accuracy(phase.result(), data.test),
        "loss": last["loss"],
        "seconds": time.perf_counter() - started,
    }


@dataclass(frozen=True)
class Row:
    """One line of a table: label, how to train and measure it for a seed, and fixed facts about it."""

    label: str
    run: Callable[[int], dict[str, Any]]
    facts: dict[str, Any]


def _key(bench: str, label: str, seed: int, settings: dict[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps([bench, label, seed, settings], sort_keys=True, default=str).encode()
    ).hexdigest()[:16]


def compare(
    bench: str, rows: Iterable[Row], seeds: Sequence[int], file: Path, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Run every row with every seed, seeds outermost; results are appended to ``file`` as they come, old ones
    reused."""
    file.parent.mkdir(parents=True, exist_ok=True)
    done = {}
    if file.exists():
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            try:
                entry = json.loads(line)
                done[entry["key"]] = entry
            except (ValueError, KeyError) as error:
                raise InputError(f"{file}, line {number} is not a result of a bench: {error}") from error
    results = []
    rows = list(rows)
    for seed in seeds:
        for row in rows:
            key = _key(bench, row.label, seed, settings)
            if key not in done:
                torch.manual_seed(seed)
                entry = {
                    "key": key,
                    "bench": bench,
                    "label": row.label,
                    "seed": seed,
                    **row.facts,
                    **row.run(seed),
                    "settings": settings,
                }
                with file.open("a") as stream:
                    stream.write(json.dumps(entry) + "\n")
                done[key] = entry
                print(
                    f"{row.label}, seed {seed}: "
                    + ", ".join(f"{k} {v:.4g}" for k, v in entry.items() if isinstance(v, float)),
                    flush=True,
                )
            results.append(done[key])
    return results


def table(results: Sequence[dict[str, Any]], columns: Sequence[str] = (), measure: str = "accuracy") -> str:
    """Markdown: label, fixed columns, mean and range of ``measure`` in per cent over the seeds."""
    lines = [
        "| network | "
        + " | ".join(columns)
        + (" | " if columns else "")
        + f"{measure}, mean (lowest to highest) | seeds |"
    ]
    lines.append("|" + "---|" * (len(columns) + 3))
    for label in dict.fromkeys(entry["label"] for entry in results):
        mine = [entry for entry in results if entry["label"] == label]
        values = [100 * entry[measure] for entry in mine]
        facts = " | ".join(
            f"{mine[0].get(column, ''):.4g}"
            if isinstance(mine[0].get(column), float)
            else str(mine[0].get(column, ""))
            for column in columns
        )
        lines.append(
            f"| {label} | {facts}{' | ' if columns else ''}{statistics.mean(values):.2f} ({min(values):.2f} "
            f"to {max(values):.2f}) "
            f"| {len(values)} |"
        )
    return "\n".join(lines)


def differences(results: Sequence[dict[str, Any]], to: str = "plain", measure: str = "accuracy") -> str:
    """Markdown: by label the mean difference of ``measure`` to ``to`` in points, over the seeds that both
    have, and its 95 % interval (none of fewer than two seeds)."""
    by: dict[str, dict[int, float]] = {}
    for entry in results:
        by.setdefault(entry["label"], {})[entry["seed"]] = 100 * entry[measure]
    lines = [f"| network | points above {to}, 95 % interval | seeds |", "|---|---|---|"]
    for label, own in by.items():
        gaps = [own[seed] - by[to][seed] for seed in own if seed in by.get(to, {})]
        if label == to or not gaps:
            continue
        interval = "none"
        if len(gaps) > 1:
            half = stats.t.ppf(0.975, len(gaps) - 1) * statistics.stdev(gaps) / len(gaps) ** 0.5
            interval = f"{statistics.mean(gaps) - half:+.2f} to {statistics.mean(gaps) + half:+.2f}"
        lines.append(f"| {label} | {statistics.mean(gaps):+.2f} ({interval}) | {len(gaps)} |")
    return "\n".join(lines)


def arguments(description: str, *, training: int, test: int, epochs: int) -> argparse.ArgumentParser:
    """The options all these benches have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", required=True, help="fashion-mnist:DIR, cifar10:DIR, digits, ...")
    parser.add_argument(
        "--json", type=Path, required=True, help="results are appended to this file, one line a run"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--training", type=int, default=training, help="training images, stratified")
    parser.add_argument("--test", type=int, default=test, help="test images")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--halve", action="store_true", help="2x2 means of the images")
    parser.add_argument("--threads", type=int, default=1)
    return parser
