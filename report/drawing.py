"""A drawing of a network: one box a layer with its engine, shape and bits, branches side by side, as SVG."""

from html import escape
from typing import Any

from fermatnet.report.palette import ENGINES, INK, MUTED, SOFT

__all__ = ["draw"]

WIDTH, HEIGHT, GAP, COLUMN = 250, 40, 20, 272


def _place(layers: list[dict[str, Any]], source: str) -> dict[str, tuple[int, int]]:
    """Row and column of each tensor: rows by order of the layers, a branch goes one column right of the path
    it leaves.

    The second and later readers of a tensor start new columns; a layer that joins several tensors returns to
    the leftmost.
    """
    places = {source: (0, 0)}
    readers: dict[str, int] = {}
    free = 1
    for layer in layers:
        column = min(places[name][1] for name in layer["inputs"])
        if len(layer["inputs"]) == 1:
            name = layer["inputs"][0]
            readers[name] = readers.get(name, 0) + 1
            if readers[name] > 1:
                column, free = free, free + 1
        row = 1 + max(places[name][0] for name in layer["inputs"])
        if len(layer["inputs"]) > 1:
            free = column + 1
        places[layer["name"]] = (row, column)
    return places


def _box(x: int, y: int, title: str, detail: str, colour: str) -> str:
    return (
        f'<g><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fff" stroke="{colour}" '
        'stroke-width="1.4"/>'
        f'<rect x="{x}" y="{y}" width="5" height="{HEIGHT}" rx="2" fill="{colour}"/>'
        f'<text x="{x + 14}" y="{y + 16}" font-weight="600">{escape(title)}</text>'
        f'<text x="{x + 14}" y="{y + 31}" fill="{SOFT}" font-size="10.5">{escape(detail)}</text></g>'
    )


def _wire(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x0, y0), (x1, y1) = start, end
    if x0 == x1:
        path = f"M{x0} {y0}V{y1 - 5}"
    elif x1 > x0:  # leaves the main path: right first, then down
        path = f"M{x0} {y0 + 6}H{x1}V{y1 - 5}"
    else:  # joins: down first, then left
        path = f"M{x0} {y0}V{y1 - 10}H{x1 + 12}V{y1 - 5}"
    return f'<path d="{path}" fill="none" stroke="{MUTED}" stroke-width="1.3" marker-end="url(#tip)"/>'


def draw(summary: dict[str, Any], name: str = "network") -> str:
    """SVG of ``fermatnet.model.network.summary.summary``: colour by engine, output shape and bits in every
    box."""
    layers = summary["layers"]
    source = summary["input"].split()[0]
    places = _place(layers, source)
    spots = {key: (column * COLUMN + 4, row * (HEIGHT + GAP) + 4) for key, (row, column) in places.items()}
    parts = []
    for layer in layers:
        for read in layer["inputs"]:
            (x0, y0), (x1, y1) = spots[read], spots[layer["name"]]
            parts.append(_wire((x0 + WIDTH // 2, y0 + HEIGHT), (x1 + WIDTH // 2, y1)))
    parts.append(_box(*spots[source], source, summary["input"].split(" ", 1)[1], ENGINES[""]))
    for layer in layers:
        colour = ENGINES[next((key for key in ENGINES if key and layer["engine"].startswith(key)), "")]
        kind = (
            f"{layer['bits']}-bit "
            f"{'index' if layer['index'] else 'signed' if layer['signed'] else 'unsigned'}"
        )
        detail = f"{'x'.join(map(str, layer['shape']))}, {kind}"
        parts.append(
            _box(*spots[layer["name"]], f"{layer['name']}: {layer['engine'] or layer['op']}", detail, colour)
        )
    width = max(x for x, _ in spots.values()) + WIDTH + 4
    height = max(y for _, y in spots.values()) + HEIGHT + 4
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{MUTED}"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" '
        f'aria-label="drawing of {escape(name)}" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="{INK}">{tip}{"".join(parts)}</svg>'
    )
