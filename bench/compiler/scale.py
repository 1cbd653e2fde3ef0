"""Large networks to Verilog, each in a process of its own (so that memory is its own), linted; cost of
elaboration by layers."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.process_memory import Peak
from fermatnet.bench.samples.shapes import pa_densenet, pa_mobilenet, pa_resnet, pa_resnet18
from fermatnet.hw.compiler import generate as network
from fermatnet.sim import tools

__all__ = ["BLOCKS", "SCALE", "elaboration_row", "fitted", "scale_row"]

SCALE = {
    "PA-ResNet18 224x224": (pa_resnet18, 20_000_000),
    "PA-DenseNet 32x32": (lambda: pa_densenet((3, 32, 32), (6, 6, 6), 12), 4_000_000),
    "PA-MobileNet 64x64": (lambda: pa_mobilenet((3, 64, 64), (32, 64, 128, 256)), 2_000_000),
}
"""Network and cycles an image; M = 4, N = 5 in all of them."""

BLOCKS = (1, 2, 4, 8, 16)


def _generated(name: str) -> dict[str, Any]:
    """Generates one network in this process: seconds and memory, lint afterwards."""
    make, cycles = SCALE[name]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        folder = Path(scratch) / "out"
        with Peak() as peak:
            net = make()
            made = network.generate(net, folder, cycles=cycles)
        seconds, usage = (
            time.perf_counter() - started,
            [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)],
        )
        cpu = sum(each.ru_utime + each.ru_stime for each in usage)
        size = sum(path.stat().st_size for path in folder.iterdir())
        verilog = (folder / "fermatnet.v").stat().st_size
        started = time.perf_counter()
        command = [
            "verilator",
            "--lint-only",
            "-Wall",
            "fermatnet.vlt",
            "fermatnet.v",
            "--top-module",
            "fermatnet",
        ]
        lint = subprocess.run(
            command,
            cwd=folder,
            env=tools.find("verilator").environ(),
            capture_output=True,
            text=True,
            check=False,
        )
    return {
        "network": name,
        "layers": len(net.nodes),
        "cycles_per_image": made["cycles_per_image"],
        "streamed_layers": len(made["external"]),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_gb": round(peak.together / 1e9, 2),
        "sum_of_peaks_gb": round((peak.own + peak.others) / 1e9, 2),
        "verilog_mb": round(verilog / 1e6, 1),
        "folder_mb": round(size / 1e6, 1),
        "lint": "clean"
        if lint.returncode == 0 and not lint.stderr.strip()
        else lint.stderr.strip().splitlines()[0],
        "lint_seconds": round(time.perf_counter() - started, 1),
    }


def _alone(call: str) -> Any:
    """The value of an expression over this module, worked out in a fresh process."""
    code = f"import json; from fermatnet.bench import compile_scale as c; print(json.dumps(c.{call}))"
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def scale_row(name: str) -> dict[str, Any]:
    """Goal: PA-ResNet18 in 120 s and 4 GB."""
    return dict(_alone(f"_generated({name!r})"))


def _elaborated(blocks: int) -> dict[str, Any]:
    """Plans and emits a chain of residual blocks, after a first one that fills caches and loads the back
    end."""
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        network.generate(pa_resnet((3, 16, 16), (16,), (1,)), Path(scratch) / "first", cycles=300_000)
        net = pa_resnet((3, 16, 16), (16,), (blocks,))
        started = time.process_time()
        network.generate(net, Path(scratch) / "out", cycles=300_000)
    return {
        "blocks": blocks,
        "layers": len(net.nodes),
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def elaboration_row(blocks: int) -> dict[str, Any]:
    """CPU seconds and layers of a chain of so many residual blocks, measured in a process of its own."""
    return dict(_alone(f"_elaborated({blocks})"))


def fitted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows beside a straight line through them: seconds = slope * layers + offset."""
    layers, seconds = (np.array([row[key] for row in rows], float) for key in ("layers", "cpu_seconds"))
    slope, offset = np.polyfit(layers, seconds, 1)
    return [
        {
            **row,
            "line": round(slope * row["layers"] + offset, 2),
            "residual": round(row["cpu_seconds"] - slope * row["layers"] - offset, 2),
            "slope_s_a_layer": round(slope, 3),
        }
        for row in rows
    ]
