"""The compiler in numbers: generation of large networks, cost per layer, random networks in RTL, simulation speed.

``python -m fermatnet bench compile`` prints four tables and writes them as JSON. ``FERMATNET_RANDOM_NETWORKS`` is the number of random
networks (default 50).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fermatnet.bench.random_networks import random_network
from fermatnet.bench.rtl import simulate_top
from fermatnet.bench.shapes import pa_densenet, pa_mobilenet, pa_resnet, pa_resnet18
from fermatnet.hw import network
from fermatnet.hw.layers import layer_of
from fermatnet.model.atomic import atomic_file
from fermatnet.model.network import run as reference

__all__ = ["elaboration_rows", "random_rows", "run", "scale_rows", "speed_rows"]

SCALE = {
    "PA-ResNet18 224x224": (pa_resnet18, 20_000_000),
    "PA-DenseNet 32x32": (lambda: pa_densenet((3, 32, 32), (6, 6, 6), 12), 4_000_000),
    "PA-MobileNet 64x64": (lambda: pa_mobilenet((3, 64, 64), (32, 64, 128, 256)), 2_000_000),
}


def _generated(name: str) -> dict[str, Any]:
    """Generates one network in this process: seconds, memory, what came out."""
    make, cycles = SCALE[name]
    started, net = time.perf_counter(), make()
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        made = network.generate(net, Path(scratch) / "out", cycles=cycles)
        size = sum(path.stat().st_size for path in (Path(scratch) / "out").iterdir())
    return {
        "network": name, "layers": len(net.nodes), "seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(time.process_time(), 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2), "megabytes": round(size / 1e6, 1),
        "cycles_per_image": made["cycles_per_image"], "streamed_layers": len(made["external"]),
    }


def scale_rows() -> list[dict[str, Any]]:
    """Each large network in a process of its own, so that memory is its own. Goal: ResNet18 in 120 s and 4 GB."""
    rows = []
    for name in track(SCALE, description="large networks"):
        code = f"import json; from fermatnet.bench import compile as c; print(json.dumps(c._generated({name!r})))"
        done = subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def elaboration_rows() -> list[dict[str, Any]]:
    """Time to plan and emit residual networks of 1, 2, 4, 8 blocks: seconds a layer should not grow."""
    rows = []
    for blocks in track((1, 2, 4, 8), description="elaboration"):
        net = pa_resnet((3, 16, 16), (16,), (blocks,))
        started = time.process_time()
        with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
            network.generate(net, Path(scratch) / "out", cycles=300_000)
        seconds = time.process_time() - started
        rows.append({"blocks": blocks, "layers": len(net.nodes), "cpu_seconds": round(seconds, 2), "seconds_a_layer": seconds / len(net.nodes)})
    return rows


def random_rows(count: int) -> list[dict[str, Any]]:
    """Random networks with random folds: RTL against the reference, under stalls; cycles and latency against their prediction."""
    exact = cycles = latency = bounded = queued = 0
    failed = []
    for number in track(range(count), description="random networks"):
        net, rng = random_network(number), np.random.default_rng(number)
        folds = {node.name: (options := layer_of(net, node).folds())[rng.integers(len(options))] for node in net.nodes}
        design = network.plan(net, folds=folds)
        images = rng.integers(0, 256, (5, *net.input_shape)).astype(np.uint8)
        result = simulate_top(network.Top(design), images, seed=number, calm=3)
        same = bool((result.outputs == reference(net, images)).all())
        paced = result.ends[2] - result.ends[1] == design.cycles_per_image
        exact, cycles, latency = exact + same, cycles + paced, latency + (result.latency == design.latency)
        bounded += design.latency <= result.latency <= design.latency_bound
        queued += any(edge.before or edge.after for edge in design.schedule.edges.values())
        if not (same and paced):
            failed.append(number)
    return [{"networks": count, "seeds": f"0..{count - 1}", "exact": exact, "cycles_exact": cycles, "latency_exact": latency,
             "latency_within_bound": bounded, "with_queues": queued, "failed": failed}]


def speed_rows() -> list[dict[str, Any]]:
    """Images per second of a CIFAR-size PA-ResNet8 on Verilator, through the Verilog harness."""
    from fermatnet.sim.network import simulate

    net = pa_resnet((3, 32, 32), (16, 32, 64), (1, 1, 1))
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        made = network.generate(net, Path(scratch) / "out", cycles=40_000)
        result = simulate(Path(scratch) / "out", images)
    return [{"network": "PA-ResNet8 32x32", "exact": bool((result.outputs == reference(net, images)).all()),
             "cycles_per_image": result.cycles_per_image, "predicted": made["cycles_per_image"], "build_seconds": round(result.build_seconds, 1),
             "images_per_second": round(len(images) / result.seconds, 2), "cycles_per_second": round(result.cycles / result.seconds)}]


def _print(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="right" if isinstance(rows[0][column], int | float) else "left")
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    console.print(table)


def run(json_path: str | Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """Measure everything, print the tables, write JSON when a path is given; returns the rows by table."""
    console = Console()
    tables = {
        "scale": ("Large networks to Verilog", scale_rows), "elaboration": ("Cost of a layer", elaboration_rows),
        "random": ("Random networks in RTL", lambda: random_rows(int(os.environ.get("FERMATNET_RANDOM_NETWORKS", "50")))),
        "speed": ("Simulation on Verilator", speed_rows),
    }
    results = {}
    for key, (title, measure) in tables.items():
        results[key] = measure()
        _print(console, title, results[key])
    if json_path is not None:
        with atomic_file(json_path) as path:
            path.write_text(json.dumps(results, indent=2) + "\n")
    return results
