"""report.html of a board's folder: what the chip holds, how fast it is, how to use it."""

from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.report.template import filled

__all__ = ["render", "write_page"]

_WORDS = {"luts": "look-up tables", "ffs": "flip-flops", "brams": "block RAMs", "dsps": "multipliers"}


def _cards(description: dict[str, Any]) -> list[tuple[str, str]]:
    rate = description["images_per_second"]
    cards = [
        (f"{rate['uart']:,.0f}", f"images per second over the line at {description['link']['baud']:,} baud"),
        (f"{rate['core']:,.0f}", "images per second that the network itself takes"),
        (
            f"{description['clock_mhz']:.4g} MHz",
            f"clock, from an oscillator of {description['oscillator_mhz']:g} MHz",
        ),
        (f"{description['cycles_per_image']:,}", "cycles per image"),
    ]
    if "chip" in description:
        chip = description["chip"]
        cards.append((f"{chip['fmax_mhz']:.1f} MHz", "reached by placement: the clock is met"))
        share = chip["luts"] / chip["capacity"]["luts"]
        cards.append((f"{100 * share:.0f} %", f"of the chip's {chip['capacity']['luts']:,} look-up tables"))
    return cards


def _bars(chip: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, words in _WORDS.items():
        used, most = chip[name], chip["capacity"][name]
        share = 100 * used / most if most else 0
        rows.append({"name": words, "used": used, "most": most, "share": round(min(100.0, share), 1)})
    return rows


def render(found: dict[str, Any]) -> str:
    """The page of what ``board.json`` says; nothing on it changes from one run to the next."""
    chip = found.get("chip")
    path = (chip or {}).get("critical_path") or {}
    return filled(
        "board.html",
        found=found,
        cards=_cards(found),
        bars=_bars(chip) if chip else [],
        layers=chip["layers"] if chip else [],
        path={name: value for name, value in path.items() if not isinstance(value, list | dict)},
        versions=chip["versions"] if chip else {},
    )


def write_page(folder: Path, found: dict[str, Any]) -> None:
    """Writes ``report.html`` into ``folder``; InputError where jinja2 is missing."""
    try:
        (folder / "report.html").write_text(render(found))
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed; get it with: pip install {error.name}") from None
