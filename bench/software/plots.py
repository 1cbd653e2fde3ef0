"""The figures of chapter 2 from a run of the software bench, as SVG."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

__all__ = ["draw"]

INK, RED, GREY = "#1b5e9e", "#c0392b", "#8a8a8a"


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    figure, axes = pyplot.subplots(figsize=(4.6, 3.1), layout="constrained")
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def draw(found: dict[str, Any], folder: Path) -> list[Path]:
    """Draws what the run contains; returns the files."""
    matplotlib.rcParams["svg.hashsalt"] = "fermatnet"
    paths = []
    if "table-2.1" in found:
        rows = found["table-2.1"]["rows"]
        figure, axes = _axes("Figure 2.1: operations (k = 7, 96 → 256, batch 128)", "n", "unified operations")
        for key, colour, label in (
            ("direct", RED, "direct"),
            ("thesis", GREY, "thesis' DFNT"),
            ("ours", INK, "this, counted"),
        ):
            axes.plot(
                [row["n"] for row in rows],
                [row["unified"][key] for row in rows],
                "o-",
                color=colour,
                label=label,
                markersize=3,
            )
        axes.set_yscale("log")
        axes.legend(fontsize=8)
        paths.append(_save(figure, folder / "figure-2-1.svg"))
    for number, title in (
        ("2.2", "time against input size (k = 7)"),
        ("2.3", "time against kernel (n + k - 1 = 32)"),
        ("2.4", "time against batch (k = 7)"),
        ("channels", "time against channels (k = 5, n = 12)"),
    ):
        if "figures-2.2-2.4" not in found:
            break
        sweep = found["figures-2.2-2.4"][number]
        rows, axis = sweep["rows"], sweep["axis"]
        figure, axes = _axes(
            f"Figure {number}: {title}" if number != "channels" else f"Channels: {title}",
            axis,
            "ms, one thread",
        )
        values = [row[axis] for row in rows]
        axes.plot(values, [row["seconds"] * 1e3 for row in rows], "o-", color=INK, label="this", markersize=3)
        axes.plot(values, [row["model"] * 1e3 for row in rows], "--", color=GREY, label="cost model")
        if "loops" in rows[0]:
            axes.plot(
                values,
                [row["loops"] * 1e3 for row in rows],
                "o-",
                color=RED,
                label="direct loops",
                markersize=3,
            )
            axes.set_yscale("log")
        axes.legend(fontsize=8)
        paths.append(_save(figure, folder / f"figure-{number.replace('.', '-')}.svg"))
    if "figure-2.5" in found:
        figure, axes = _axes("Figure 2.5: threads, batch 16", "threads", "times faster than one")
        for row, colour in zip(
            found["figure-2.5"]["rows"], (INK, RED, GREY, "#2e8b57", "#b8860b"), strict=True
        ):
            counts = [1, *(int(t) for t in row["ratio"])]
            axes.plot(
                counts,
                [1.0, *(r[0] for r in row["ratio"].values())],
                "o-",
                color=colour,
                label=str(tuple(row["layer"])),
                markersize=3,
            )
        axes.plot(counts, counts, "--", color="black", linewidth=0.8)
        axes.set_xticks(counts)
        axes.legend(fontsize=6)
        paths.append(_save(figure, folder / "figure-2-5.svg"))
    if "table-2.3" in found:
        figure, axes = _axes("Table 2.3, INT8: times faster than ...", "layer", "ratio (1 = as fast)")
        rows = found["table-2.3"]["int8"]["rows"]
        names = [name for name in rows[0]["ratio"] if name != "dfnt"]
        for i, name in enumerate(names):
            axes.bar(
                [j + i * 0.13 for j in range(len(rows))],
                [row["ratio"][name][0] for row in rows],
                0.12,
                label=name,
            )
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_yscale("log")
        axes.set_xticks(
            [j + 0.33 for j in range(len(rows))],
            [f"k={row['layer'][0]}\n{row['layer'][2]}→{row['layer'][3]}" for row in rows],
            fontsize=7,
        )
        axes.set_ylim(top=4 * axes.get_ylim()[1])  # room for the legend above the bars
        axes.legend(fontsize=6, ncols=3)
        paths.append(_save(figure, folder / "table-2-3.svg"))
    return paths
