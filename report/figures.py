"""The report's charts: each takes a part of report.json and returns SVG text."""

import io
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from fermatnet.report.palette import BAD, BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE

__all__ = ["confusion", "curves", "histograms", "resources"]

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "fermatnet",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def curves(series: dict[str, list[dict[str, float]]]) -> str:
    """Loss and accuracy by epoch of the twin and the quantized network; each epoch has loss, accuracy and, if
    known, accuracy."""
    with plt.rc_context(_STYLE):
        figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(8.6, 2.6))
        for (name, epochs), colour in zip(series.items(), (MUTED, BLUE), strict=False):
            at = [epoch["epoch"] for epoch in epochs]
            loss.plot(at, [epoch["loss"] for epoch in epochs], color=colour, label=name)
            accuracy.plot(at, [100 * epoch["accuracy"] for epoch in epochs], color=colour, label=name)
        for axes, title in ((loss, "training loss"), (accuracy, "training accuracy (%)")):
            axes.set_title(title)
            axes.set_xlabel("epoch")
            axes.grid(color=GRID)
            axes.legend()
        loss.set_yscale("log")
        return _svg(figure)


def histograms(parts: dict[str, dict[str, Any]]) -> str:
    """Full-precision values above, their piecewise approximation below, for weights and for activations
    (figures 3.4 and 3.5)."""
    with plt.rc_context(_STYLE):
        figure, grid = plt.subplots(2, len(parts), figsize=(8.6, 4.2), sharex="col", squeeze=False)
        for (kind, part), column in zip(parts.items(), grid.T, strict=True):
            edges, counts = part["edges"], part["counts"]
            column[0].bar(edges[:-1], counts, width=edges[1] - edges[0], align="edge", color=MUTED)
            column[0].set_title(f"{kind} of {part['layer']}, full precision")
            for end in part["endpoints"]:
                column[0].axvline(end, color=ORANGE, linewidth=0.8, linestyle=(0, (3, 2)))
            width = (edges[-1] - edges[0]) / 60
            column[1].bar(part["levels"], part["level_counts"], width=width, color=BLUE)
            column[1].set_title(
                f"{len(part['levels'])} pieces, levels {', '.join(map(str, part['integers']))}"
            )
            column[1].set_xlabel("value (dashed: end-points)")
            for axes in column:
                axes.grid(axis="y", color=GRID)
        return _svg(figure)


def resources(layers: list[dict[str, Any]]) -> str:
    """LUTs, flip-flops, block RAMs and DSPs of each layer."""
    keys = (("luts", "LUT", BLUE), ("ffs", "FF", GREEN), ("brams", "BRAM", ORANGE), ("dsps", "DSP", PURPLE))
    names = [layer["instance"] for layer in layers]
    with plt.rc_context(_STYLE):
        figure, columns = plt.subplots(1, len(keys), figsize=(8.6, 0.24 * len(names) + 0.8), sharey=True)
        for (key, title, colour), axes in zip(keys, columns, strict=True):
            values = [layer.get(key, 0) for layer in layers]
            bars = axes.barh(names, values, color=colour, height=0.65)
            axes.bar_label(
                bars, [f"{value:,}" if value else "" for value in values], padding=2, fontsize=7.5, color=INK
            )
            axes.set_title(f"{title}  {sum(values):,}")
            axes.margins(x=0.32)
            axes.xaxis.set_visible(False)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            for spine in axes.spines.values():
                spine.set_visible(False)
        columns[0].invert_yaxis()
        return _svg(figure)


def confusion(counts: list[list[int]]) -> str:
    """Confusion matrix: rows are labels, columns what the hardware said."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(3.6, 3.4))
        top = max(max(row) for row in counts)
        axes.imshow(counts, cmap="Blues", vmin=0, vmax=1.3 * top)
        for y, row in enumerate(counts):
            for x, count in enumerate(row):
                if count:
                    style: dict[str, Any] = (
                        {"color": "white"} if 2 * count > top else {"color": BAD, "weight": "bold"}
                    )
                    axes.text(x, y, str(count), ha="center", va="center", fontsize=8, **style)
        axes.set_xticks(range(len(counts)))
        axes.set_yticks(range(len(counts)))
        axes.set_xlabel("computed by the hardware")
        axes.set_ylabel("label")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure)
