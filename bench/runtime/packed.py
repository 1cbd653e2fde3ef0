"""The packed CPU engine beside others: speed of the same topologies, and equality with the reference.

    fermatnet bench runtime --json runtime.json [--quick] [--larq PYTHON]

Every figure of a table is taken in turns in one process (A A A B B B ... A A A ...), and the least of all
rounds is kept, because other programs can only add to it; with one thread times are the processor's, with two
they are elapsed. Larq Compute Engine needs an environment of its own: ``--larq`` names its Python, and its
figures are then taken right after ours. Losing cases stay in the tables.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from fermatnet.bench.runtime.networks import binary, quantized, random_images, twin
from fermatnet.bench.runtime.rivals import Call, larq, ort_models, ort_session, torch_ways
from fermatnet.bench.samples.networks import random_network
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network import run as run_reference
from fermatnet.runtime import Engine
from fermatnet.runtime.packed import build

__all__ = ["compare", "equality", "run"]

console = Console(width=132, highlight=False)
Rows = list[dict[str, Any]]
IN_A_ROW = 3


def compare(calls: dict[str, Call], threads: int, seconds: float) -> dict[str, float]:
    """Least seconds of each call over interleaved rounds that take about so long together.

    In a round each way runs `IN_A_ROW` times: after the others the caches are theirs, and every way finds its
    own again.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()  # compiles, allocates, warms up
    until, rounds = time.monotonic() + seconds, 0
    while rounds < 5 or time.monotonic() < until:
        rounds += 1
        for name, call in calls.items():
            for _ in range(IN_A_ROW):
                begun = clock()
                call()
                best[name] = min(best[name], clock() - begun)
    return best


def _engines(net: Network, images: np.ndarray, threads: int) -> dict[str, Call]:
    def call(form: str) -> Call:
        engine = Engine(net, threads, form=form)
        return lambda: engine(images)

    return {f"packed, {form}": call(form) for form in build.forms()}


def _best(times: dict[str, float], start: str) -> float:
    return min((value for name, value in times.items() if name.startswith(start)), default=float("nan"))


def _rows(network: str, batch: int, threads: int, times: dict[str, float]) -> Rows:
    """A row a way to run a network; ratios of the engine's fastest form to the best way of each rival."""
    mine = _best(times, "packed")
    return [
        {
            "network": network,
            "batch": batch,
            "threads": threads,
            "way": name,
            "us": value / batch * 1e6,
            "times": value / mine,
        }
        for name, value in times.items()
    ]


def small_resnet(seconds: float, threads: int, compiled: bool) -> Rows:
    """PA(2,1) and PA(4,5) beside the full-precision twin and onnxruntime's INT8 form of the same topology."""
    shape = (1, 28, 28)
    model, rows = twin("small-resnet", shape), []
    models = ort_models(model, random_images(shape, 64))
    nets = {f"PA({m},{n})": quantized("small-resnet", shape, m, n) for m, n in ((2, 1), (4, 5))}
    for batch in (1, 64):
        images = random_images(shape, batch)
        rivals = torch_ways(model, images, compiled) | {
            name: ort_session(data, images, threads) for name, data in models.items()
        }
        calls = {
            f"{label}: {name}": call
            for label, net in nets.items()
            for name, call in _engines(net, images, threads).items()
        }
        times = compare(calls | rivals, threads, seconds)
        for label in nets:
            own = {
                name.removeprefix(f"{label}: "): value
                for name, value in times.items()
                if name.startswith(label)
            }
            rows += _rows(
                f"small-resnet {label}", batch, threads, own | {name: times[name] for name in rivals}
            )
    return rows


