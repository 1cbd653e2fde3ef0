"""Training from a tree of image files as ImageNet is one: resumed after kills, with other numbers of
processes, within its memory, and no slower than its decoders.

    python -m fermatnet.bench.training.tree --out OUT --images 1000 --classes 20 --size 224

Makes a tree of images of mixed sizes with some corrupt files. Then torchrun with two CPU processes trains it
whole; again, killed by SIGKILL in the middle of an epoch, and taken up by two processes (weights must be
equal bit for bit) and by one (same order of samples, same rates, and the same losses but for the order of
summation). Prints and writes OUT/tree.json: equality, how far the losses of the next ten steps are apart,
peak memory of a process, the processor's time for decoding and for a step.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermatnet.model.train.images.loader import Corrupt, StreamBatches, StreamPart
from fermatnet.model.train.images.transforms import Recipe
from fermatnet.model.train.images.tree import read_tree

__all__ = ["make_tree", "run"]

_WORKER = """
import json, os, sys, time
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.run import train
out, stop = sys.argv[1], int(sys.argv[2])
given = json.loads(sys.argv[3])
step, rank = Phase._step, os.environ.get("RANK", "0")
with open(f"{out}.pid.{rank}", "w") as kept:
    kept.write(str(os.getpid()))
def told(self, images, labels, factor):
    before = dict(self.sums)
    at = self.epoch * len(self.batches) + self.step
    if stop and at == stop:
        print("here", flush=True)
        time.sleep(600)
    started = time.process_time()
    step(self, images, labels, factor)
    took = time.process_time() - started
    line = {key: self.sums[key] - before[key] for key in ("loss", "seen")} | {"step": at}
    line["processor"] = took
    line |= {"lr": self.optimizer.param_groups[0]["lr"], "labels": labels.tolist()}
    with open(f"{out}.steps.{rank}", "a") as kept:
        kept.write(json.dumps(line) + "\\n")
