"""The Fermat convolution engine against a direct multiply-accumulate engine of equal throughput, both generated and synthesised here.

Engines are sums of parts, each part synthesised on its own, flattened, for ECP5 cells (yosys); equal parts once. Block RAMs
are counted from every memory's width and depth. The direct engine is the project's own: a sliding window and an array of
multiply-accumulate units. A DSP block holds one product on both sides: yosys packs no two 8-bit products into one, a vendor's
tool may, which halves the INT8 ratios.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, log2, prod
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import wiring
from rich.console import Console
from rich.table import Table

from fermatnet.bench import fermat_layers
from fermatnet.bench.fermat_stream import ZEROS
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
from fermatnet.model.fermat.plan import Geometry, Plan, choose
from fermatnet.synth.flow import cells

__all__ = ["Parts", "compare", "growth", "run"]

DEVICE = "ecp5-85k"
PRODUCTS = 4  # parallel products of the compared engines
RESOURCES = ("dsps", "luts", "brams")

Part = tuple[int, str, Callable[[], wiring.Component]]
"""How often, its name, how to build it."""


def block_rams(width: int, depth: int) -> int:
    """18-kbit block RAMs (DP16KD) of a memory, in the aspect ratio that takes the fewest; small ones are lookup-table RAM."""
    if width * depth <= 1024:
        return 0
    return min(ceil(width / w) * ceil(depth / d) for w, d in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)))


@dataclass
class Parts:
    """Synthesised parts by name; each is built and mapped the first time it is asked for."""

    console: Console
    known: dict[str, dict[str, int]] = field(default_factory=dict)

    def cost(self, name: str, build: Callable[[], wiring.Component]) -> dict[str, int]:
        if name not in self.known:
            with tempfile.TemporaryDirectory(prefix="fermatnet-part-") as scratch, self.console.status(f"synthesising {name}"):
                emit(build(), "part", Path(scratch))
                verilog = Path(scratch) / "part.v"
                verilog.write_text(ZEROS.sub("", verilog.read_text()))
                found = cells(verilog, "part", DEVICE)
            self.known[name] = {key: found[key] for key in RESOURCES}
        return self.known[name]

    def total(self, parts: list[Part], memories: list[tuple[int, int]]) -> dict[str, int]:
        """Logic of the parts, which hold small memories or none, and the block RAMs of ``memories`` (width, depth)."""
        total = dict.fromkeys(RESOURCES, 0)
        for count, name, build in parts:
            cost = self.cost(name, build)
            for key in ("dsps", "luts"):
                total[key] += count * cost[key]
        total["brams"] = sum(block_rams(*m) for m in memories)
        total["kbit"] = sum(w * d for w, d in memories) // 1024
        return total


def fermat_parts(engine: Convolver) -> list[Part]:
    """Every datapath part of a convolver with its count. The job counters, about a hundred LUTs, are not in it.

    Tile readers and output buffers differ between layers in their counters' widths only: one of 16 channels and an image of
    one tile stands for all of its width.
    """
    plan, p, lengths, shape = engine.plan, engine.products, engine.plan.lengths, engine.shape
    size = plan.tile[0]
    k, n = plan.kernel[0], plan.lengths[0]
    wide = f"about {-(-engine.bits // 8) * 8} bits"
    geometry = Geometry(size, size, (k, k), pad=(k // 2,) * 4)
    small = replace(plan, tiles=(1, 1))
    parts: list[Part] = [
        (1, f"tile reader {shape} {k} {n}", partial(ImageBuffer, shape, 16, geometry, small, 1)),
        (1, f"output bands {wide} {k} {n} {engine.inverses}",
         partial(RasterBuffer, engine.raster.shape, 16, geometry, small, engine.inverses, 1)),
        (engine.inverses, f"reconstruct {plan.widths} {wide}", partial(Reconstruct, plan.widths, plan.lo, plan.hi)),
    ]
    for path in engine.paths:
        b = path.b
        computed = p if plan.spectra == "computed" else 0
        parts += [
            (1 + computed, f"encoder {b} {shape}", partial(WideEncoder, b, shape)),
            (1 + computed, f"transform {b} {lengths}", partial(SerialTransform2d, b, *lengths)),
            (engine.inverses, f"inverse {b} {lengths}", partial(SerialTransform2d, b, *lengths, inverse=True)),
            (p, f"product {b}", partial(Multiplier, b)),
            (p if path.sum_latency else 0, f"sum {b}", partial(Adder, b, latency=2)),
        ]
    return [part for part in parts if part[0]]


def fermat_memories(engine: Convolver) -> list[tuple[int, int]]:
    """(width, depth) of every memory of a convolver above a register file's size."""
    plan, p, g = engine.plan, engine.products, engine.geometry
    found = [(engine.shape.width * engine.lanes_in, engine.images.rows * g.width * engine.channels // engine.lanes_in)]
    found += [(engine.bits * engine.raster.elements, engine.raster.banks * engine.raster.band_words)] * engine.inverses
    jobs = engine.outputs // p
    if engine.reader is not None:
        found.append((engine.reader.bits * p, jobs * engine.channels * plan.phases * prod(plan.kernel) // engine.group))
    for path in engine.paths:
        transforms = 1 + engine.inverses
        found += [(path.b + 1, engine.spectra_banks * path.frame)] + [((path.b + 1) * p, path.points)] * engine.sums_banks
        if plan.spectra == "stored":
            found.append(((path.b + 1) * p, jobs * path.job))
        else:
            transforms += p
        found += [(path.b + 1, path.points)] * transforms
    return found


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
    return min(fast, key=lambda d: (d.products, abs(d.simd - 16), d.cycles)) if fast else min(options, key=lambda d: d.cycles)


def direct_parts(d: Direct, w: np.ndarray, bits: int) -> list[Part]:
    """Window and array; the array with few weights and a bias that makes its accumulators as wide as the true ones."""
    outputs, k = w.shape[0], w.shape[2]
    shape, top = signed(bits), 1 << (bits - 1)
    folds = min(outputs // d.pe, 2) * d.pe
    few = np.random.default_rng(0).choice([-top, top - 1], (folds, 2 * d.simd))
    worst = int(np.abs(w).reshape(outputs, -1).sum(axis=1).max()) * top - 2 * d.simd * top * top
    return [
        (1, f"window {bits} {k} {d.simd}", partial(
            SlidingWindow, shape, 16, 8 + k, 8 + k, kernel=(k, k), lanes=min(d.simd, 16), repeats=outputs // d.pe)),
        (1, f"array {bits} {d.pe}x{d.simd} {k}", partial(IntegerArray, few, np.full(folds, max(worst, 0)), shape, pe=d.pe, simd=d.simd)),
    ]


def direct_memories(d: Direct, w: np.ndarray, bits: int, size: int) -> list[tuple[int, int]]:
    """Ring of rows and weights."""
    channels, k = w.shape[1], w.shape[2]
    return [(bits * d.simd, (k + 1) * size * channels // d.simd), (bits * d.products, w.size // d.products)]


def compare(parts: Parts, kernels=(3, 5, 7, 11), widths=(8, 16), channels=(16, 64), image: int = 0) -> list[dict[str, Any]]:
    """Rows of the comparison; images of 2x2 whole tiles, or of ``image`` points a side."""
    rows = []
    for bits in widths:
        for k in kernels:
            for c in channels:
                n = 16 if k <= (7 if bits == 8 else 5) else 32
                top = 1 << (bits - 1)
                w = np.random.default_rng(k + bits).integers(-top, top, (c, c, k, k))
                size, pad = image or 2 * (n - k + 1), (k // 2,) * 4
                plan = _plan(w, bits, size, pad, n)
                engine = Convolver(w, -top, top - 1, size, size, pad=pad, plan=plan, products=PRODUCTS)
                d = direct_engine(c, c, k, size, engine.cycles)
                fermat = parts.total(fermat_parts(engine), fermat_memories(engine))
                direct = parts.total(direct_parts(d, w, bits), direct_memories(d, w, bits, size))
                rows.append({
                    "bits": bits, "k": k, "channels": c, "image": size, "widths": plan.widths, "length": plan.lengths[0],
                    "spectra": plan.spectra, "cycles": engine.cycles, "fermat": fermat, "direct cycles": d.cycles, "direct": direct,
                    "direct products": d.products, "theory": k * k / (plan.products_per_output / len(plan.widths)),
                })
    return rows


def _plan(w: np.ndarray, bits: int, size: int, pad: tuple[int, int, int, int], n: int) -> Plan:
    """INT16 in {F_4, F_5}; INT8 in {F_2, F_3, F_4} up to 16 points, which is as far as F_2 goes, in F_5 beyond."""
    top = 1 << (bits - 1)
    moduli = (16, 32) if bits == 16 else (4, 8, 16) if n == 16 else (32,)
    return choose(w, -top, top - 1, pad=pad, height=size, width=size, moduli=moduli, length=n)


def growth(parts: Parts) -> dict[str, list[dict[str, float]]]:
    """Cycles and memory from the engine itself, area of the transform by synthesis, against N, channels and image size."""
    rng = np.random.default_rng(0)
    by_n: list[dict[str, Any]] = []
    by_channels: list[dict[str, Any]] = []
    by_image: list[dict[str, Any]] = []
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


def slope(rows: Sequence[Mapping[str, float]], x: str, y: str) -> float:
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
            str(f["luts"]), str(d["luts"]), str(f["brams"]), str(d["brams"]),
            f"{r['luts a dsp saved']:.0f}" if r["luts a dsp saved"] is not None else "loses")
    console.print(table)


def draw(rows: list[dict[str, Any]], grown: dict[str, list[dict[str, float]]], folder: Path) -> list[Path]:
    """Pictures: DSP ratio against the kernel with the line where it stops paying; growth with the theoretical slopes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    taps = np.arange(1, 16)
    for bits, n, dsps, style in ((8, 16, 2, "C0"), (8, 32, 4, "C0"), (16, 16, 5, "C1"), (16, 32, 5, "C1")):
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
        result["tiles"] = [_show(console, fermat_layers.tile(i, bits, 16)) for bits in (8, 16) for i in range(5)]
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
        draw(rows + losing, grown, json_path.parent)
    return result


def _show(console: Console, row: dict[str, Any]) -> dict[str, Any]:
    console.print(row)
    return row
