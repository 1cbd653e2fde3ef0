"""The Fermat convolution engine against a direct multiply-accumulate engine of equal throughput, both generated and synthesised here.

Engines are sums of parts, each part synthesised on its own, flattened, for ECP5 cells (yosys); equal parts once. The
direct engine is the project's own: a sliding window and an array of multiply-accumulate units. DSP blocks hold one product
each on both sides: yosys packs no two 8-bit products into one, a vendor's tool may, which halves the INT8 ratios.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import ceil, log2, prod
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Module, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console
from rich.table import Table

from fermatnet.bench import fermat_layers
from fermatnet.hw.fermat.adder import Adder
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.fermat.image_buffer import ImageBuffer
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.hw.fermat.residue import Reconstruct, WideEncoder
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d
from fermatnet.hw.integer import IntegerArray
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.hw.verilog import emit
from fermatnet.model.fermat.plan import Plan, choose
from fermatnet.synth.flow import cells

__all__ = ["Parts", "compare", "growth", "run"]

DEVICE = "ecp5-85k"
PRODUCTS = 4  # parallel products of the compared engines
RESOURCES = ("dsps", "luts", "brams")


class Storage(wiring.Component):
    """A memory with one write and one read port and nothing else: what it costs is what the family's memories cost."""

    def __init__(self, width: int, depth: int):
        self.width, self.depth = width, depth
        bits = max(1, (depth - 1).bit_length())
        super().__init__({"put": In(width), "at": In(bits), "write": In(1), "read_at": In(bits), "get": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.depth, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [write.addr.eq(self.at), write.data.eq(self.put), write.en.eq(self.write), read.addr.eq(self.read_at), read.en.eq(1),
                     self.get.eq(read.data)]
        return m


@dataclass
class Parts:
    """Synthesised parts by name; each is built and mapped the first time it is asked for."""

    console: Console
    known: dict[str, dict[str, int]] = field(default_factory=dict)

    def cost(self, name: str, build: Callable[[], wiring.Component]) -> dict[str, int]:
        if name not in self.known:
            with tempfile.TemporaryDirectory(prefix="fermatnet-part-") as scratch, self.console.status(f"synthesising {name}"):
                emit(build(), "part", Path(scratch))
                found = cells(Path(scratch) / "part.v", "part", DEVICE)
            self.known[name] = {key: ceil(found[key]) if key != "brams" else found[key] for key in RESOURCES}
        return self.known[name]

    def total(self, parts: list[tuple[int, str, Callable[[], wiring.Component]]]) -> dict[str, Any]:
        total: dict[str, Any] = dict.fromkeys(RESOURCES, 0)
        for count, name, build in parts:
            cost = self.cost(name, build)
            for key in RESOURCES:
                total[key] += count * cost[key]
        return total


def storage(width: int, depth: int) -> tuple[int, str, Callable[[], wiring.Component]]:
    return 1, f"memory {width} x {depth}", lambda: Storage(width, depth)


def fermat_parts(engine: Convolver) -> list[tuple[int, str, Callable[[], wiring.Component]]]:
    """Every datapath part and memory of a convolver with its count. The job counters, about a hundred LUTs, are not in it."""
    plan, p, ny_nx = engine.plan, engine.products, engine.plan.lengths
    images, raster = engine.images, engine.raster
    key = f"{engine.shape} {engine.channels}ch {engine.geometry.height}x{engine.geometry.width} {plan.lengths} {plan.kernel}"
    parts: list[tuple[int, str, Callable[[], wiring.Component]]] = [
        (1, f"tile reader {key}", lambda: ImageBuffer(images.shape, images.channels, images.geometry, plan, images.lanes)),
        (1, f"output bands {key} {engine.outputs} {engine.bits} {engine.inverses} {engine.band_banks}",
         lambda: RasterBuffer(raster.shape, raster.channels, raster.geometry, plan, raster.sources, raster.lanes, banks=raster.banks)),
        (engine.inverses, f"reconstruct {plan.widths} {plan.lo} {plan.hi}", lambda: Reconstruct(plan.widths, plan.lo, plan.hi)),
    ]
    for path in engine.paths:
        b = path.b
        forwards = 1 + (p if plan.spectra == "computed" else 0)
        parts += [
            (1, f"encoder {b} {engine.shape}", partial(WideEncoder, b, engine.shape)),
            (forwards, f"transform {b} {ny_nx}", partial(SerialTransform2d, b, *ny_nx)),
            (engine.inverses, f"inverse transform {b} {ny_nx}", partial(SerialTransform2d, b, *ny_nx, inverse=True)),
            (p, f"product {b}", partial(Multiplier, b)),
            (p if path.sum_latency else 0, f"sum {b}", partial(Adder, b, latency=2)),
            storage(b + 1, engine.spectra_banks * path.frame),
            (engine.sums_banks, *storage((b + 1) * p, path.points)[1:]),
        ]
        jobs = engine.outputs // p
        if plan.spectra == "computed":
            parts += [(p, f"encoder {b} weights {path.weights.bits}", partial(WideEncoder, b, signed(path.weights.bits))),
                      storage(path.weights.bits * p, jobs * engine.channels * plan.phases * prod(plan.kernel) // engine.group)]
        else:
            parts.append(storage((b + 1) * p, jobs * path.job))
    return [part for part in parts if part[0]]


@dataclass(frozen=True)
class Direct:
    """A direct engine: window and array, ``pe`` outputs by ``simd`` channels a cycle."""

    pe: int
    simd: int
    cycles: int

    @property
    def products(self) -> int:
        return self.pe * self.simd


def direct_engine(outputs: int, channels: int, k: int, out: int, cycles: int) -> Direct:
    """The smallest array that is no more than two per cent slower than ``cycles`` an image; or the fastest there is."""
    options = [
        Direct(pe, simd, out * out * (outputs // pe) * (channels // simd) * k * k)
        for pe in range(1, outputs + 1) if outputs % pe == 0 for simd in range(1, channels + 1) if channels % simd == 0
    ]
    fast = [d for d in options if d.cycles <= 1.02 * cycles]
    return min(fast, key=lambda d: (d.products, d.cycles)) if fast else min(options, key=lambda d: d.cycles)


def direct_parts(d: Direct, w: np.ndarray, bits: int, size: int, pad: tuple[int, int, int, int]):
    """Window, array and weights; beyond a megabit the array's weights are counted as a plain memory beside an array of few."""
    outputs, channels, k, _ = w.shape
    matrix = w.transpose(0, 2, 3, 1).reshape(outputs, -1)
    folds = min(outputs // d.pe, 2) * d.pe
    shape = signed(bits)
    window = (1, f"window {bits} {channels} {size} {k} {d.simd} {outputs // d.pe}",
              lambda: SlidingWindow(shape, channels, size, size, kernel=(k, k), pad=pad, lanes=d.simd, repeats=outputs // d.pe))
    few = matrix[:folds, : 2 * d.simd]
    array = (1, f"array {bits} {d.pe}x{d.simd} {k} {channels}",
             lambda: IntegerArray(np.where(few > 0, (1 << (bits - 1)) - 1, -(1 << (bits - 1))), np.zeros(0, np.int64), shape, pe=d.pe, simd=d.simd))
    return [window, array, storage(bits * d.pe * d.simd, matrix.size // (d.pe * d.simd))]


def compare(parts: Parts, kernels=(3, 5, 7, 11), widths=(8, 16), channels=(16, 64), image: int = 0) -> list[dict[str, Any]]:
    """Rows of the comparison; images of 2x2 whole tiles, or of ``image`` points a side."""
    rows = []
    for bits in widths:
        for k in kernels:
            for c in channels:
                n = 16 if k <= 5 else 32
                top = 1 << (bits - 1)
                w = np.random.default_rng(k + bits).integers(-top, top, (c, c, k, k))
                size, pad = image or 2 * (n - k + 1), (k // 2,) * 4
                plan = _plan(w, bits, size, pad, n)
                engine = Convolver(w, -top, top - 1, size, size, pad=pad, plan=plan, products=PRODUCTS)
                d = direct_engine(c, c, k, size, engine.cycles)
                rows.append({
                    "bits": bits, "k": k, "channels": c, "image": size, "widths": plan.widths, "length": plan.lengths[0], "spectra": plan.spectra,
                    "cycles": engine.cycles, "fermat": parts.total(fermat_parts(engine)),
                    "direct cycles": d.cycles, "direct": parts.total(direct_parts(d, w, bits, size, pad)), "direct products": d.products,
                    "theory": k * k / (plan.products_per_output / len(plan.widths)),
                })
    return rows


def _plan(w: np.ndarray, bits: int, size: int, pad: tuple[int, int, int, int], n: int) -> Plan:
    """INT8 in Fermat numbers up to F_4 where a root of order n exists, INT16 in {F_4, F_5}, as the thesis' successor would choose."""
    top = 1 << (bits - 1)
    if bits == 16:
        return choose(w, -top, top - 1, pad=pad, height=size, width=size, moduli=(16, 32), length=n)
    return choose(w, -top, top - 1, pad=pad, height=size, width=size, moduli=(4, 8, 16) if n <= 16 else (8, 16), length=n)


def growth(parts: Parts) -> dict[str, list[dict[str, float]]]:
    """Cycles and memory from the engine itself, area of the transform by synthesis, against N, channels and image size."""
    rng = np.random.default_rng(0)
    by_n, by_channels, by_image = [], [], []
    for n in (8, 16, 32, 64):
        w = rng.integers(-128, 128, (8, 8, 5, 5))
        engine = Convolver(w, -128, 127, 60, 60, plan=choose(w, -128, 127, height=60, width=60, moduli=(32,), length=n), products=2)
        by_n.append({"n": n, "cycles": engine.cycles, "points an output": prod(engine.plan.tiles) * n * n / 56**2,
                     "luts": parts.cost(f"transform 32 {(n, n)}", partial(SerialTransform2d, 32, n, n))["luts"],
                     "log2 n": log2(n), "spectra bits": engine.plan.spectra_bits})
    for c in (2, 4, 8, 16, 32):
        w = rng.integers(-128, 128, (c, c, 5, 5))
        engine = Convolver(w, -128, 127, 24, 24, plan=choose(w, -128, 127, height=24, width=24, moduli=(32,), length=16), products=1)
        by_channels.append({"channels": c, "cycles": engine.cycles, "spectra bits": engine.plan.spectra_bits})
    for size in (12, 24, 48, 96, 192):
        w = rng.integers(-128, 128, (4, 4, 5, 5))
        plan = choose(w, -128, 127, pad=(2, 2, 2, 2), height=size, width=size, moduli=(32,), length=16)
        engine = Convolver(w, -128, 127, size, size, pad=(2, 2, 2, 2), plan=plan, products=1)
        by_image.append({"size": size, "cycles": engine.cycles, "row bits": engine.images.rows * size * 4 * 8})
    return {"length": by_n, "channels": by_channels, "image": by_image}


def slope(rows: list[dict[str, float]], x: str, y: str) -> float:
    """Exponent of growth between the last two rows."""
    (a, b) = rows[-2:]
    return log2(b[y] / a[y]) / log2(b[x] / a[x])


def _tables(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Fermat engine ({PRODUCTS} products at once) and direct engine of equal throughput, {DEVICE}", show_lines=False)
    for name in ("INT", "k", "ch", "image", "moduli", "N", "spectra", "cycles", "direct cycles", "DSP", "direct DSP", "ratio", "at equal cycles",
                 "LUT", "direct LUT", "BRAM", "direct BRAM", "LUT a DSP saved"):
        table.add_column(name, justify="right")
    for r in rows:
        f, d = r["fermat"], r["direct"]
        saved = d["dsps"] - f["dsps"]
        r["ratio"] = d["dsps"] / f["dsps"]
        r["equal ratio"] = r["ratio"] * r["direct cycles"] / r["cycles"]
        r["luts a dsp saved"] = (f["luts"] - d["luts"]) / saved if saved > 0 else None
        table.add_row(
            str(r["bits"]), str(r["k"]), str(r["channels"]), str(r["image"]), str(r["widths"]), str(r["length"]), r["spectra"],
            str(r["cycles"]), str(r["direct cycles"]), str(f["dsps"]), str(d["dsps"]), f"{r['ratio']:.2f}", f"{r['equal ratio']:.2f}",
            str(f["luts"]), str(d["luts"]), f"{f['brams']:.1f}", f"{d['brams']:.1f}",
            f"{r['luts a dsp saved']:.0f}" if r["luts a dsp saved"] is not None else "loses")
    console.print(table)


def draw(rows: list[dict[str, Any]], grown: dict[str, list[dict[str, float]]], folder: Path) -> list[Path]:
    """Pictures: DSP ratio against the kernel with the line where it stops paying; growth with the theoretical slopes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    taps = np.arange(1, 16)
    for bits, n, dsps, style in ((8, 16, 2, "C0"), (8, 32, 2, "C0"), (16, 32, 5, "C1")):
        usable = taps[taps < n - 2]
        ratio = usable**2 / ((n / (n - usable + 1)) ** 2 * dsps)
        axes.plot(usable, ratio, style + ("--" if n == 16 else "-"), label=f"INT{bits}, N = {n}, {dsps} DSP a product")
    for r in rows:
        axes.plot(r["k"], r["equal ratio"], "o" if r["channels"] == 16 else "s", color="C0" if r["bits"] == 8 else "C1")
    axes.axhline(1, color="black", linewidth=1)
    axes.fill_between([1, 15], 0.05, 1, color="0.9", zorder=0)
    axes.text(9, 0.5, "does not pay", color="0.4")
    axes.set(xlabel="kernel k", ylabel="DSP of the direct engine / DSP of the Fermat engine", yscale="log", title="Measured (points) and k² / products (lines)")
    axes.legend()
    paths = [folder / "fermat-pays.svg", folder / "fermat-growth.svg"]
    figure.savefig(paths[0], bbox_inches="tight")
    figure, panels = plt.subplots(1, 3, figsize=(12, 4))
    for axis, (name, x, curves) in zip(panels, (
        ("length", "n", (("spectra bits", 2), ("luts", None))), ("channels", "channels", (("cycles", 2), ("spectra bits", 2))),
        ("image", "size", (("cycles", 2), ("row bits", 1))),
    ), strict=True):
        points = grown[name]
        for k, (y, order) in enumerate(curves):
            xs, ys = [p[x] for p in points], [p[y] for p in points]
            axis.plot(xs, ys, f"C{k}o-", label=y)
            theory = [ys[-1] * (v / xs[-1]) ** order for v in xs] if order else [ys[-1] * log2(v) / log2(xs[-1]) for v in xs]
            axis.plot(xs, theory, f"C{k}:", label=f"~ {x}^{order}" if order else f"~ log2 {x}")
        axis.set(xlabel=x, xscale="log", yscale="log")
        axis.legend()
    figure.savefig(paths[1], bbox_inches="tight")
    plt.close("all")
    return paths


def run(json_path: Path | None = None, *, quick: bool = False) -> dict[str, Any]:
    """Prints the tables; writes the figures as JSON and the pictures beside it. ``quick`` leaves out the layers of table 2.2."""
    console = Console(width=200)
    parts = Parts(console)
    rows = compare(parts)
    losing = compare(parts, kernels=(3,), widths=(8, 16), channels=(16,), image=8)
    _tables(console, rows + losing)
    grown = growth(parts)
    for name, x, y, theory in (("channels", "channels", "cycles", "2"), ("image", "size", "cycles", "2"), ("length", "n", "spectra bits", "2"),
                               ("length", "log2 n", "luts", "1 and a little")):
        console.print(f"{y} against {x}: {', '.join(str(round(r[y])) for r in grown[name])}; slope {slope(grown[name], x, y):.2f}, theory {theory}")
    result: dict[str, Any] = {"comparison": rows, "losing": losing, "growth": grown, "parts": parts.known}
    if not quick:
        result["reference"] = [_show(console, fermat_layers.reference(i, bits)) for bits in (8, 16) for i in range(5)]
        result["tiles"] = [_show(console, fermat_layers.tile(i, bits, 8)) for bits in (8, 16) for i in range(5)]
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
        draw(rows + losing, grown, json_path.parent)
    return result


def _show(console: Console, row: dict[str, Any]) -> dict[str, Any]:
    console.print(row)
    return row