Phase._step = told
train(out=out, progress=False, resume=True, **given)
"""


def make_tree(root: Path, images: int, classes: int, corrupt: int, seed: int = 0) -> None:
    """JPEG and PNG files of 60 to 500 pixels a side, colour and grey, smooth noise around a colour of the
    class; an eighth more for validation; ``corrupt`` of the training files cut short."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    colours = rng.integers(110, 146, (classes, 3))  # near each other: not learned in two epochs
    for side, count in (("train", images), ("val", images // 8)):
        for number in range(count):
            label = number % classes
            folder = root / side / f"n{label:03}"
            folder.mkdir(parents=True, exist_ok=True)
            small = rng.normal(colours[label], 40, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            size = (int(rng.integers(60, 500)), int(rng.integers(60, 500)))
            picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
            if number % 50 == 7:
                picture = picture.convert("L")
            path = folder / f"{number:05}.{'png' if number % 20 == 3 else 'JPEG'}"
            picture.save(path)
            if side == "train" and number < corrupt:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _start(out: Path, stop: int, processes: int, arguments: dict[str, Any]) -> subprocess.Popen:
    script = out.parent / "worker.py"
    script.write_text(_WORKER)
    launch = [sys.executable, str(script)]
    if processes > 1:
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        launch = [sys.executable, *torchrun, str(script)]
    return subprocess.Popen(
        [*launch, str(out), str(stop), json.dumps(arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def _finish(process: subprocess.Popen) -> float:
    started = time.perf_counter()
    process.communicate()
    if process.returncode:
        raise RuntimeError(f"a training ended with status {process.returncode}")
    return time.perf_counter() - started


def _kill(process: subprocess.Popen, out: Path) -> None:
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGSTOP)  # torchrun: it would begin to tidy up
    for path in out.parent.glob(f"{out.name}.pid.*"):  # its processes have sessions of their own
        os.kill(int(path.read_text()), signal.SIGKILL)
    process.kill()
    process.wait()


def _steps(out: Path) -> dict[int, dict[str, Any]]:
    """By step: mean loss over the processes, rate, and the labels they saw, sorted; the last entry counts."""
    by_step: dict[int, dict[str, Any]] = {}
    by_rank = []
    for path in sorted(out.parent.glob(f"{out.name}.steps.*")):
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        by_rank.append({entry["step"]: entry for entry in entries})
    for at in by_rank[0]:
        parts = [rank[at] for rank in by_rank if at in rank]
        seen = sum(part["seen"] for part in parts)
        labels = sorted(label for part in parts for label in part["labels"])
        loss = sum(part["loss"] for part in parts) / seen
        by_step[at] = {"loss": loss, "lr": parts[0]["lr"], "labels": labels}
    return by_step


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "float.pt", weights_only=True)["model"]


def _decoding(tree: Path, size: int, batch: int, count: int = 4) -> float:
    """Processor seconds of decoding an image, in this process."""
    recipe = Recipe(size, round(size * 256 / 224), "resized", flip=True)
    part = StreamPart(read_tree(tree)[0], recipe, 0, Corrupt("skip"))
    batches = StreamBatches(part, batch, 0)
    started, seen = time.process_time(), 0
    for images, _ in itertools.islice(batches.epoch(0), count):
        seen += len(images)
    return (time.process_time() - started) / seen


def run(
    out: Path,
    *,
    images: int = 1000,
    classes: int = 20,
    size: int = 224,
    corrupt: int = 7,
    batch: int = 64,
    epochs: int = 2,
    net: str = "small-resnet",
    width: int = 8,
) -> dict[str, Any]:
    """All of it; returns and writes the figures."""
    out.mkdir(parents=True, exist_ok=True)
    tree = out / "tree"
    if not tree.exists():
        make_tree(tree, images, classes, corrupt)
    arguments = {
        "net": net,
        "data": f"imagenet:{tree}",
        "network": {"width": width},
        "scheme": "float",
        "epochs": epochs,
        "float_epochs": epochs,
        "batch": batch,
        "size": size,
        "workers": 1,
        "corrupt": "skip",
        "threads": 1,
        "optimizer": "adamw",
        "float_lr": 5e-4,
        "schedule": "cosine",
        "flip": True,
        "checkpoint_steps": 3,
    }
    steps = images // batch
    stop = epochs * steps - min(10, steps - 2)
    _finish(_start(out / "whole", 0, 2, arguments))
    _kill(_start(out / "cut", stop, 2, arguments), out / "cut")
    for name in out.glob("cut.steps.*"):
        shutil.copy(name, out / name.name.replace("cut", "one"))
    shutil.copytree(out / "cut", out / "one")
    _finish(_start(out / "cut", 0, 2, arguments))
    (out / "one.steps.1").rename(out / "before.steps.1")
    (out / "one.steps.0").rename(out / "before.steps.0")
    _finish(_start(out / "one", 0, 1, arguments))
    whole, cut = _weights(out / "whole"), _weights(out / "cut")
    there, here = _steps(out / "whole"), _steps(out / "one")
    after = sorted(here)[:10]
    pairs = [(there[at], here[at]) for at in after]
    summary = json.loads((out / "whole/summary.json").read_text())
    stepping = [json.loads(line) for line in (out / "whole.steps.0").read_text().splitlines()][1:]
    computing = sum(row["processor"] for row in stepping) / sum(row["seen"] for row in stepping)
    decoding = _decoding(tree, size, batch)
    ratio = [b["loss"] / a["loss"] for a, b in pairs]
    figures = {
        "bit_for_bit": all(torch.equal(whole[key].nan_to_num(), cut[key].nan_to_num()) for key in whole),
        "same_labels": all(a["labels"] == b["labels"] for a, b in pairs),
        "same_rates": all(a["lr"] == b["lr"] for a, b in pairs),
        "loss_ratio_mean": sum(b["loss"] for _, b in pairs) / sum(a["loss"] for a, _ in pairs),
        "loss_ratios": [round(value, 7) for value in ratio],
        "greatest_loss_difference": float(f"{max(abs(value - 1) for value in ratio):.2g}"),
        "corrupt": summary["corrupt"],
        "peak_memory_mb": summary["peak_memory_mb"],
        "waiting": summary["waiting"],
        "processor_ms_of_a_step_an_image": round(1e3 * computing, 3),
        "processor_ms_of_decoding_an_image": round(1e3 * decoding, 3),
        "loader_to_steps": round(computing / decoding, 2),
    }
    (out / "tree.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parsed = parser.parse_args()
    run(parsed.out, images=parsed.images, classes=parsed.classes, size=parsed.size, batch=parsed.batch)
