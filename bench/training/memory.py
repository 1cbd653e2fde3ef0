"""Peak memory of a training step of one-bit networks: plain, and keeping bits for the backward pass.

``fermatnet bench memory`` takes a step of Adam with each network, scheme ``sign``, in a process of its own
for each row, and measures three things:

* *kept*: bytes that the forward pass keeps for the backward pass, each storage once (the hooks of
  ``torch.autograd.graph.saved_tensors_hooks``), weights left out;
* *peak*: most bytes that torch's allocator held at one time during a step, with weights, gradients, moments
  and images: what it held before the step, and the highest sum of the allocations and releases that
  ``torch.profiler`` records in order (numpy's bytes are not among them: an eighth of a map, or a quarter in
  the backward pass, for as long as one map is packed);
* *resident*: growth of the process's peak resident set (VmHWM) in the same step, everything included.

The goal is a peak of at most 0.4 of the plain step's. Accuracy is of scikit-learn's digits, mean over
``--seeds`` (5), plain and low-memory training of ``boolnet`` with the same options; and with ``--data DIR``
of Fashion-MNIST in DIR/fashion-mnist, one seed. The goal is half a point. ``--only`` takes a network,
``--quick`` the first and no training; rows are kept as they come (``--results``).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.training.sources import sources
from fermatnet.model.errors import InputError

__all__ = ["NETWORKS", "WAYS", "kept_bytes", "measured", "run"]

NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "boolnet 28x28": ("boolnet", {"width": 32, "blocks": 2}, (1, 28, 28)),
    "boolnet 32x32": ("boolnet", {"width": 32, "blocks": 2}, (3, 32, 32)),
    "cnv 32x32": ("cnv", {}, (3, 32, 32)),
}
"""Row: network of the zoo, options of its builder, shape of an image."""
WAYS: dict[str, int] = {"plain": 0, "low memory": 32, "low memory, sign gradients": 1}
"""Row: bits of the weights' gradients of low-memory training, 0: plain training."""
BATCH, PEAK_GOAL, ACCURACY_GOAL = 128, 0.4, 0.5
BUDGET: dict[str, dict[str, Any]] = {
    "digits": {"epochs": 30, "float_epochs": 10, "threads": 1},
    "fashion-mnist": {"epochs": 3, "float_epochs": 1, "threads": 1},
}


@bench
def run(asked: Asked, *, data: str | None = None, seeds: int | None = None) -> dict[str, Any]:
    """Prints both tables; gives {"memory": rows, "accuracy": rows} back and writes it."""
    if asked.quick and data is not None:
        raise InputError("--quick measures memory alone, which needs no --data: leave one of them out")
    tasks = sources(data)
    rows = []
    for name in asked.named(NETWORKS, "network")[: 1 if asked.quick else None]:
        for way in WAYS:
            key = f"memory/{name}/{way}/{json.dumps([NETWORKS[name], BATCH])}"
            rows.append(asked.log.row(key, partial(_in_process, name, way)))
    _print_memory(rows)
    accuracies = [] if asked.quick else _accuracies(asked, tasks, seeds)
    if accuracies:
        _print_accuracy(accuracies)
    found = {"memory": rows, "accuracy": accuracies}
    asked.write(found)
    return found


