"""Bitstreams of the boards: what they take, how fast they are, and whether a second build gives the same
bytes.

Each row is a whole ``fermatnet board``. Rows are kept as they come (``--results``), because a placement takes
minutes.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.boards.networks import network
from fermatnet.boards.build import build
from fermatnet.boards.definitions.catalogue import find_board

__all__ = ["ROWS", "run", "same_bytes"]

# board: network, cycles an image (None: what fits and meets its clock)
ROWS: dict[str, tuple[str, int | None]] = {
    "ulx3s-85f": ("digits", 4608),
    "orangecrab": ("digits", 18432),
    "colorlight-i5": ("digits", 18432),
    "icebreaker": ("digits-small", 4608),
    "tangnano9k": ("digits-small", 4608),
    "tangnano20k": ("digits", 18432),
}
COLUMNS = ("board", "network", "cycles", "LUT", "FF", "BRAM", "DSP", "clock", "Fmax", "images/s UART", "core")


def run(
    *,
    json_path: Path | None = None,
    models: str | None = None,
    results: str | None = None,
    only: str | None = None,
    quick: bool | None = None,
) -> list[dict[str, Any]]:
    """Builds what ``results`` does not hold yet, and prints the table.

    ``models``: folder of ``digits.onnx`` and ``digits-small.onnx``, trained where they are missing; ``only``:
    one board; ``quick``: without the second build that must give the same bytes.
    """
    kept = _kept(results)
    rows = []
    for name in [only] if only else ROWS:
        row = kept.get(name) or _row(name, None if models is None else Path(models), not quick, print)
        if results and name not in kept:
            with Path(results).open("a") as file:
                file.write(json.dumps(row) + "\n")
        rows.append(row)
    _print(rows)
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=2) + "\n")
    return rows


def _kept(results: str | None) -> dict[str, dict[str, Any]]:
    if results is None or not Path(results).is_file():
        return {}
    rows = [json.loads(line) for line in Path(results).read_text().splitlines() if line]
    return {row["board"]: row for row in rows}


def _row(name: str, models: Path | None, twice: bool, say: Callable[[str], None]) -> dict[str, Any]:
    kind, cycles = ROWS[name]
    net, board = network(kind, models), find_board(name)
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        first = Path(scratch) / "first"
        found = build(net, board, first, cycles=cycles, progress=lambda words: say(f"{name}: {words}"))
        row: dict[str, Any] = {
            "board": name,
            "network": kind,
            "cycles": found["cycles_per_image"],
            **{key: found["chip"][key] for key in ("luts", "ffs", "brams", "dsps")},
            "clock_mhz": round(found["clock_mhz"], 2),
            "fmax_mhz": found["chip"]["fmax_mhz"],
            "images_per_second": found["images_per_second"],
            "bitstream_sha256": hashlib.sha256((first / found["bitstream"]).read_bytes()).hexdigest(),
            "versions": found["chip"]["versions"],
        }
        if twice:
            second = Path(scratch) / "second"
            build(net, board, second, cycles=cycles)
            row["same_bytes"] = same_bytes(first, second)
    return row


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [
        sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in (one, other)
    ]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names[0]
    )


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title="boards")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("board", "network") else "right")
    for row in rows:
        table.add_row(
            row["board"],
            row["network"],
            *(f"{row[key]:,}" for key in ("cycles", "luts", "ffs", "brams", "dsps")),
            f"{row['clock_mhz']:.1f}",
            f"{row['fmax_mhz']:.1f}",
            *(f"{row['images_per_second'][key]:,.0f}" for key in ("uart", "core")),
        )
    Console(width=140).print(table)