def binary_networks(seconds: float, threads: int, python: str | None) -> Rows:
    """TFC and CNV with +-1 weights and one-bit activations."""
    rows: Rows = []
    others = larq(python, threads) if python else {}
    for name, shape in (("tfc", (1, 28, 28)), ("cnv", (3, 32, 32))):
        net = binary(quantized(name, shape, 2, 1))
        for batch in (1, 64):
            times = compare(_engines(net, random_images(shape, batch), threads), threads, seconds)
            if f"{name} {batch}" in others:
                times["larq-compute-engine"] = others[f"{name} {batch}"] * batch
            rows += _rows(f"{name} W1A1", batch, threads, times)
    return rows


def resnet18(seconds: float, threads: int) -> Rows:
    """ResNet-18 at 224 x 224, PA as in the zoo (M = 4, N = 5)."""
    shape = (3, 224, 224)
    images = random_images(shape, 1)
    calls = _engines(quantized("pa-resnet18", shape, 4, 5), images, threads)
    calls |= torch_ways(twin("resnet18", shape), images, False)
    return _rows("resnet18 PA(4,5) 224", 1, threads, compare(calls, threads, seconds))


def equality(count: int, first: int = 0) -> dict[str, Any]:
    """Random networks by seed: results that differ from the reference's, by form (0 each, or the seeds)."""
    wrong: dict[str, list[int]] = {form: [] for form in build.forms()}
    values = 0
    for seed in range(first, first + count):
        net = random_network(seed)
        images = random_images(net.input_shape, 3)
        images[0], images[1] = 0, 255
        wanted = run_reference(net, images)
        values += wanted.size
        for form, seeds in wrong.items():
            if not np.array_equal(Engine(net, 1 + seed % 2, form=form)(images), wanted):
                seeds.append(seed)
    return {"networks": count, "first": first, "values": values, "wrong": wrong}


def _table(title: str, rows: Rows) -> None:
    table = Table(title=title, title_justify="left")
    for name in ("network", "batch", "threads", "way", "us an image", "times as long as the engine"):
        table.add_column(name, justify="left" if name in ("network", "way") else "right")
    for row in rows:
        table.add_row(
            row["network"],
            str(row["batch"]),
            str(row["threads"]),
            row["way"],
            f"{row['us']:.1f}",
            f"{row['times']:.2f}",
        )
    console.print(table)


def run(
    json_path: Path | str | None = None, quick: bool = False, larq: str | None = None, only: str = ""
) -> dict[str, Any]:
    """Prints the tables; optionally writes all figures as JSON. ``quick``: short rounds, 20 random networks,
    no torch.compile.
    """
    threads_before, seconds = torch.get_num_threads(), 0.3 if quick else 3.0
    if build.why_not():
        raise InputError(f"the packed engine cannot be built here: {build.why_not()}")
    figures: dict[str, Any] = {"processor": _processor(), "torch": torch.__version__, "quick": quick}
    console.print(f"{figures['processor']}; forms {', '.join(build.forms())}; torch {torch.__version__}")
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sections = {
                "small-resnet": lambda t: small_resnet(seconds, t, not quick),
                "binary": lambda t: binary_networks(seconds, t, larq),
                "resnet18": lambda t: resnet18(seconds, t),
            }
            for name, section in sections.items():
                if only in ("", name):
                    figures[f"{name}, {threads} threads"] = rows = section(threads)
                    _table(f"{name}, {threads} thread{'s' * (threads > 1)}", rows)
    finally:
        torch.set_num_threads(threads_before)
    if only in ("", "equality"):
        figures["equality"] = equal = equality(20 if quick else 500)
        console.print(
            f"{equal['networks']} random networks, {equal['values']} values, seeds that differ: "
            f"{equal['wrong']}"
        )
    if json_path is not None:
        Path(json_path).write_text(json.dumps(figures, indent=1))
    return figures


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "model\t"))]
    return f"{names[-1]}, model {names[0]}" if names else "unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--larq", metavar="PYTHON", help="a Python with larq-compute-engine")
    parser.add_argument("--only", default="", help="small-resnet, binary, resnet18 or equality")
    options = parser.parse_args()
    run(options.json, options.quick, options.larq, options.only)


if __name__ == "__main__":
    main()
