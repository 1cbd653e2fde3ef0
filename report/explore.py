"""explore.html: the front of a network on a device, to look at and to choose from, in one self-contained
page."""

import itertools
import json
import math
from typing import Any

from markupsafe import Markup

from fermatnet.report import palette
from fermatnet.report.template import filled

__all__ = ["COST", "render"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 380, 70, 46, 16
COST = {"luts": "LUTs", "ffs": "flip-flops", "brams": "block RAMs", "dsps": "multipliers"}
"""What a design costs, by its name in the results."""


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within a range; at least its ends' decades."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        step * 10.0**decade
        for decade, step in itertools.product(decades, (1, 2, 5))
        if low <= step * 10.0**decade <= high
    ]


def chart(found: dict[str, Any]) -> str:
    """SVG: cycles an image against LUTs, both by logarithm; the front joined by steps, the others pale."""
    points = found["front"] + found["others"]
    xs, ys = [point["cycles"] for point in points], [max(1, point["luts"]) for point in points]
    x0, x1, y0, y1 = min(xs) / 1.2, max(xs) * 1.2, min(ys) / 1.2, max(ys) * 1.2

    def at(cycles: float, luts: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 20) * math.log(cycles / x0) / math.log(x1 / x0)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - math.log(max(1, luts) / y0) / math.log(y1 / y0))
        return round(x, 1), round(y, 1)

    parts = []
    for tick in _ticks(x0, x1):
        x, _ = at(tick, y0)
        parts.append(
            f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="{palette.GRID}"/>'
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:,.0f}</text>'
        )
    for tick in _ticks(y0, y1):
        _, y = at(x0, tick)
        parts.append(
            f'<path d="M{LEFT} {y}H{WIDTH - 20}" stroke="{palette.GRID}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:,.0f}</text>'
        )
    most = found["capacity"]["luts"]
    if y0 < most < y1:
        _, y = at(x0, most)
        parts.append(
            f'<path d="M{LEFT} {y}H{WIDTH - 20}" stroke="{palette.BAD}" stroke-dasharray="5 4"/>'
            f'<text x="{WIDTH - 24}" y="{y - 5}" text-anchor="end" fill="{palette.BAD}">the device</text>'
        )
    for point in found["others"]:
        x, y = at(point["cycles"], point["luts"])
        words = f"{point['cycles']:,} cycles, {point['luts']:,} LUTs"
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="3.5" fill="{palette.GREY}" opacity=".5">'
            f"<title>{words}</title></circle>"
        )
    spots = [at(point["cycles"], point["luts"]) for point in found["front"]]
    steps = f"M{spots[0][0]} {spots[0][1]}" + "".join(f"H{x}V{y}" for x, y in spots[1:])
    parts.append(f'<path d="{steps}" fill="none" stroke="{palette.BLUE}" stroke-width="1.5"/>')
    for point, (x, y) in zip(found["front"], spots, strict=True):
        parts.append(
            f'<g class="point" data-number="{point["number"]}">'
            f'<circle cx="{x}" cy="{y}" r="9" fill="{palette.BLUE}"/>'
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" fill="#fff" font-weight="600">'
            f"{point['number']}</text></g>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="cycles an image against look-up tables" font-family="system-ui, sans-serif" '
        'font-size="11" '
        f'fill="{palette.SOFT}">{"".join(parts)}'
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">cycles an image</text>'
        f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2})">'
        "look-up tables</text></svg>"
    )


def render(found: dict[str, Any], command: str) -> str:
    """The page of what `fermatnet.search.explore.front.explore` found; ``command``: what generates a point,
    K standing for its number."""
    details = {point["number"]: point["layers"] for point in found["front"]}
    text = json.dumps(details).replace("<", "\\u003c")  # within a script element
    return filled(
        "explore.html",
        found=found,
        cost=COST,
        command=command,
        drawing=Markup(chart(found)),
        details=Markup(text),
    )
