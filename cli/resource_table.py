"""Predicted resources by layer, as a table of a design's interface."""

from typing import Any

from rich.table import Table

from fermatnet.cli.console import results

__all__ = ["pipelining", "show"]


def _numbers(resources: dict[str, float]) -> list[str]:
    return [f"{resources[name]:,g}" for name in ("luts", "ffs", "brams", "dsps")]


def show(interface: dict[str, Any]) -> None:
    """Prints layers with fold, cycles an image and what they are predicted to take."""
    predicted = interface["resources"]
    table = Table(
        title=f"Predicted for {predicted['device']}: {interface['cycles_per_image']:,} cycles an image"
    )
    for column in ("layer", "op"):
        table.add_column(column)
    for column in ("pe x simd", "cycles", "LUT", "FF", "BRAM", "DSP"):
        table.add_column(column, justify="right")
    for layer in interface["layers"]:
        fold = f"{layer['pe']} x {layer['simd']}"
        table.add_row(layer["name"], layer["op"], fold, f"{layer['cycles']:,}", *_numbers(layer["resources"]))
    table.add_row("(edge)", "AXI4-Stream", "", "", *_numbers(predicted["edge"]))
    table.add_section()
    table.add_row("all", "", "", "", *_numbers(predicted["total"]))
    results.print(table)


def pipelining(design: dict[str, Any]) -> str:
    """What the clock goal made of the arrays, in a line; "" where there are none."""
    cut = [layer["pipeline"]["logic_levels"] for layer in design["layers"] if "pipeline" in layer]
    if not cut:
        return ""
    return (
        f"pipelined for {design['clock_mhz']:g} MHz: at most {max(cut)} counters or adders between two "
        "registers of an array"
    )
