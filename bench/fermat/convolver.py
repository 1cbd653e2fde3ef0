"""The Fermat convolution engine against a direct multiply-accumulate engine of equal throughput, both
generated and synthesised here.

The direct engine is the project's own: a sliding window and an array of multiply-accumulate units. Engines
are sums of parts (`fermatnet.bench.fermat.parts`), each synthesised for 7-series cells. A DSP block holds one
product on both sides: yosys packs no two 8-bit products into one, a vendor's tool may, which halves the INT8
ratios.

``python -m fermatnet.bench.fermat.convolver --parts FILE.jsonl --json FILE.json --pictures docs`` prints the
tables, keeps every synthesised part in FILE.jsonl (an interrupted run goes on where it stopped) and draws the
pictures.
"""

import argparse
import json
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.fermat import growth as fermat_growth
from fermatnet.bench.fermat import layers as fermat_layers
from fermatnet.bench.fermat.parts import (
    DEVICE,
    Parts,
    direct_engine,
    direct_memories,
    direct_parts,
    fermat_memories,
    fermat_parts,
    whole,
    whole_direct,
)
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.cost import Area, direct_area, spectra_areas, transform_area
from fermatnet.model.fermat.plan import Plan, choose, sizes

__all__ = ["ROWS", "check_sums", "compare", "run"]

PRODUCTS = 4  # parallel products of the compared engines
# channels of the layer whose tile reader, output bands, window and array stand for those of more channels
FEW = 16

ROWS = (
    (16, 7, 16, 0),
    (16, 11, 16, 0),
    (8, 5, 16, 0),
    (8, 3, 16, 0),
    (8, 7, 16, 0),
    (8, 11, 16, 0),
    (16, 3, 16, 0),
    (16, 5, 16, 0),
    (16, 7, 64, 0),
    (16, 11, 64, 0),
    (8, 5, 64, 0),
    (8, 3, 64, 0),
    (8, 7, 64, 0),
    (8, 11, 64, 0),
    (16, 3, 64, 0),
    (16, 5, 64, 0),
    (8, 3, 16, 8),
    (16, 3, 16, 8),
)
"""(bits, kernel, channels in and out, image; 0: two by two whole tiles) of the compared layers; the last two
lose on a small image."""


def _weights(bits: int, k: int, channels: int) -> np.ndarray:
    top = 1 << (bits - 1)
    return np.random.default_rng(k + bits).integers(-top, top, (channels, channels, k, k))


def _plan(w: np.ndarray, bits: int, size: int, pad: tuple[int, int, int, int], n: int) -> Plan:
    """INT16 in {F_4, F_5}; INT8 in {F_2, F_3, F_4} up to 16 points, which is as far as F_2 goes, in F_5
    beyond."""
    top = 1 << (bits - 1)
    moduli = (16, 32) if bits == 16 else (4, 8, 16) if n == 16 else (32,)
    return choose(
        w, -top, top - 1, pad=pad, height=size, width=size, moduli=moduli, length=n, products=PRODUCTS
    )


