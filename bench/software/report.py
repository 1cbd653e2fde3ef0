"""What the sections of the software bench share: the layers of the thesis, the console, and how figures are
written."""

from typing import Any

from rich.console import Console

__all__ = ["LAYERS", "Result", "console", "layer_name", "ms", "times_faster"]

# (k, n, f, f') of tables 2.2 and 2.3
LAYERS = ((11, 22, 3, 96), (7, 26, 96, 256), (5, 12, 256, 384), (5, 12, 384, 384), (3, 14, 384, 384))
console = Console(width=132, highlight=False)
Result = dict[str, Any]


def layer_name(layer: tuple[int, int, int, int]) -> str:
    """(k, n + k - 1, f, f'), as the thesis writes it: with the size of the input."""
    k, n, f, o = layer
    return f"({k}, {n + k - 1}, {f}, {o})"


def ms(seconds: float) -> str:
    """Milliseconds, with a decimal where there are few."""
    return f"{seconds * 1e3:.1f}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def times_faster(ratio: tuple[float, float, float]) -> str:
    """Median, with the least and the greatest where they differ."""
    return "{:.2f} x ({:.2f} - {:.2f})".format(*ratio) if ratio[2] > 1.005 * ratio[1] else f"{ratio[0]:.2f} x"
