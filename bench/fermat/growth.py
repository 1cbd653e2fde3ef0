"""How the Fermat convolution engine grows: area and cycles against transform length, channels and image size,
with measured and theoretical slopes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2, prod
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.fermat.parts import Parts, fermat_memories, fermat_parts
from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.model.fermat.plan import Geometry, choose

__all__ = ["CURVES", "draw", "growth", "slope", "table"]

KERNEL, WIDTHS, PRODUCTS = 5, (16,), 2


@dataclass(frozen=True)
class Curve:
    """One figure against one size: exponents of growth in theory, ``in terms of`` log2 of the size where
    ``log``."""

    sweep: str
    figure: str
    order: float
    log: bool = False


CURVES = (
    Curve("N", "cycles an output", 0),
    Curve("N", "LUTs", 1, log=True),
    Curve("N", "spectra bits", 2),
    Curve("channels", "cycles", 2),
    Curve("channels", "memory bits", 1),
    Curve("channels", "spectra bits", 2),
    Curve("image", "cycles", 2),
    Curve("image", "memory bits", 1),
    Curve("image", "row bits", 1),
)


def _engine(n: int, channels: int, size: int) -> Convolver:
    """INT4 weights in F_4, spectra computed, so that every sweep is of one engine; 'same' padding."""
    w = np.random.default_rng(0).integers(-8, 8, (channels, channels, KERNEL, KERNEL))
    pad = (KERNEL // 2,) * 4
    plan = choose(w, 0, 7, pad=pad, height=size, width=size, moduli=WIDTHS, length=n, spectra="computed")
    return Convolver(w, 0, 7, Geometry(size, size, w.shape[2:], pad=pad), plan=plan, products=PRODUCTS)


def _row(parts: Parts | None, n: int, channels: int, size: int) -> dict[str, float]:
    """Cycles and memories of one engine, with ``parts`` its synthesised area too."""
    engine = _engine(n, channels, size)
    memories = fermat_memories(engine)
    row = {
        "N": n,
        "channels": channels,
        "image": size,
        "cycles": engine.cycles,
        "latency": engine.latency,
        "cycles an output": engine.cycles / (size * size * channels * channels),
        "memory bits": sum(w * d for w, d in memories),
        "spectra bits": engine.plan.spectra_bits,
        "row bits": engine.images.rows * size * channels * engine.shape.width,
        "ideal cycles an output": prod(engine.plan.lengths) / prod(engine.plan.tile) / PRODUCTS,
    }
    if parts is not None:
        total = parts.total(fermat_parts(engine, engine), memories)
        row |= {"LUTs": total["luts"], "DSPs": total["dsps"], "BRAMs": total["brams"]}
    return row


def growth(parts: Parts) -> dict[str, list[dict[str, float]]]:
    """One sweep a size: the others stay at N = 16, 8 channels, images of 84, which are whole tiles for every
    N.

    Logic grows with N; with channels and image only the widths of its counters do, so that area is counted in
    bits of memory there.
    """
    return {
        "N": [_row(parts, n, 8, 84) for n in (8, 16, 32)],
        "channels": [_row(None, 16, c, 84) for c in (4, 8, 16, 32)],
        "image": [_row(None, 16, 8, s) for s in (24, 48, 84, 168)],
    }


def slope(rows: Sequence[Mapping[str, float]], x: str, y: str, log: bool = False) -> float:
    """Exponent of growth over all rows, by least squares; of log2(x) where ``log``."""
    xs = np.log2([log2(row[x]) if log else row[x] for row in rows])
    return float(np.polyfit(xs, np.log2([row[y] for row in rows]), 1)[0])


def table(console: Console, grown: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Figures and slopes."""
    shown = Table(
        title=f"Growth: k = {KERNEL}, F_4, {PRODUCTS} products, spectra computed; slope of log against log"
    )
    for name in ("against", "figure", "values", "slope", "theory"):
        shown.add_column(name)
    for c in CURVES:
        rows = grown[c.sweep]
        values = ", ".join(f"{row[c.sweep]:g}: {row[c.figure]:.4g}" for row in rows)
        theory = (
            "(N/(N-k+1))^2"
            if c.figure == "cycles an output"
            else f"{c.order:g}" + (" of log2 N" if c.log else "")
        )
        shown.add_row(c.sweep, c.figure, values, f"{slope(rows, c.sweep, c.figure, c.log):.2f}", theory)
    console.print(shown)
    for row in grown["N"]:
        console.print(
            f"N = {row['N']:g}: {row['cycles an output']:.3f} cycles an output and channel, (N/(N-k+1))^2 / "
            f"P = {row['ideal cycles an output']:.3f}"
        )


def draw(grown: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path) -> Path:
    """Three panels: points with their slope, dotted lines with the theoretical one through the last point."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "fermatnet", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6))
    for axis, sweep in zip(panels, grown, strict=True):
        rows = grown[sweep]
        xs = np.array([row[sweep] for row in rows], float)
        for k, c in enumerate(curve for curve in CURVES if curve.sweep == sweep):
            ys = np.array([row[c.figure] for row in rows], float)
            measured = slope(rows, c.sweep, c.figure, c.log)
            axis.plot(xs, ys, f"C{k}o-", label=f"{c.figure}: slope {measured:.2f}")
            if c.figure == "cycles an output":
                theory, name = np.array([row["ideal cycles an output"] for row in rows]), "(N/(N-k+1))²/P"
            else:
                base = np.log2(xs) if c.log else xs
                theory, name = (
                    ys[-1] * (base / base[-1]) ** c.order,
                    f"{c.order:g}" + (" of log2 N" if c.log else ""),
                )
            axis.plot(xs, theory, f"C{k}:", label=f"theory: {name}")
        axis.set(xlabel=sweep, xscale="log", yscale="log")
        axis.set_xticks(xs, [f"{x:g}" for x in xs])
        axis.minorticks_off()
        axis.legend(fontsize=6)
    path = folder / "fermat-growth.svg"
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path
