"""Post-training quantization to 4 bits: steps of least squared error beside those of the largest value, and
beside onnxruntime.

``fermatnet bench int4 --data DIR --models DIR`` takes the trained networks of ``bench post-training`` and
quantizes each with 256 training images, drawn by the seed, in these ways; no way trains anything:

* *W4 A4*, weights and activations of 4 bits: ``minmax`` with one step a tensor of weights and with one a
  channel, ``int8(4,4)`` (power-of-two steps), ``mmse`` and ``mmse-dual``;
* *W4 A8*: ``minmax`` and ``mmse`` with activations of 8 bits, beside onnxruntime's ``quantize_static`` with
  QInt4 weights and QInt8 activations. That is the form of INT4 that onnxruntime has for whole networks: its
  4 bits are weights, and with 4-bit activations as well it refuses the file of a network with maximum pools
  (the row says so).

First and last layers have weights of 8 bits in all of our rows, of 4 in onnxruntime's. Norms are measured
anew in all of our rows, as ``convert`` does it for few levels. Accuracy is of the whole test set; the first
images are run through the network file's reference as well and compared, integer for integer. ``--only``
takes networks by name (``ic-resnet8`` is the float file of MLPerf Tiny, ``ic_resnet8_float.tflite`` in the
folder of models: its norms are within its weights), ``--seeds`` draws (3); ``--quick`` LeNet-5 and one draw.
"""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from fermatnet.bench.training.draws import Draws, calibration_images, converted
from fermatnet.bench.training.onnxruntime_static import quantized_accuracies
from fermatnet.bench.training.post_training_nets import Net, accuracy
from fermatnet.model.atomic import atomic_file
from fermatnet.model.nn.baselines.mmse import MmseActivation, MmseWeight
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.result_log import ResultLog
from fermatnet.model.train.data import Data, Part

__all__ = ["WAYS", "quantized", "run"]

WAYS: dict[str, tuple[str, int, int]] = {
    "W4 A4 minmax, a tensor": ("minmax-tensor", 4, 4),
    "W4 A4 minmax, a channel": ("minmax", 4, 4),
    "W4 A4 power-of-two steps": ("int8", 4, 4),
    "W4 A4 mmse": ("mmse", 4, 4),
    "W4 A4 mmse-dual": ("mmse-dual", 4, 4),
    "W4 A8 minmax, a channel": ("minmax", 4, 8),
    "W4 A8 mmse": ("mmse", 4, 8),
}
"""Row: scheme, bits of weights and activations."""
RIVALS: dict[str, dict[str, Any]] = {
    "W4 A8 onnxruntime, a tensor": {"weight_type": "QInt4"},
    "W4 A8 onnxruntime, a channel": {"weight_type": "QInt4", "per_channel": True},
    "W4 A4 onnxruntime, a channel": {
        "weight_type": "QInt4",
        "activation_type": "QUInt4",
        "per_channel": True,
    },
}
GOAL = 1.0  # points above minmax


def quantized(model: nn.Module, images: np.ndarray, part: Part, way: str) -> dict[str, Any]:
    """``accuracy`` of one of the `WAYS` and how many tensors are dual; InputError if the network file's
    reference gives other integers."""
    name, weights, activations = WAYS[way]
    how = scheme(name, weights=weights, activations=activations)
    twin, right = converted(model, images, part, how)
    coded = [m for m in twin.modules() if isinstance(m, MmseWeight | MmseActivation)]
    dual = sum(int(m.tensors) == 2 for m in coded)
    return {"accuracy": right, "dual": dual, "coded": len(coded)}


def _row(net: Net, model: nn.Module, data: Data, seed: int) -> dict[str, Any]:
    images = calibration_images(data, seed)
    return {
        "network": net.label,
        "seed": seed,
        "float": accuracy(model, data.test, raw=False),
        "ways": {way: quantized(model, images, data.test, way) for way in WAYS},
        "onnxruntime": quantized_accuracies(model, images, data.test, RIVALS),
    }


def run(
    json_path: str | Path | None = None,
    *,
    data: str | None = None,
    models: str | None = None,
    seeds: int = 3,
    only: str | None = None,
    quick: bool = False,
    results: str | None = None,
) -> list[dict[str, Any]]:
    """Prints a table for each network and gives the rows back; networks that ``models`` lacks are trained
    first (resumable)."""
    names = only.split(",") if only else ["lenet5"] if quick else ["lenet5", "small-resnet"]
    draws = Draws(names, 1 if quick else seeds, data, models, ResultLog(results), "int4/")
    console, rows = Console(width=110), []
    for found in draws.rows(_row, console.print):
        rows += found
        _print(console, found)
    if json_path:
        with atomic_file(Path(json_path)) as temporary:
            temporary.write_text(json.dumps(rows, indent=2) + "\n")
    return rows


def _print(console: Console, rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    table = Table(
        "way",
        "per cent",
        "minus minmax, a channel",
        "range",
        "dual",
        title=f"{first['network']}, float {100 * first['float']:.2f} %, {len(rows)} draws of images",
    )
    base = _mean(rows, "W4 A4 minmax, a channel")
    for way in WAYS:
        found = [100 * row["ways"][way]["accuracy"] for row in rows]
        dual = f"{first['ways'][way]['dual']} of {first['ways'][way]['coded']}" if "dual" in way else ""
        gap = f"{statistics.mean(found) - base:+.2f}" if " A4 " in way else ""
        table.add_row(way, f"{statistics.mean(found):.2f}", gap, f"{min(found):.2f}-{max(found):.2f}", dual)
    for way in RIVALS:
        answers = [row["onnxruntime"][way] for row in rows]
        refused = next((answer for answer in answers if isinstance(answer, str)), None)
        shown = refused or f"{100 * statistics.mean(answers):.2f}"
        table.add_row(way, shown[:60])
    console.print(table)
    best = max(_mean(rows, way) for way in ("W4 A4 mmse", "W4 A4 mmse-dual"))
    console.print(f"least squares over minmax: {best - base:+.2f} points (goal {GOAL:+.1f})")


def _mean(rows: list[dict[str, Any]], way: str) -> float:
    return statistics.mean(100 * row["ways"][way]["accuracy"] for row in rows)
