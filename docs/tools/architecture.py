"""Draws docs/architecture.svg: the path of a network above, the packages it runs through below.

    python docs/tools/architecture.py docs/architecture.svg

The boxes of the packages are those of the tree, so a new package appears by itself; the floors are the order
that tests/test_packaging.py holds the imports to.
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
WIDTH, MARGIN, LABEL = 1000, 20, 150
BOX, GAP, ROW = 122, 12, 62
INK, LINE, PAPER, SOFT, STRONG = "#263238", "#78909c", "#ffffff", "#e0f2f1", "#00796b"

# floors from the top: title, folders; a folder that ends in / stands for the packages in it
FLOORS = (
    ("What you call", ("api", "cli", "report", "bench")),
    ("Around the\nhardware", ("sim", "synth", "boards", "search")),
    ("Hardware:\nno torch", ("hw/",)),
    ("Training and files", ("model/nn", "model/train", "model/zoo", "model/exchange", "model/detect")),
    ("Networks:\nno torch needed", ("model/network", "model/fermat", "model/piecewise", "runtime")),
)
WORDS = {
    "api": "import fermatnet",
    "cli": "the command",
    "report": "the demo's page",
    "bench": "tables of results",
    "sim": "cocotb, Verilator",
    "synth": "yosys, nextpnr",
    "boards": "pins, link, host",
    "search": "sweeps, explorer",
    "hw/compiler": "network to design",
    "hw/layers": "node to block",
    "hw/resources": "area, predicted",
    "hw/timing": "cycles of beats",
    "hw/arrays": "multiply-accumulate",
    "hw/fermat": "transform engine",
    "hw/constant": "weights as wiring",
    "hw/piecewise": "AND and popcount",
    "hw/stream": "windows, queues",
    "hw/rtl": "Verilog, memories",
    "hw/ip": "single blocks",
    "model/nn": "quantizers, convert",
    "model/train": "data, loop, runs",
    "model/zoo": "architectures",
    "model/exchange": "export, import",
    "model/detect": "boxes",
    "model/network": "file and reference",
    "model/fermat": "exact convolution",
    "model/piecewise": "levels, planes",
    "runtime": "CPU engine, C",
}
# the path: text, the package that does the step to the next one
PATH = (
    ("PyTorch\nmodel", "quantize\nmodel/nn"),
    ("quantized\ntwin", "export\nmodel/exchange"),
    ("network file\n(integers)", "generate\nhw/compiler"),
    ("Verilog,\nmemories", "simulate\nsim, synth"),
    ("equal outputs\narea, clock", ""),
)


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    bold: bool = False,
    fill: str = INK,
    anchor: str = "middle",
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{fill}"' + (
        ' font-weight="600"' if bold else ""
    )
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(words)}</text>'


def lines(x: float, middle: float, words: str, **options: Any) -> list[str]:
    """Several lines of text around a height."""
    rows = words.split("\n")
    top = middle + 5 - 8 * (len(rows) - 1)
    return [text(x, top + 16 * n, row, **options) for n, row in enumerate(rows)]


def box(x: float, y: float, width: float, height: float, *, fill: str = SOFT, stroke: str = STRONG) -> str:
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {size} rx="5" fill="{fill}" stroke="{stroke}"/>'


def arrow(to: str) -> str:
    return f'<path d="{to}" stroke="{LINE}" stroke-width="1.6" marker-end="url(#tip)"/>'


def path(y: float) -> list[str]:
    """The row of what a network is on its way, with the steps between."""
    width, height = 112, 56
    step = (WIDTH - 2 * MARGIN - width) / (len(PATH) - 1)
    middle = y + height / 2
    made = []
    for number, (words, how) in enumerate(PATH):
        x = MARGIN + number * step
        file = "network file" in words
        made.append(box(x, y, width, height, fill=STRONG if file else PAPER))
        made += lines(x + width / 2, middle, words, bold=True, size=12, fill=PAPER if file else INK)
        if how:
            made.append(arrow(f"M{x + width + 4:g} {middle:g}H{x + step - 5:g}"))
            first, *rest = how.split("\n")
            centre = x + (width + step) / 2
            made.append(text(centre, middle - 8, first, size=11))
            made += [text(centre, middle + 18 + 14 * n, row, size=11) for n, row in enumerate(rest)]
    centre = MARGIN + 2 * step + width / 2
    made.append(arrow(f"M{centre:g} {y + height + 34:g}V{y + height + 6:g}"))
    made.append(text(centre, y + height + 50, "files of other tools (model/exchange)", size=11))
    return made


def packages(folders: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for folder in folders:
        if folder.endswith("/"):
            inner = {one.parent.relative_to(ROOT).as_posix() for one in (ROOT / folder).glob("*/__init__.py")}
            found += sorted(inner, key=lambda name: list(WORDS).index(name) if name in WORDS else len(WORDS))
        elif (ROOT / folder / "__init__.py").is_file():
            found.append(folder)
    return found


def floor(y: float, title: str, names: list[str]) -> tuple[list[str], float]:
    """One floor with its boxes, and where it ends."""
    a_row = int((WIDTH - 2 * MARGIN - LABEL) // (BOX + GAP))
    height = ROW * -(-len(names) // a_row) + 8
    made = [box(MARGIN, y, WIDTH - 2 * MARGIN, height, fill="#fafafa", stroke="#cfd8dc")]
    made += lines(MARGIN + 12, y + height / 2, title, bold=True, anchor="start")
    for number, name in enumerate(names):
        x = MARGIN + LABEL + (BOX + GAP) * (number % a_row)
        top = y + 10 + ROW * (number // a_row)
        made.append(box(x, top, BOX, ROW - 12))
        made.append(text(x + BOX / 2, top + 21, name, bold=True, size=12))
        made.append(text(x + BOX / 2, top + 38, WORDS.get(name, ""), size=11))
    return made, y + height


def draw() -> str:
    """The whole picture."""
    parts = path(24)
    y = 172.0
    for title, folders in FLOORS:
        names = packages(folders)
        made, y = floor(y, title, names)
        parts += made
        y += 14
    note = (
        "a package imports only from its own floor and below; hardware and training do not import each other"
    )
    parts.append(text(WIDTH / 2, y + 8, note, size=12, fill=LINE))
    size = f'width="{WIDTH}" height="{y + 24:g}" viewBox="0 0 {WIDTH} {y + 24:g}"'
    fonts = "system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
    tip = 'id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{fonts}">',
        f'<defs><marker {tip}><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw())
