"""Figures 2.2 to 2.5: time against size, kernel, batch, channels and threads."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from fermatnet.bench.software.baselines import Layer, rivals
from fermatnet.bench.software.measure import median, race, ratio
from fermatnet.bench.software.report import LAYERS, Result, console, layer_name, ms, times_faster
from fermatnet.model.fermat.software.convolution import clear_cache, convolve, processors
from fermatnet.model.fermat.software.pricing import Costs, fermat_stages

__all__ = ["growth", "threads"]


def _sweep(
    title: str,
    axis: str,
    points: Sequence[tuple[int, tuple[int, int, int, int, int]]],
    costs: Costs,
    rounds: int,
    loops: bool,
) -> Result:
    """Time along one axis: ours against the model (and the loops); points are (value, (batch, k, n, f,
    f'))."""
    table = Table(title=title)
    for column in (
        axis,
        "transform",
        "ours ms",
        "model ms",
        "off",
        *(("loops ms", "faster") if loops else ()),
    ):
        table.add_column(column, justify="right")
    rows = []
    for value, (batch, k, n, f, o) in points:
        data = Layer.random(batch, k, n, f, o, np.int8)
        profile: dict[str, Any] = {}
        convolve(data.x, data.w, 1, data.pad, method="fermat", threads=1, dtype=np.int32, profile=profile)
        plan = profile["plans"][0]
        expected = sum(
            fermat_stages(
                costs, plan.moduli, plan.points, batch * plan.tiles[0] * plan.tiles[1], f, o, (k, k)
            ).values()
        )
        times, _ = race(rivals(data, ("dfnt", "loops") if loops else ("dfnt",)), rounds, once=("loops",))
        ours = median(times["dfnt"])
        row = {
            axis: value,
            "points": plan.points,
            "seconds": ours,
            "model": expected,
            "off": ours / expected - 1,
        }
        cells = [str(value), "{}x{}".format(*plan.points), ms(ours), ms(expected), f"{row['off']:+.0%}"]
        if loops:
            row["loops"] = times["loops"][0]
            cells += [ms(row["loops"]), f"{row['loops'] / ours:.1f} x"]
        table.add_row(*cells)
        rows.append(row)
        clear_cache()
    console.print(table)
    return {"axis": axis, "rows": rows, "greatest": max(abs(row["off"]) for row in rows)}


def growth(quick: bool, costs: Costs) -> Result:
    """Figures 2.2 to 2.4, and channels: time against the cost model calibrated just before."""
    rounds = 2 if quick else 9
    sizes = (10, 26) if quick else (10, 18, 26, 42, 58)
    kernels = (3, 7) if quick else (3, 5, 7, 9, 11)
    batches = (1, 4) if quick else (1, 2, 4, 8, 16, 32)
    channels = (32, 96) if quick else (16, 32, 64, 96, 192, 384)
    sweeps = {
        "2.2": _sweep(
            "Figure 2.2: input size (k = 7, 96 -> 256, batch 4)",
            "n",
            [(n, (4, 7, n, 96, 256)) for n in sizes],
            costs,
            rounds,
            True,
        ),
        "2.3": _sweep(
            "Figure 2.3: kernel (n + k - 1 = 32, 96 -> 256, batch 4)",
            "k",
            [(k, (4, k, 33 - k, 96, 256)) for k in kernels],
            costs,
            rounds,
            True,
        ),
        "2.4": _sweep(
            "Figure 2.4: batch (k = 7, n = 26, 96 -> 256)",
            "batch",
            [(s, (s, 7, 26, 96, 256)) for s in batches],
            costs,
            rounds,
            False,
        ),
        "channels": _sweep(
            "Channels in and out (k = 5, n = 12, batch 16)",
            "f",
            [(f, (16, 5, 12, f, f)) for f in channels],
            costs,
            rounds,
            False,
        ),
    }
    worst = max(sweep["greatest"] for sweep in sweeps.values())
    console.print(f"greatest distance from the cost model: {worst:.0%}")
    return {**sweeps, "greatest": worst}


def threads(quick: bool, costs: Costs) -> Result:
    """Figure 2.5."""
    most = min(4, processors())
    batch, rounds = (2, 2) if quick else (32, 7)
    table = Table(title=f"Figure 2.5: threads (batch {batch}, this machine has {most} processors for us)")
    for column in (
        "layer",
        *(f"{t} thread(s), ms" for t in range(1, most + 1)),
        "faster than one (least - greatest)",
    ):
        table.add_column(column, justify="right")
    rows = []
    for layer in LAYERS:
        k, n, f, o = layer
        data = Layer.random(batch, k, n, f, o, np.int8)

        def call(count: int, data: Layer = data) -> Callable[[], np.ndarray]:
            return lambda: convolve(
                data.x, data.w, 1, data.pad, method="fermat", threads=count, dtype=np.int32
            )

        times, _ = race({str(t): call(t) for t in range(1, most + 1)}, rounds, elapsed=True)
        row: dict[str, Any] = {
            "layer": layer,
            "seconds": times,
            "ratio": {t: ratio(times["1"], times[t]) for t in times if t != "1"},
        }
        gains = [times_faster(row["ratio"][t]) for t in row["ratio"]]
        table.add_row(layer_name(layer), *(ms(median(times[t])) for t in times), ", ".join(gains) or "-")
        rows.append(row)
        clear_cache()
    console.print(table)
    return {"rows": rows}
