"""``fermatnet explore`` held against the clock and against yosys.

``fermatnet bench explore`` makes the fronts of the demo's network and of PA-ResNet8 for three devices, times
them, then generates and maps two points of each front of the demo's network: the LUTs that yosys finds beside
the predicted ones, and whether the points stand in the same order by both. Rows are kept as they come
(``--results``); ``--only`` takes one device, ``--quick`` a small residual network in the place of both,
``--models`` is a folder with ``digits.onnx``.
"""

import functools
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network import Network
from fermatnet.model.network.file.store import sha256
from fermatnet.model.result_log import ResultLog, design_digest
from fermatnet.search.explore.front import explore, make
from fermatnet.synth.flow import synthesise

__all__ = ["DEVICES", "mean_error", "run", "same_order"]

DEVICES = ("xc7z020", "ecp5-85k", "ice40-up5k")
NETWORKS: dict[str, Callable[[Path | None], Network]] = {
    "digits": lambda models: network("digits", models),
    "PA-ResNet8": lambda models: pa_resnet(),
}
QUICK: dict[str, Callable[[Path | None], Network]] = {
    "small": lambda models: pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4),
}
JUDGED = ("digits", "small")  # networks whose points are mapped
GOAL_SECONDS, GOAL_ERROR = 60, 0.10
JOBS = 2
FRONT_COLUMNS = ("device", "network", "seconds", "CPU s", "points", "designs", "fits", "LUT", "cycles")


def mean_error(rows: list[dict[str, Any]]) -> float:
    """Mean of ``|predicted - mapped| / mapped`` of the LUTs of some points."""
    return sum(abs(row["predicted"] - row["luts"]) / row["luts"] for row in rows) / len(rows)


def same_order(rows: list[dict[str, Any]]) -> bool:
    """Whether points of one front stand in the same order by predicted and by mapped LUTs."""
    numbers = range(len(rows))
    predicted = sorted(numbers, key=lambda k: (rows[k]["predicted"], k))
    return predicted == sorted(numbers, key=lambda k: (rows[k]["luts"], k))


@bench
def run(asked: Asked) -> dict[str, list[dict[str, Any]]]:
    """Explores, maps points, prints two tables and gives their rows back: ``fronts`` and ``points``."""
    devices = asked.named(DEVICES, "device")
    makers = QUICK if asked.quick else NETWORKS
    nets = {name: made(asked.folder) for name, made in makers.items()}
    fronts, points = [], []
    for device in devices:
        for name, net in nets.items():
            print(f"{name} on {device} ...", flush=True)
            key = f"front/{device}/{name}/{sha256(net)}"
            fronts.append(asked.log.row(key, functools.partial(_front, name, net, device)))
    for front in fronts:
        name = front["network"]
        for number in _judged(front) if name in JUDGED else []:
            print(f"{name} on {front['device']}, point {number} ...", flush=True)
            points.append(_point(nets[name], front, number, asked.log))
    _print(fronts, points)
    found = {"fronts": fronts, "points": points}
    asked.write(found)
    return found


def _front(name: str, net: Network, device: str) -> dict[str, Any]:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)  # worker processes begin with the clock, as in the command
    started, used = time.monotonic(), _processor()
    found = explore(net, device, jobs=JOBS)
    seconds = time.monotonic() - started
    get_reusable_executor().shutdown(wait=True)  # their time is known when they have ended
    return {
        "device": device,
        "network": name,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(_processor() - used, 1),
        "found": found,
    }


def _processor() -> float:
    """Seconds of the processor that this process and its ended children took."""
    return sum(
        resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def _judged(front: dict[str, Any]) -> list[int]:
    """Numbers of the middle and of the slowest point of a front."""
    last = len(front["found"]["front"])
    return sorted({(last + 1) // 2, last})


def _point(net: Network, front: dict[str, Any], number: int, log: ResultLog) -> dict[str, Any]:
    found = front["found"]
    point = found["front"][number - 1]
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / "out"
        made = make(net, found, number, str(folder))
        key = design_digest(folder)

        def measured() -> dict[str, Any]:
            mapped = synthesise(folder, front["device"], place=False)
            return {
                **{key: front[key] for key in ("device", "network")},
                "number": number,
                "cycles": made["cycles_per_image"],
                "engine": point["engine"],
                "fits": found["fits"],
                "predicted": point["luts"],
                **{key: mapped[key] for key in ("luts", "ffs", "brams", "dsps")},
                "versions": mapped["versions"],
            }

        return log.row(f"point/{front['device']}/{front['network']}/{point['luts']}/{key}", measured)


def _print(fronts: list[dict[str, Any]], points: list[dict[str, Any]]) -> None:
    console = Console(width=140)
    table = Table(title=f"Fronts on {JOBS} processes (goal: under {GOAL_SECONDS} seconds each)")
    for column in (
        "device",
        "network",
        "seconds",
        "CPU seconds",
        "points",
        "designs",
        "fits",
        "LUT",
        "cycles",
    ):
        table.add_column(column, justify="left" if column in ("device", "network") else "right")
    for row in fronts:
        found = row["found"]
        front = found["front"]
        spans = (
            f"{min(p[key] for p in front):,} to {max(p[key] for p in front):,}" for key in ("luts", "cycles")
        )
        designs = len(front) + len(found["others"])
        figures = (
            row["seconds"],
            row["cpu_seconds"],
            len(front),
            designs,
            "yes" if found["fits"] else "none",
        )
        table.add_row(row["device"], row["network"], *map(str, figures), *spans)
    console.print(table)
    if points:
        console.print(_points_table(points))


def _points_table(points: list[dict[str, Any]]) -> Table:
    by_device = {device: [row for row in points if row["device"] == device] for device in DEVICES}
    order = all(same_order(rows) for rows in by_device.values())
    table = Table(
        title=f"LUTs of points by yosys: {mean_error(points):.1%} off on the mean (goal {GOAL_ERROR:.0%}), "
        f"order of each front {'kept' if order else 'NOT kept'}"
    )
    for column in ("device", "network", "point", "cycles", "predicted", "mapped", "off"):
        table.add_column(column, justify="left" if column in ("device", "network") else "right")
    for row in points:
        off = row["predicted"] / row["luts"] - 1
        figures = (f"{row[key]:,}" for key in ("number", "cycles", "predicted", "luts"))
        table.add_row(row["device"], row["network"], *figures, f"{off:+.1%}")
    return table
