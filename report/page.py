"""report.html from report.json: one self-contained page."""

from typing import Any

from markupsafe import Markup

from fermatnet.report import figures, palette
from fermatnet.report.drawing import draw
from fermatnet.report.template import filled

__all__ = ["render"]

KEY = (
    (palette.ENGINES["fermat"], "Fermat transform"),
    (palette.ENGINES["and-popcount"], "AND-popcount"),
    (palette.ENGINES["int"], "integer"),
    (palette.ENGINES[""], "stream"),
)


def _cards(report: dict[str, Any]) -> list[tuple[str, str]]:
    accuracy, synth, exact = report["accuracy"], report["synth"], all(report["exact"].values())
    return [
        (f"{100 * accuracy['rtl']:.2f} %", f"accuracy of the hardware on {report['images']} held-out images"),
        (f"{100 * accuracy['float']:.2f} %", "accuracy of the full-precision twin"),
        ("equal" if exact else "DIFFERENT", "every logit: torch, numpy, onnxruntime, Verilog"),
        (f"{synth['images_per_second']:,.0f}", f"images per second at {synth['fmax_mhz']:.1f} MHz"),
        (f"{synth['cycles_per_image']:,}", "cycles per image"),
        (f"{synth['luts']:,}", f"LUTs on {synth['device']}; {synth['brams']} BRAM, {synth['dsps']} DSP"),
    ]


def _engines(report: dict[str, Any]) -> list[tuple[str, float, bool | None]]:
    """Name, accuracy, and whether its logits are the reference's (None: not compared)."""
    accuracy, exact = report["accuracy"], report["exact"]
    lines: list[tuple[str, float, bool | None]] = [
        ("full-precision twin (torch, float32)", accuracy["float"], None),
        ("numpy reference: diminished-1 transforms, AND and popcount", accuracy["reference"], None),
        ("torch, integer mode", accuracy["torch"], exact["torch"]),
        ("onnxruntime on the network file", accuracy["onnxruntime"], exact["onnxruntime"]),
        ("generated Verilog, simulated", accuracy["rtl"], exact["rtl"]),
        ("generated Verilog, random stalls on both sides", accuracy["rtl"], exact["rtl_stalled"]),
    ]
    if board := report.get("board"):
        name = f"the simulated board, UART pins to UART pins ({board['images']} images)"
        lines.append((name, board["accuracy"], exact["board"]))
    return lines


def render(report: dict[str, Any]) -> str:
    """The page as text; everything on it comes from ``report``, and is escaped but for the drawings."""
    path = report["synth"].get("critical_path") or {}
    return filled(
        "page.html",
        **{name: report[name] for name in ("network", "synth", "command", "mistakes", "versions")},
        cards=_cards(report),
        key=KEY,
        engines=_engines(report),
        board=report.get("board"),
        path={name: value for name, value in path.items() if not isinstance(value, list | dict)},
        seconds={name: f"{value:.1f} s" for name, value in report["seconds"].items()},
        drawing=Markup(draw(report["network"], report["network"]["name"])),
        confusion=Markup(figures.confusion(report["confusion"])),
        resources=Markup(figures.resources(report["synth"]["layers"])),
        histograms=Markup(figures.histograms(report["histograms"])),
        curves=Markup(figures.curves(report["curves"])),
    )
