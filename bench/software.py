"""The software convolution beside its rivals: tables 2.1 to 2.3, figures 2.1 to 2.5, in one run.

    fermatnet bench software --json software.json
    python -m fermatnet.bench.software --plots DIR [--quick] [--only table-2.3 ...]

Times are medians over interleaved rounds (A B C A B C ...), so that a busy machine slows all alike; ratios are medians of the ratios within a round, with
the least and the greatest beside them. With one thread, times are the processor's (on an idle machine the same as elapsed); with several, elapsed.
Our time includes everything a call does (bound, plan, comparison of the weights with the cache, all transforms of the image and of the result);
weight spectra are in the cache, as kernels are prepared in advance for every rival.
"""

import argparse
import dataclasses
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from fermatnet.bench.software_measure import calibrate, median, race, ratio
from fermatnet.bench.software_rivals import NAMES, QUANTUM, Layer, rivals, worst_int8_error
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software_build import library
from fermatnet.model.fermat.software_convolution import clear_cache, convolve, explain, processors
from fermatnet.model.fermat.software_counts import direct_count, plan_count, thesis_count, unified
from fermatnet.model.fermat.software_plan import Costs, choose, fermat_stages, modulus_name

__all__ = ["LAYERS", "SECTIONS", "run"]

LAYERS = ((11, 22, 3, 96), (7, 26, 96, 256), (5, 12, 256, 384), (5, 12, 384, 384), (3, 14, 384, 384))  # (k, n, f, f') of tables 2.2 and 2.3
THESIS = {  # table 2.3, seconds at batch 128
    "int8": ((1.95, 2.33), (109.65, 45.34), (72.67, 40.82), (109.60, 60.32), (94.07, 60.16)),
    "int16": ((2.48, 2.73), (126.40, 52.73), (83.45, 47.82), (130.03, 70.49), (97.52, 70.58)),
}
console = Console(width=132, highlight=False)
Result = dict[str, Any]


def _name(layer: tuple[int, int, int, int]) -> str:
    k, n, f, o = layer
    return f"({k}, {n + k - 1}, {f}, {o})"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def _times(ratio: tuple[float, float, float]) -> str:
    return "{:.2f} x ({:.2f} - {:.2f})".format(*ratio) if ratio[2] > 1.005 * ratio[1] else f"{ratio[0]:.2f} x"


def operations(quick: bool, costs: Costs) -> Result:
    """Table 2.1 and figure 2.1."""
    batch, k, f, o = 128, 7, 96, 256
    table = Table(title=f"Table 2.1, figure 2.1: operations, batch {batch}, {f} -> {o} channels, k = {k} (G = 10^9; 16-bit, 32- and 64-bit as marked)")
    for column in ("n", "direct: mul + add", "thesis: mul + add + shift", "of it", "ours: 16-bit mul-add", "transform add", "shift", "reduce", "of direct"):
        table.add_column(column, justify="right")
    rows = []
    for n in (10, 18, 26, 34, 42, 58, 90):
        direct, thesis = direct_count(batch, f, o, n, k), thesis_count(batch, f, o, n, k)
        plan = choose((batch, f, o, k, k, n, n), -(1 << 27), 1 << 27, method="fermat")
        ours = plan_count(plan)
        # the thesis' units for INT16: 32-bit multiplication = 1, 64-bit addition = 1; a 64-bit multiplication is four, a 32-bit addition half
        one = {"direct": unified(direct, 1, 1), "thesis": unified(thesis, 4, 1), "ours": unified(ours, 1, 1) + 2 * ours["reduce"]}
        rows.append({"n": n, "direct": direct, "thesis": thesis, "ours": ours, "unified": one, "points": plan.points})
        cells = [unified(direct, 1, 1), unified(thesis, 1, 1), ours["multiply"], ours["add"], ours["shift"], ours["reduce"]]
        shown = [f"{v / 1e9:.2f}" for v in cells]
        table.add_row(str(n), shown[0], shown[1], f"{cells[0] / cells[1]:.1f} x", *shown[2:], f"{one['direct'] / one['ours']:.1f} x")
    console.print(table)
    return {"rows": rows}


