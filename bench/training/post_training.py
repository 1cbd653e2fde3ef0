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
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from fermatnet.bench.training.draws import IMAGES, Draws, calibration_images, converted
from fermatnet.bench.training.onnxruntime_static import quantized_accuracies
from fermatnet.bench.training.post_training_nets import NETS, Net, accuracy
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.result_log import ResultLog
from fermatnet.model.train.data import Data, Part

__all__ = ["onnxruntime_accuracy", "ours", "run", "table"]

GOAL = 0.2  # points
# label: calibration method, one scale a channel
RIVALS = {
    "default": ("MinMax", False),
    "channel, MinMax": ("MinMax", True),
    "channel, Entropy": ("Entropy", True),
    "channel, Percentile": ("Percentile", True),
}


def ours(model: nn.Module, images: np.ndarray, part: Part, how: str = "int8") -> float:
    """Accuracy of the network converted with those images; InputError if the network file's reference gives
    other integers."""
    return converted(model, images, part, scheme(how))[1]


def onnxruntime_accuracy(model: nn.Module, images: np.ndarray, part: Part) -> dict[str, float]:
    """Accuracy of ``model`` as onnxruntime quantizes it with those images, in each of the `RIVALS`' ways."""
    ways = {
        label: {"calibrate_method": method, "per_channel": channelwise}
        for label, (method, channelwise) in RIVALS.items()
    }
    return {label: float(found) for label, found in quantized_accuracies(model, images, part, ways).items()}


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
    trained = ["lenet5"] if quick else [name for name in NETS if not NETS[name].file]
    names = trained if only is None else only.split(",")
    draws, console = Draws(names, 1 if quick else seeds, data, models, ResultLog(results)), Console()
    rows = [row for found in draws.rows(_row, console.print) for row in found]
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
