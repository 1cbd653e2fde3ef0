"""Table 2.3: milliseconds of each layer, beside the rivals."""

from typing import Any

import numpy as np
from rich.table import Table

from fermatnet.bench.software.baselines import NAMES, QUANTUM, Layer, rivals, worst_int8_error
from fermatnet.bench.software.measure import median, race, ratio
from fermatnet.bench.software.report import LAYERS, Result, console, layer_name, ms, times_faster
from fermatnet.model.fermat.software.convolution import clear_cache
from fermatnet.model.fermat.software.counts import direct_count
from fermatnet.model.fermat.software.pricing import Costs

__all__ = ["runtime"]

THESIS = {  # table 2.3, seconds at batch 128
    "int8": ((1.95, 2.33), (109.65, 45.34), (72.67, 40.82), (109.60, 60.32), (94.07, 60.16)),
    "int16": ((2.48, 2.73), (126.40, 52.73), (83.45, 47.82), (130.03, 70.49), (97.52, 70.58)),
}


def _measured(
    layer: tuple[int, int, int, int],
    kind: Any,
    names: tuple[str, ...],
    batch: int,
    rounds: int,
    thesis: float,
) -> Result:
    """One layer by every rival; those that are exact must agree with the direct loops."""
    k, n, f, o = layer
    data = Layer.random(batch, k, n, f, o, kind)
    slow_ones = ("loops", "blocked") if kind is np.int16 else ("loops",)
    times, results = race(
        rivals(data, names),
        rounds,
        once=slow_ones if direct_count(batch, f, o, n, k)["multiply"] > 10**9 else (),
    )
    exact = results["loops"]
    wrong = {
        name: int((np.asarray(value) != exact).sum()) for name, value in results.items() if name != "int8"
    }
    if any(wrong[name] for name in wrong if name != "fft"):
        raise AssertionError(f"{layer_name(layer)}: results differ from the direct loops: {wrong}")
    row: Result = {"layer": layer, "seconds": times, "wrong": wrong, "thesis": thesis, "ratio": {}}
    if "int8" in results:
        row["int8_error"] = worst_int8_error(results["int8"], exact)
    row["ratio"] = {name: ratio(times[name], times["dfnt"]) for name in names}
    clear_cache()
    return row


def _tables(
    label: str, names: tuple[str, ...], rows: list[Result], batch: int, rounds: int
) -> dict[str, float]:
    """Prints both tables of one type; seconds of all layers by rival."""
    table = Table(title=f"Table 2.3, {label.upper()}: milliseconds, batch {batch}, one thread")
    faster = Table(
        title=f"Table 2.3, {label.upper()}: times faster than each (least - greatest over {rounds} rounds)"
    )
    for column in ("layer", *names):
        table.add_column(column, justify="right")
    for column in ("layer", *names[1:], "thesis"):
        faster.add_column(column, justify="right")
    for row in rows:
        table.add_row(layer_name(row["layer"]), *(ms(median(row["seconds"][name])) for name in names))
        faster.add_row(
            layer_name(row["layer"]),
            *(times_faster(row["ratio"][name]) for name in names[1:]),
            f"{row['thesis']:.2f} x",
        )
    totals = {name: sum(median(row["seconds"][name]) for row in rows) for name in names}
    table.add_section()
    table.add_row("all", *(ms(totals[name]) for name in names))
    direct, transformed = (sum(v[i] for v in THESIS[label]) for i in (0, 1))
    faster.add_section()
    faster.add_row(
        "all",
        *(f"{totals[name] / totals['dfnt']:.2f} x" for name in names[1:]),
        f"{direct / transformed:.2f} x",
    )
    console.print(table, faster)
    return totals


def runtime(quick: bool, costs: Costs) -> Result:
    """Table 2.3, with the rivals."""
    batch, rounds = (1, 1) if quick else (16, 3)
    figures: Result = {"batch": batch, "rounds": rounds}
    for kind, label in ((np.int8, "int8"), (np.int16, "int16")):
        names = tuple(NAMES) if kind is np.int8 else ("dfnt", "loops", "blocked", "float64", "fft")
        rows = [
            _measured(layer, kind, names, batch, rounds, slow / fast)
            for layer, (slow, fast) in zip(LAYERS, THESIS[label], strict=True)
        ]
        totals = _tables(label, names, rows, batch, rounds)
        if kind is np.int8:
            off = max(row["int8_error"] for row in rows)
            console.print(
                f"int8 hands out steps of {QUANTUM:.0f}, off by up to {off:.0f}; the others agree in every "
                "value here."
            )
        figures[label] = {"rows": rows, "seconds": totals}
    console.print(*(f"{name:8} {NAMES[name]}" for name in NAMES), sep="\n")
    return figures
