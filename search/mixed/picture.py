"""The front of a search as a picture: costs against the increase of the loss, SVG or PNG by the file's
name."""

from pathlib import Path
from typing import Any

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.search.mixed.costs import COSTS

__all__ = ["draw_front"]

MIXED, UNIFORM, LIMIT = "#1f6f8b", "#b5651d", "#b00020"


def draw_front(result: dict[str, Any], path: str | Path) -> None:
    """Draw ``result`` of `fermatnet.search.mixed.search.search_mixed`: mixed assignments joined by steps,
    each choice everywhere as a labelled point, the limit as a line."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("pictures need matplotlib: pip install 'fermatnet[train]'") from error
    key, limit = next(iter(result["limits"].items()))
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    front = result["front"]
    axes.step(
        [p[key] for p in front],
        [p["increase"] for p in front],
        where="post",
        marker="o",
        color=MIXED,
        label="mixed",
    )
    for point in result["uniform"]:
        if point.get(key) is not None and point["increase"] is not None:
            axes.plot(point[key], point["increase"], "s", color=UNIFORM)
            words = f"{point['choices'][0]} everywhere"
            axes.annotate(words, (point[key], point["increase"]), xytext=(5, 4), textcoords="offset points")
    if result["found"]:
        axes.plot(
            result["found"][key], result["found"]["increase"], "*", color=LIMIT, markersize=14, label="found"
        )
    axes.axvline(limit, linestyle="--", linewidth=1, color=LIMIT, label=f"limit {limit:,.6g}")
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=min([-0.002, *(1.2 * p["increase"] for p in front)]))
    axes.margins(x=0.2, y=0.1)
    axes.set_xlabel(f"{COSTS[key]}, predicted, {result['target']['device']}")
    axes.set_ylabel("increase of the loss, sum over layers changed alone")
    axes.set_title(f"{result['net']} at {result['target']['cycles']:,} cycles an image")
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.lstrip(".") or "svg")
