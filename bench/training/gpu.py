"""What a GPU is wanted for, as one program of about twelve minutes that stores its results as it goes.

    python -m fermatnet.bench.training.gpu --cifar10 cifar10:DIR --cifar100 cifar100:DIR --out OUT
    python -m fermatnet.bench.training.gpu ... --device cpu --steps 2      the same on a CPU: two steps

In order of worth: cost of a PA(4,5) training step beside fp32 and Brevitas with 4 bits; CNV with PA(4,5) on
CIFAR-10, as far as its share of the time goes; ResNet18 plain and with AW-convolutions on CIFAR-100. Each
result is a line of OUT/results.jsonl the moment it is there; a second call goes on with what is missing,
trainings from their last checkpoint.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fermatnet.bench.training.step import brevitas_network
from fermatnet.model import zoo
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.run import train

__all__ = ["run"]


class _Enough(Exception):
    """The share of the time, or the number of steps, is used up."""


class _Kept:
    """OUT/results.jsonl: what is there is not done again."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.path = out / "results.jsonl"
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        self.done = {entry["what"] for entry in map(json.loads, lines) if entry.get("finished", True)}

    def add(self, what: str, figures: dict[str, Any]) -> None:
        line = json.dumps({"what": what, **figures})
        with self.path.open("a") as stream:
            stream.write(line + "\n")
        print(line, flush=True)


def _step_costs(device: str, rounds: int, batch: int) -> dict[str, Any]:
    """Median milliseconds of a training step, variants in turns."""
    shape = (3, 32, 32)
    images = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 10, (batch,), device=device)
    models: dict[str, nn.Module | None] = {
        "fp32": zoo.build("cnv", how=scheme("float"), shape=shape),
        "PA(4,5)": zoo.build("cnv", how=scheme("pa"), shape=shape),
        "Brevitas, 4 bit": brevitas_network("cnv", shape, 4),
    }
    present = {label: model.to(device).train() for label, model in models.items() if model is not None}
    optimizers = {label: torch.optim.SGD(model.parameters(), 1e-3) for label, model in present.items()}
    times: dict[str, list[float]] = {label: [] for label in present}
    for number in range(rounds + 2):
        for label, model in present.items():
            started = _now(device)
            optimizers[label].zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizers[label].step()
            if number >= 2:
                times[label].append(_now(device) - started)
    medians = {label: sorted(mine)[len(mine) // 2] for label, mine in times.items()}
    return {
        "milliseconds": {label: round(1e3 * value, 2) for label, value in medians.items()},
        "cost": {label: round(value / medians["fp32"], 3) for label, value in medians.items()},
        "batch": batch,
    }


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def _until(seconds: float, steps: int) -> Callable[[], None]:
    """Makes every training stop, with a checkpoint, when its time or its steps are used up."""
    started, count = time.perf_counter(), 0
    step = Phase._step

    def counted(self: Phase, *arguments: Any) -> None:
        nonlocal count
        if time.perf_counter() - started > seconds or (steps and count >= steps):
            raise _Enough
        step(self, *arguments)
        count += 1

    def undo() -> None:
        Phase._step = step  # type: ignore[method-assign]

    Phase._step = counted  # type: ignore[method-assign, assignment]
    return undo


def _training(out: Path, name: str, seconds: float, steps: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """Train until the time is up; what was reached either way."""
    folder = out / name
    undo = _until(seconds, steps)
    settings = {**arguments, "resume": True, "progress": False}
    try:
        summary = train(settings.pop("net"), settings.pop("data"), folder, **settings)
        return {"finished": True, "accuracy": summary["accuracy"], "seconds": summary["seconds"]}
    except _Enough:
        metrics = folder / "metrics.jsonl"
        lines = metrics.read_text().splitlines() if metrics.is_file() else []
        last = json.loads(lines[-1]) if lines else {}
        return {"finished": bool(steps), "epochs": len(lines), "last": last}
    finally:
        undo()


def run(
    cifar10: str, cifar100: str, out: Path, *, device: str, minutes: float = 12.0, steps: int = 0
) -> None:
    """All of it; ``steps`` > 0: so many steps of each training, to try the program."""
    kept = _Kept(out)
    fast: dict[str, Any] = {"device": device, "validation": 0.05, "seed": 0, "checkpoint_steps": 0}
    if device.startswith("cuda"):
        fast |= {"precision": "bfloat16", "channels_last": True, "batch": 512}
    if steps:
        fast |= {"batch": 16}
    epochs = {"epochs": 60, "float_epochs": 30, "schedule": "cosine", "warmup": 0.05}
    cnv = {"net": "cnv", "data": cifar10, "weights": 4, "activations": 5, **epochs}
    plain = {"recipe": "chapter7-cifar100", "data": cifar100}
    plan = (
        ("CNV, PA(4,5), CIFAR-10", "cnv", 0.4, {**cnv, **fast}),
        ("ResNet18, plain, CIFAR-100", "plain", 0.25, {"net": "plain-resnet18", **plain, **fast}),
        ("ResNet18, AW, CIFAR-100", "aw", 0.25, {"net": "aw-resnet18", **plain, **fast}),
    )
    if "step" not in kept.done:
        kept.add("step", _step_costs(device, 2 if steps else 30, 16 if steps else 256))
    for what, name, share, arguments in plan:
        if what not in kept.done:
            kept.add(what, _training(out, name, 60 * minutes * share, steps, arguments))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True, help="data, such as cifar10:DIR")
    parser.add_argument("--cifar100", required=True, help="data, such as cifar100:DIR")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--steps", type=int, default=0, help="so many steps of each training alone")
    parsed = parser.parse_args()
    how = {"device": parsed.device, "minutes": parsed.minutes, "steps": parsed.steps}
    run(parsed.cifar10, parsed.cifar100, parsed.out, **how)
