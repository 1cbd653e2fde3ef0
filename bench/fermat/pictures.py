"""Pictures of the comparison: where the area of the engine goes, and from which layer on it pays."""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.fermat.engines import PRODUCTS, built_engine
from fermatnet.model.fermat.cost import direct_area, spectra_areas, transform_area
from fermatnet.model.fermat.plan import sizes

__all__ = ["draw"]


def shares(bits: int, k: int, channels: int) -> list[tuple[int, float]]:
    """(parallel products, share of a device of the direct engine over the Fermat engine's, at equal cycles),
    by the cost model."""
    engine = built_engine(bits, k, channels, 0)
    plan = engine.plan
    layer = sizes(
        engine.weight, engine.lo, engine.hi, engine.geometry, 1, (plan.lo, plan.hi), plan.widths, plan.lengths
    )
    points = []
    for products in (p for p in (1, 2, 4, 8, 16, 32, 64) if channels % p == 0):
        stored, computed = spectra_areas(layer, products)
        fermat = transform_area(layer, products, "stored" if stored.worth <= computed.worth else "computed")
        points.append(
            (
                products,
                direct_area(layer, max(1, ceil(layer.macs / layer.cycles(products)))).worth / fermat.worth,
            )
        )
    return points


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