def _engine(bits: int, k: int, channels: int, image: int, spectra: str = "") -> Convolver:
    n, top, pad = 16 if k <= (7 if bits == 8 else 5) else 32, 1 << (bits - 1), (k // 2,) * 4
    w, size = _weights(bits, k, channels), image or 2 * (n - k + 1)
    plan = _plan(w, bits, size, pad, n)
    if spectra and spectra != plan.spectra:
        plan = choose(
            w, -top, top - 1, pad=pad, height=size, width=size, moduli=plan.widths, length=n, spectra=spectra
        )
    return Convolver(w, -top, top - 1, size, size, pad=pad, plan=plan, products=PRODUCTS)


def compare(parts: Parts, bits: int, k: int, channels: int, image: int = 0) -> dict[str, Any]:
    """One row: both engines for one layer."""
    engine = _engine(bits, k, channels, image)
    small = engine if channels <= FEW else _engine(bits, k, FEW, image, engine.plan.spectra)
    size, w, few = engine.height, engine.weight, small.weight
    d = direct_engine(channels, channels, k, size, engine.cycles)
    fermat = parts.total(fermat_parts(engine, small), fermat_memories(engine))
    direct = parts.total(direct_parts(d, few, bits, size), direct_memories(d, w, bits, size))
    row: dict[str, Any] = {
        "bits": bits,
        "k": k,
        "channels": channels,
        "image": size,
        "widths": engine.plan.widths,
        "length": engine.plan.lengths[0],
        "spectra": engine.plan.spectra,
        "cycles": engine.cycles,
        "fermat": fermat,
        "direct cycles": d.cycles,
        "direct": direct,
        "ratio": direct["dsps"] / fermat["dsps"],
        "how": "parts" if channels <= FEW else f"parts; buffers and array of {FEW} channels",
    }
    row["equal ratio"] = row["ratio"] * row["direct cycles"] / row["cycles"]
    saved = direct["dsps"] * d.cycles / engine.cycles - fermat["dsps"]
    scale = d.cycles / engine.cycles  # the direct engine cut to the same cycles
    row["luts a dsp saved"] = (fermat["luts"] - direct["luts"] * scale) / saved if saved > 0 else None
    row["share ratio"] = _worth(direct) * scale / _worth(fermat)
    return row


def _worth(found: dict[str, Any]) -> float:
    """Everything an engine takes, in lookup tables, by the share of an XC7A100T; block RAMs are counted in 36
    kbit here."""
    return Area(found["dsps"], found["luts"], 2 * found["brams"]).worth


def check_sums(parts: Parts) -> list[dict[str, Any]]:
    """Both engines of a small layer mapped whole, beside the sums of their parts."""
    bits, k, channels = 8, 3, 4
    engine = _engine(bits, k, channels, 0, "stored")
    d = direct_engine(channels, channels, k, engine.height, engine.cycles)
    title = f"INT{bits}, k {k}, {channels} channels, image {engine.height}"
    rows = []
    for name, build, pieces, memories in (
        (
            "fermat",
            lambda: _engine(bits, k, channels, 0, "stored"),
            fermat_parts(engine, engine),
            fermat_memories(engine),
        ),
        (
            "direct",
            lambda: whole_direct(engine.weight, bits, engine.height, d),
            direct_parts(d, engine.weight, bits, engine.height),
            direct_memories(d, engine.weight, bits, engine.height),
        ),
    ):
        rows.append(
            {
                "engine": name,
                "layer": title,
                "sum": parts.total(pieces, memories),
                "whole": whole(parts, f"whole {name}, {title}", build),
            }
        )
    return rows


def _table(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(
        title=f"Fermat engine ({PRODUCTS} products at once) and direct engine of equal throughput, {DEVICE}; "
        "direct engine in brackets"
    )
    for name in (
        "INT",
        "k",
        "ch",
        "image",
        "moduli",
        "N",
        "spectra",
        "cycles",
        "DSP",
        "LUT",
        "BRAM36",
        "DSP ratio",
        "at equal cycles",
        "LUT a DSP saved",
        "device share ratio",
    ):
        table.add_column(name, justify="right")
    for r in rows:
        f, d = r["fermat"], r["direct"]
        price = r["luts a dsp saved"]
        table.add_row(
            str(r["bits"]),
            str(r["k"]),
            str(r["channels"]),
            str(r["image"]),
            ",".join(map(str, r["widths"])),
            str(r["length"]),
            r["spectra"],
            f"{r['cycles']} ({r['direct cycles']})",
            f"{f['dsps']} ({d['dsps']})",
            f"{f['luts']} ({d['luts']})",
            f"{f['brams']:g} ({d['brams']:g})",
            f"{r['ratio']:.2f}",
            f"{r['equal ratio']:.2f}",
            f"{price:.0f}" if price is not None else "loses",
            f"{r['share ratio']:.2f}",
        )
    console.print(table)


def shares(bits: int, k: int, channels: int) -> list[tuple[int, float]]:
    """(parallel products, share of a device of the direct engine over the Fermat engine's, at equal cycles),
    by the cost model."""
    engine = _engine(bits, k, channels, 0)
    plan = engine.plan
    layer = sizes(
        engine.weight, engine.lo, engine.hi, engine.geometry, 1, (plan.lo, plan.hi), plan.widths, plan.lengths
    )
    found = []
    for products in (p for p in (1, 2, 4, 8, 16, 32, 64) if channels % p == 0):
        stored, computed = spectra_areas(layer, products)
        fermat = transform_area(layer, products, "stored" if stored.worth <= computed.worth else "computed")
        found.append(
            (
                products,
                direct_area(layer, max(1, ceil(layer.macs / layer.cycles(products)))).worth / fermat.worth,
            )
        )
    return found


def draw(rows: list[dict[str, Any]], folder: Path) -> Path:
    """Where it stops paying.

    Left, DSP blocks against the kernel: synthesised (points) beside the formula. Right, all that the engines
    take as a share of a device, against the parallel products: the cost model (lines) and the synthesised
    engines (points).
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "fermatnet", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4))
    taps = np.arange(1, 16)
    for bits, n, dsps, style in (
        (8, 16, 2, "C0--"),
        (8, 32, 4, "C0-"),
        (16, 16, 5, "C1--"),
        (16, 32, 5, "C1-"),
    ):
        usable = taps[taps < n - 2]
        left.plot(
            usable,
            usable**2 / ((n / (n - usable + 1)) ** 2 * dsps),
            style,
            label=f"INT{bits}, N = {n}, {dsps} DSP a product: formula",
        )
    for r in rows:
        mark = "x" if r["image"] == 8 else "o" if r["channels"] == 16 else "s"
        left.plot(r["k"], r["equal ratio"], mark, color="C0" if r["bits"] == 8 else "C1")
    lines = [(8, 3, 16), (8, 5, 16), (16, 7, 16), (16, 7, 64), (16, 11, 16), (16, 11, 64)]
    for number, (bits, k, channels) in enumerate(lines):
        points = shares(bits, k, channels)
        style = f"C{number}" + ("--" if channels == 64 else "-")
        right.plot(
            [p for p, _ in points],
            [v for _, v in points],
            style,
            label=f"INT{bits}, k = {k}, {channels} channels",
        )
        for r in rows:
            if (r["bits"], r["k"], r["channels"]) == (bits, k, channels) and r["image"] != 8:
                right.plot(PRODUCTS, r["share ratio"], "o", color=style[:2])
    for axes, end, title in (
        (left, 15, "DSP blocks (points: synthesised)"),
        (right, 64, "share of a device (points: synthesised)"),
    ):
        axes.axhline(1, color="black", linewidth=1)
        axes.fill_between([1, end], 0.01, 1, color="0.9", zorder=0)
        axes.set(ylabel="direct / Fermat, at equal cycles", yscale="log", xlim=(1, end), title=title)
    left.set(xlabel="kernel k", ylim=(0.1, 30))
    left.text(10, 0.75, "does not pay", color="0.4", fontsize=8)
    left.legend(fontsize=6, loc="lower right")
    right.set(xlabel="parallel products", xscale="log", ylim=(0.1, 5))
    right.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    right.legend(fontsize=6, loc="lower right")
    right.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
    left.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
    right.minorticks_off()
    figure.subplots_adjust(wspace=0.25)
    path = folder / "fermat-pays.svg"
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path


def run(
    json_path: Path | None = None,
    *,
    quick: bool = False,
    parts_file: Path | None = None,
    pictures: Path | None = None,
    results: str | Path | None = None,
) -> dict[str, Any]:
    """Prints the tables; writes the figures as JSON and the pictures beside it, or into ``pictures``.
    ``quick`` leaves out the layers of table 2.2.

    ``parts_file``: a JSONL file that keeps every synthesised part, to go on from. ``results`` FILE.jsonl:
    parts in FILE-parts.jsonl, simulated tiles in FILE-tiles.jsonl.
    """
    console = Console(width=200)
    beside = None if results is None else Path(results)
    if parts_file is None and beside is not None:
        parts_file = beside.with_name(f"{beside.stem}-parts.jsonl")
    parts = Parts(console, parts_file)
    rows = []
    for row in ROWS:
        rows.append(compare(parts, *row))
        console.print(rows[-1])
    _table(console, rows)
    grown = fermat_growth.growth(parts)
    fermat_growth.table(console, grown)
    sums = check_sums(parts)
    for line in sums:
        console.print(f"{line['engine']}, {line['layer']}: sum of parts {line['sum']}, whole {line['whole']}")
    result: dict[str, Any] = {"comparison": rows, "growth": grown, "sums": sums, "parts": parts.known}
    folder = pictures or (json_path.parent if json_path is not None else None)
    if folder is not None:
        draw(rows, folder)
        fermat_growth.draw(grown, folder)
    if not quick:
        result["reference"] = [
            _show(console, fermat_layers.reference(i, bits)) for bits in (8, 16) for i in range(5)
        ]
        if beside is not None:
            result["tiles"] = [
                _show(console, row)
                for row in fermat_layers.tiles(beside.with_name(f"{beside.stem}-tiles.jsonl"))
            ]
        else:
            result["tiles"] = [
                _show(console, {"index": i, **fermat_layers.tile(i, bits, products)})
                for i, bits, products in fermat_layers.TILES
            ]
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
    return result


def _show(console: Console, row: dict[str, Any]) -> dict[str, Any]:
    console.print(row)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Compares the Fermat engine with a direct one, and shows how it grows; no simulation."
    )
    parser.add_argument("--parts", type=Path, help="JSON lines that keep the synthesised parts")
    parser.add_argument("--json", type=Path, help="the figures")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    run(options.json, quick=True, parts_file=options.parts, pictures=options.pictures)