def mismatches(quick: bool, costs: Costs) -> Result:
    """Table 2.2: whole images against a direct convolution in float64, whose sums are below 2^53 here and therefore exact."""
    images, chunk = (2, 2) if quick else (100, 50)
    table = Table(title=f"Table 2.2: mismatch / match, {images} random images a layer against a direct convolution")
    for column in ("layer", "INT16", "INT8", "greatest |y| (INT16)", "bound", "modulus"):
        table.add_column(column, justify="right")
    rows = []
    for layer in LAYERS:
        k, n, f, o = layer
        cells: dict[type, tuple[Any, ...]] = {}
        row: Result = {"layer": layer}
        for kind in (np.int16, np.int8):
            wrong = done = values = greatest = 0
            for seed in range(images // chunk):
                data = Layer.random(chunk, k, n, f, o, kind, seed)
                bound = max(np.abs(data.w.astype(np.int64)).reshape(o, -1).sum(1).tolist()) * -int(np.iinfo(kind).min)
                if bound >= 1 << 53:
                    raise InputError("the oracle would round")
                profile: dict[str, Any] = {}
                got = convolve(data.x, data.w, 1, data.pad, method="fermat", profile=profile)
                exact = torch.nn.functional.conv2d(torch.from_numpy(data.x).double(), torch.from_numpy(data.w).double(), padding=data.pad).numpy()
                wrong += int((got != exact).any(axis=(1, 2, 3)).sum())
                done, values, greatest = done + chunk, values + got.size, max(greatest, int(np.abs(got).max()))
                clear_cache()
            plan = profile["plans"][0]
            cells[kind] = (f"{wrong}/{done - wrong}", greatest, bound, "+".join(map(modulus_name, plan.moduli)))
            row[kind.__name__] = {"mismatch": wrong, "match": done - wrong, "values": values, "greatest": greatest, "moduli": plan.moduli}
        rows.append(row)
        wide, narrow = cells[np.int16], cells[np.int8]
        table.add_row(_name(layer), wide[0], narrow[0], f"{wide[1]:.3g}", f"{wide[2]:.3g}", f"{wide[3]}, {narrow[3]}")
    console.print(table)
    return {"images": images, "rows": rows}


def runtime(quick: bool, costs: Costs) -> Result:
    """Table 2.3, with the rivals."""
    batch, rounds = (1, 1) if quick else (16, 3)
    found: Result = {"batch": batch, "rounds": rounds}
    for kind, label in ((np.int8, "int8"), (np.int16, "int16")):
        names = tuple(NAMES) if kind is np.int8 else ("dfnt", "loops", "blocked", "float64", "fft")
        table = Table(title=f"Table 2.3, {label.upper()}: milliseconds, batch {batch}, one thread")
        faster = Table(title=f"Table 2.3, {label.upper()}: times faster than each (least - greatest over {rounds} rounds)")
        for column in ("layer", *names):
            table.add_column(column, justify="right")
        for column in ("layer", *names[1:], "thesis"):
            faster.add_column(column, justify="right")
        rows, totals = [], dict.fromkeys(names, 0.0)
        for layer, (slow, fast) in zip(LAYERS, THESIS[label], strict=True):
            k, n, f, o = layer
            data = Layer.random(batch, k, n, f, o, kind)
            calls = rivals(data, names)
            slow_ones = ("loops", "blocked") if kind is np.int16 else ("loops",)
            times, results = race(calls, rounds, once=slow_ones if direct_count(batch, f, o, n, k)["multiply"] > 10**9 else ())
            exact = results["loops"]
            wrong = {name: int((np.asarray(value) != exact).sum()) for name, value in results.items() if name != "int8"}
            if any(wrong[name] for name in wrong if name != "fft"):
                raise AssertionError(f"{_name(layer)}: results differ from the direct loops: {wrong}")
            row: Result = {"layer": layer, "seconds": times, "wrong": wrong, "thesis": slow / fast, "ratio": {}}
            if "int8" in results:
                row["int8_error"] = worst_int8_error(results["int8"], exact)
            for name in names:
                totals[name] += median(times[name])
                row["ratio"][name] = ratio(times[name], times["dfnt"])
            table.add_row(_name(layer), *(_ms(median(times[name])) for name in names))
            faster.add_row(_name(layer), *(_times(row["ratio"][name]) for name in names[1:]), f"{slow / fast:.2f} x")
            rows.append(row)
            clear_cache()
        table.add_section()
        table.add_row("all", *(_ms(totals[name]) for name in names))
        direct, transformed = (sum(v[i] for v in THESIS[label]) for i in (0, 1))
        faster.add_section()
        faster.add_row("all", *(f"{totals[name] / totals['dfnt']:.2f} x" for name in names[1:]), f"{direct / transformed:.2f} x")
        console.print(table, faster)
        if kind is np.int8:
            off = max(row["int8_error"] for row in rows)
            console.print(f"int8 hands out steps of {QUANTUM:.0f}, off by up to {off:.0f}; the others agree in every value here.")
        found[label] = {"rows": rows, "seconds": totals}
    console.print(*(f"{name:8} {NAMES[name]}" for name in NAMES), sep="\n")
    return found


def _sweep(title: str, axis: str, points: Sequence[tuple[int, tuple[int, int, int, int, int]]], costs: Costs, rounds: int, loops: bool) -> Result:
    """Time along one axis: ours against the model (and the loops); points are (value, (batch, k, n, f, f'))."""
    table = Table(title=title)
    for column in (axis, "transform", "ours ms", "model ms", "off", *(("loops ms", "faster") if loops else ())):
        table.add_column(column, justify="right")
    rows = []
    for value, (batch, k, n, f, o) in points:
        data = Layer.random(batch, k, n, f, o, np.int8)
        profile: dict[str, Any] = {}
        convolve(data.x, data.w, 1, data.pad, method="fermat", threads=1, dtype=np.int32, profile=profile)
        plan = profile["plans"][0]
        expected = sum(fermat_stages(costs, plan.moduli, plan.points, batch * plan.tiles[0] * plan.tiles[1], f, o, (k, k)).values())
        times, _ = race(rivals(data, ("dfnt", "loops") if loops else ("dfnt",)), rounds, once=("loops",))
        ours = median(times["dfnt"])
        row = {axis: value, "points": plan.points, "seconds": ours, "model": expected, "off": ours / expected - 1}
        cells = [str(value), "{}x{}".format(*plan.points), _ms(ours), _ms(expected), f"{row['off']:+.0%}"]
        if loops:
            row["loops"] = times["loops"][0]
            cells += [_ms(row["loops"]), f"{row['loops'] / ours:.1f} x"]
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
    found = {
        "2.2": _sweep("Figure 2.2: input size (k = 7, 96 -> 256, batch 4)", "n", [(n, (4, 7, n, 96, 256)) for n in sizes], costs, rounds, True),
        "2.3": _sweep("Figure 2.3: kernel (n + k - 1 = 32, 96 -> 256, batch 4)", "k", [(k, (4, k, 33 - k, 96, 256)) for k in kernels], costs, rounds, True),
        "2.4": _sweep("Figure 2.4: batch (k = 7, n = 26, 96 -> 256)", "batch", [(s, (s, 7, 26, 96, 256)) for s in batches], costs, rounds, False),
        "channels": _sweep("Channels in and out (k = 5, n = 12, batch 16)", "f", [(f, (16, 5, 12, f, f)) for f in channels], costs, rounds, False),
    }
    worst = max(sweep["greatest"] for sweep in found.values())
    console.print(f"greatest distance from the cost model: {worst:.0%}")
    return {**found, "greatest": worst}


def threads(quick: bool, costs: Costs) -> Result:
    """Figure 2.5."""
    most = min(4, processors())
    batch, rounds = (2, 2) if quick else (32, 7)
    table = Table(title=f"Figure 2.5: threads (batch {batch}, this machine has {most} processors for us)")
    for column in ("layer", *(f"{t} thread(s), ms" for t in range(1, most + 1)), "faster than one (least - greatest)"):
        table.add_column(column, justify="right")
    rows = []
    for layer in LAYERS:
        k, n, f, o = layer
        data = Layer.random(batch, k, n, f, o, np.int8)

        def call(count: int, data: Layer = data) -> Callable[[], np.ndarray]:
            return lambda: convolve(data.x, data.w, 1, data.pad, method="fermat", threads=count, dtype=np.int32)

        times, _ = race({str(t): call(t) for t in range(1, most + 1)}, rounds, elapsed=True)
        row: dict[str, Any] = {"layer": layer, "seconds": times, "ratio": {t: ratio(times["1"], times[t]) for t in times if t != "1"}}
        gains = [_times(row["ratio"][t]) for t in row["ratio"]]
        table.add_row(_name(layer), *(_ms(median(times[t])) for t in times), ", ".join(gains) or "-")
        rows.append(row)
        clear_cache()
    console.print(table)
    return {"rows": rows}


def losing(quick: bool, costs: Costs) -> Result:
    """Where not to use transforms: one-tap kernels, few channels, depthwise layers, and cold weights."""
    cases = {
        "1x1 kernel, 256 -> 256, n = 14": (8, 1, 14, 256, 256, 1),
        "depthwise 3x3, 128 channels, n = 28": (2, 3, 28, 128, 128, 128),
        "3x3 kernel, 1 -> 1 channel, n = 200": (1, 3, 200, 1, 1, 1),
        "3x3 kernel, 384 -> 384, n = 14, batch 1": (1, 3, 14, 384, 384, 1),
    }
    table = Table(title="Losing or narrow cases, INT8, one thread")
    for column in ("case", "transforms ms", "chosen", "chosen ms", "float64 ms", "weights uncached ms"):
        table.add_column(column, justify="right")
    rows = []
    for name, (batch, k, n, f, o, groups) in cases.items():
        data = Layer.random(batch, k, n, f // groups if groups > 1 else f, o, np.int8)
        x = data.x if groups == 1 else Layer.random(batch, k, n, f, o, np.int8).x
        profile: dict[str, Any] = {}
        xd, wd = torch.from_numpy(x).double(), torch.from_numpy(data.w).double()

        def ours(method: str, x: np.ndarray = x, data: Layer = data, groups: int = groups, cache: bool = True) -> Callable[[], np.ndarray]:
            return lambda: convolve(x, data.w, 1, data.pad, groups, method=method, threads=1, cache=cache)

        def rival(xd: torch.Tensor = xd, wd: torch.Tensor = wd, pad: int = data.pad, groups: int = groups) -> torch.Tensor:
            return torch.nn.functional.conv2d(xd, wd, padding=pad, groups=groups)

        torch.set_num_threads(1)
        convolve(x, data.w, 1, data.pad, groups, threads=1, profile=profile)
        times, _ = race({"fermat": ours("fermat"), "auto": ours("auto"), "float64": rival, "cold": ours("fermat", cache=False)}, 1 if quick else 5)
        method = profile["plans"][0].method
        rows.append({"case": name, "method": method, "seconds": times})
        table.add_row(name, _ms(median(times["fermat"])), method, *(_ms(median(times[key])) for key in ("auto", "float64", "cold")))
        clear_cache()
    console.print(table)
    return {"rows": rows}


SECTIONS: dict[str, Callable[[bool, Costs], Result]] = {
    "table-2.1": operations,
    "table-2.2": mismatches,
    "table-2.3": runtime,
    "figures-2.2-2.4": growth,
    "figure-2.5": threads,
    "losing": losing,
}


def run(json_path: Path | str | None = None, plots: Path | str | None = None, quick: bool = False, only: Sequence[str] = ()) -> Result:
    """Prints every table; optionally writes all figures as JSON and the plots (SVG) into a folder.

    quick: tiny batches and few rounds, for trying out: its times mean nothing. only: names of SECTIONS.
    """
    for name in only:
        if name not in SECTIONS:
            raise InputError(f"no section is called {name!r}; there are {', '.join(SECTIONS)}")
    instructions = library().fermat_instructions().decode()
    console.print(f"{platform.processor() or platform.machine()}, {instructions}, torch {torch.__version__}, numpy {np.__version__}")
    found: Result = {"instructions": instructions, "torch": torch.__version__, "numpy": np.__version__, "quick": quick}
    wanted = [name for name in SECTIONS if not only or name in only]
    costs = calibrate((3, 4, 5), rounds=1 if quick else 9) if "figures-2.2-2.4" in wanted else Costs()
    found["costs"] = dataclasses.asdict(costs)
    for name in wanted:
        found[name] = SECTIONS[name](quick, costs)
    data = Layer.random(4, 5, 12, 256, 384, np.int8)
    console.print("\nWhy (5, 16, 256, 384), INT8, batch 4 is done as it is:\n" + explain(data.x, data.w, 1, 2))
    if json_path is not None:
        Path(json_path).write_text(json.dumps(found, indent=1, default=float))
    if plots is not None:
        from fermatnet.bench.software_plots import draw

        for path in draw(found, Path(plots)):
            console.print(f"wrote {path}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plots", metavar="DIR")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=(), metavar="SECTION", help=", ".join(SECTIONS))
    options = parser.parse_args()
    run(options.json, options.plots, options.quick, options.only)


if __name__ == "__main__":
    main()