def _in_process(network: str, way: str) -> dict[str, Any]:
    """`measured` in a process of its own, whose malloc gives freed memory back at once."""
    command = [sys.executable, "-m", __name__, network, way]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"the measurement of {network}, {way} ended with: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(network: str, way: str, batch: int = BATCH) -> dict[str, Any]:
    """Bytes of a step: "kept", "peak" and "resident", as the module says."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, images, labels = _network(network, way, batch)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    model(images[:2]).sum().backward()  # libraries are loaded, compiled kernels made
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    before = _high_water(reset=True)
    step()
    resident = _high_water() - before
    held = sum(x.untyped_storage().nbytes() for x in (*model.state_dict().values(), images, labels))
    moments = sum(2 * p.nbytes for p in model.parameters())
    return {
        "network": network,
        "way": way,
        "batch": batch,
        "kept": kept_bytes(model, images),
        "peak": held + moments + _peak(step, optimizer),
        "resident": resident,
    }


def _network(network: str, way: str, batch: int) -> tuple[Any, Any, Any]:
    import torch

    from fermatnet.model import zoo
    from fermatnet.model.nn.low_memory import low_memory
    from fermatnet.model.nn.scheme import scheme

    name, options, shape = NETWORKS[network]
    model = zoo.build(name, how=scheme("sign"), shape=shape, **options).train()
    if WAYS[way]:
        low_memory(model, gradient_bits=WAYS[way])
    images = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8)
    return model, images, torch.arange(batch) % 10


def kept_bytes(model: Any, images: Any) -> int:
    """Bytes that the forward pass keeps for the backward one, weights left out."""
    import torch

    own, found = {p.data_ptr() for p in model.parameters()}, dict[int, int]()

    def keep(x: Any) -> Any:
        if x.untyped_storage().data_ptr() not in own:
            found[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        y = model(images)
    total = sum(found.values())
    del y
    return total


def _peak(step: Any, optimizer: Any) -> int:
    """Highest sum of the bytes that a step allocates and releases, in order."""
    import torch

    optimizer.zero_grad(set_to_none=True)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest


def _high_water(reset: bool = False) -> int:
    """Peak resident bytes of this process so far; ``reset``: from now on, and those resident now."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    word = "VmRSS" if reset else "VmHWM"
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(word))


def _accuracies(asked: Asked, tasks: dict[str, str], seeds: int | None) -> list[dict[str, Any]]:
    rows = []
    for task, name in tasks.items():
        count = seeds or (5 if task == "digits" else 1)
        for way in WAYS:
            key = f"memory/accuracy/{task}/{way}/{json.dumps([count, BUDGET[task]])}"
            rows.append(asked.log.row(key, partial(_accuracy, task, name, way, count)))
    return rows


def _accuracy(task: str, data: str, way: str, seeds: int) -> dict[str, Any]:
    from fermatnet.model.train.run import train

    options: dict[str, Any] = dict(BUDGET[task])
    if WAYS[way]:
        options |= {"low_memory": True, "sign_gradients": WAYS[way] == 1}
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
            folder = Path(scratch) / "run"
            summary = train("boolnet", data, folder, progress=False, seed=seed, **options)
        found.append(round(100 * float(summary["accuracy"]["quantized"]), 2))
    return {"data": task, "way": way, "accuracy": round(statistics.mean(found), 2), "accuracies": found}


def _print_memory(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"One step of Adam, scheme sign, batch {BATCH}; MB, and in parts of the plain step")
    table.add_column("network")
    table.add_column("training")
    for column in ("kept", "x", "peak", "x (goal 0.4)", "resident", "x"):
        table.add_column(column, justify="right")
    plain = {row["network"]: row for row in rows if row["way"] == "plain"}
    for row in rows:
        cells = []
        for key in ("kept", "peak", "resident"):
            cells += [f"{row[key] / 1e6:.2f}", f"{row[key] / plain[row['network']][key]:.3f}"]
        table.add_row(row["network"], row["way"], *cells)
    Console(width=120).print(table)


def _print_accuracy(rows: list[dict[str, Any]]) -> None:
    table = Table(
        "data", "training", "accuracy %", "points (goal -0.5)", "seeds", title="boolnet, scheme sign"
    )
    plain = {row["data"]: row["accuracy"] for row in rows if row["way"] == "plain"}
    for row in rows:
        seeds = " ".join(f"{value:.2f}" for value in row["accuracies"])
        table.add_row(
            row["data"],
            row["way"],
            f"{row['accuracy']:.2f}",
            f"{row['accuracy'] - plain[row['data']]:+.2f}",
            seeds,
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(sys.argv[1], sys.argv[2])))
