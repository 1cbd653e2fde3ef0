"""Post-training int8 beside onnxruntime's ``quantize_static``: the same three trained networks, the same 256
calibration images.

Accuracy is of the whole test set. Ours is that of the integer network: torch in evaluation, which computes
the same integers as the network file; the first images are run through the file's reference too and compared,
integer for integer.
onnxruntime quantizes in its usual form, QDQ with int8 activations and int8 weights, with its default (MinMax,
one scale a tensor of weights) and with one scale a channel and MinMax, Entropy and Percentile ranges; the
best of the four is the mark.

    fermatnet bench post-training --data DIR --models DIR --seeds 3

(DIR of data holds mnist/, fashion-mnist/, cifar10/.)
"""

import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from fermatnet.bench.training.onnxruntime_static import quantized_accuracies
from fermatnet.bench.training.post_training_nets import NETS, Net, accuracy, read_float, train_float
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run as run_reference
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.model.train.data import Data, Part, load

__all__ = ["calibration_images", "onnxruntime_accuracy", "ours", "run", "table"]

IMAGES = 256
COMPARED = 20  # images that the reference runs too
GOAL = 0.2  # points
# label: calibration method, one scale a channel
RIVALS = {
    "default": ("MinMax", False),
    "channel, MinMax": ("MinMax", True),
    "channel, Entropy": ("Entropy", True),
    "channel, Percentile": ("Percentile", True),
}


def calibration_images(data: Data, seed: int, count: int = IMAGES) -> np.ndarray:
    """uint8 (count, C, H, W): training images drawn by the seed."""
    return data.train.images[
        np.random.default_rng(seed).choice(len(data.train), min(count, len(data.train)), replace=False)
    ]


def ours(model: nn.Module, images: np.ndarray, part: Part, how: str = "int8") -> float:
    """Accuracy of the network converted with those images; InputError if the network file's reference gives
    other integers."""
    shape = images.shape[1:]
    quantized, _ = convert(
        model,
        scheme(how),
        shape,
        mean=[0.0] * shape[0],
        std=[1.0] * shape[0],
        images=torch.from_numpy(images),
    )
    some = np.ascontiguousarray(part.images[:COMPARED])
    if not np.array_equal(
        run_reference(export(quantized, shape), some),
        integer_logits(quantized, torch.from_numpy(some)).numpy(),
    ):
        raise InputError("the network file computes other integers than the model")
    return accuracy(quantized, part, raw=True)


def onnxruntime_accuracy(model: nn.Module, images: np.ndarray, part: Part) -> dict[str, float]:
    """Accuracy of ``model`` as onnxruntime quantizes it with those images, in each of the `RIVALS`' ways."""
    ways = {
        label: {"calibrate_method": method, "per_channel": channelwise}
        for label, (method, channelwise) in RIVALS.items()
    }
    return {label: float(found) for label, found in quantized_accuracies(model, images, part, ways).items()}


def _weights(model: nn.Module) -> str:
    """A digest of a network's numbers, so that a result is found again for the same weights only."""
    return digest(
        "".join(f"{name}{value.double().sum().item()!r}" for name, value in model.state_dict().items())
    )


def _row(net: Net, model: nn.Module, data: Data, seed: int) -> dict[str, Any]:
    images = calibration_images(data, seed)
    return {
        "network": net.label,
        "seed": seed,
        "float": accuracy(model, data.test, raw=False),
        "onnxruntime": onnxruntime_accuracy(model, images, data.test),
        "int8": ours(model, images, data.test),
        "int16": ours(model, images, data.test, "int16"),
    }


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a network, per cent: means over the draws of calibration images, ours with its range, and the
    gap to the best rival."""
    lines = []
    for network in dict.fromkeys(row["network"] for row in rows):
        group = [row for row in rows if row["network"] == network]
        rivals = {
            label: 100 * statistics.mean(row["onnxruntime"][label] for row in group)
            for label in group[0]["onnxruntime"]
        }
        best = max(rivals, key=lambda label: rivals[label])
        mine = [100 * row["int8"] for row in group]
        lines.append(
            {
                "network": network,
                "draws": len(group),
                "float": 100 * group[0]["float"],
                "rivals": rivals,
                "best": best,
                "int8": statistics.mean(mine),
                "low": min(mine),
                "high": max(mine),
                "int16": 100 * statistics.mean(row["int16"] for row in group),
                "gap": statistics.mean(mine) - rivals[best],
                "worst_gap": min(100 * (row["int8"] - max(row["onnxruntime"].values())) for row in group),
            }
        )
    return lines


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
    """Print the table; networks that ``models`` lacks are trained first (resumable). ``quick``: LeNet-5 and
    one draw."""
    if data is None:
        raise InputError("this bench needs data: --data DIR with mnist/, fashion-mnist/ and cifar10/")
    names = ["lenet5"] if quick and only is None else list(NETS) if only is None else only.split(",")
    if unknown := [name for name in names if name not in NETS]:
        raise InputError(f"no network is called {unknown[0]!r}; there are {', '.join(NETS)}")
    if seeds < 1:
        raise InputError(f"seeds must be 1 or more, not {seeds}")
    folder, log, console = Path(models or "post-training-models"), ResultLog(results), Console()
    rows = []
    for name in names:
        net = NETS[name]
        loaded, path = load(f"{net.data}:{Path(data) / net.data}"), folder / f"{name}.pt"
        train_float(net, loaded, path, say=console.print)
        model = read_float(net, path)
        for seed in range(1 if quick else seeds):
            key = f"{name}/{seed}/{_weights(model)}"
            rows.append(log.row(key, partial(_row, net, model, loaded, seed)))
    lines = table(rows)
    shown = Table(
        "network",
        "float",
        *RIVALS,
        "int8",
        "range",
        "minus the best",
        "int16",
        title=f"Post-training quantization, {IMAGES} images, per cent right; onnxruntime beside ours",
    )
    for line in lines:
        shown.add_row(
            line["network"],
            f"{line['float']:.2f}",
            *(f"{line['rivals'][label]:.2f}" for label in RIVALS),
            f"{line['int8']:.2f}",
            f"{line['low']:.2f}-{line['high']:.2f}",
            f"{line['gap']:+.2f}",
            f"{line['int16']:.2f}",
        )
    console.print(shown)
    met = all(line["gap"] >= -GOAL for line in lines)
    console.print(f"within {GOAL} point of the best of onnxruntime's: {'yes' if met else 'NO'}")
    if json_path:
        Path(json_path).write_text(json.dumps({"lines": lines, "rows": rows}, indent=2) + "\n")
    return lines
