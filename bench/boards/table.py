"""Bitstreams of the boards: what they take, how fast they are, and whether a second build gives the same
bytes.

Each row is a whole ``fermatnet board``, made twice. Rows are kept as they come (``--results``), because a
placement takes minutes; a row without its second build gets it in a later run.
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
from fermatnet.bench.rows import Asked, bench
from fermatnet.boards.build import build
from fermatnet.boards.definitions.catalogue import find_board

__all__ = ["ROWS", "digest", "row_of", "run"]

# board: network, cycles an image (None: what fits and meets its clock)
ROWS: dict[str, tuple[str, int | None]] = {
    "ulx3s-85f": ("digits", 4608),
    "orangecrab": ("digits", 18432),
    "colorlight-i5": ("digits", 18432),
    "icebreaker": ("digits-small", 4608),
    "tangnano9k": ("digits-small", 4608),
    "tangnano20k": ("digits", 18432),
}
COLUMNS = (
    "board",
    "network",
    "cycles",
    "LUT",
    "FF",
    "BRAM",
    "DSP",
    "clock",
    "Fmax",
    "images/s UART",
    "core",
    "same bytes",
)


@bench
def run(asked: Asked) -> list[dict[str, Any]]:
    """Builds what ``results`` does not hold yet, and prints the table.

    ``models``: folder of ``digits.onnx`` and ``digits-small.onnx``, trained where they are missing; ``only``:
    one board; ``quick``: without the second builds, which must give the same bytes.
    """
    rows, names = _kept(asked.results), asked.named(ROWS, "board")
    for again in (False,) if asked.quick else (False, True):
        for name in names:
            if name in rows and (not again or "same_bytes" in rows[name]):
                continue
            row = _built(name, asked.folder, print)
            if again:
                row = rows[name] | {"same_bytes": row["files_sha256"] == rows[name]["files_sha256"]}
            rows[name] = row
            if asked.results:
                with Path(asked.results).open("a") as file:
                    file.write(json.dumps(row) + "\n")
    found = [rows[name] for name in names]
    _print(found)
    asked.write(found)
    return found


def _kept(results: str | None) -> dict[str, dict[str, Any]]:
    """Rows by board, the last one of each."""
    if results is None or not Path(results).is_file():
        return {}
    rows = [json.loads(line) for line in Path(results).read_text().splitlines() if line]
    return {row["board"]: row for row in rows}


def _built(name: str, models: Path | None, say: Callable[[str], None]) -> dict[str, Any]:
    kind, cycles = ROWS[name]
    net, board = network(kind, models), find_board(name)
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / name
        build(net, board, folder, cycles=cycles, progress=lambda words: say(f"{name}: {words}"))
        return row_of(folder)


def row_of(folder: Path) -> dict[str, Any]:
    """The row of a board's folder."""
    found = json.loads((folder / "board.json").read_text())
    return {
        "board": found["board"],
        "network": found["network"],
        "cycles": found["cycles_per_image"],
        **{key: found["chip"][key] for key in ("luts", "ffs", "brams", "dsps")},
        "clock_mhz": round(found["clock_mhz"], 2),
        "fmax_mhz": found["chip"]["fmax_mhz"],
        "images_per_second": found["images_per_second"],
        "bitstream_sha256": hashlib.sha256((folder / found["bitstream"]).read_bytes()).hexdigest(),
        "files_sha256": digest(folder),
        "versions": found["chip"]["versions"],
    }


def digest(folder: Path) -> str:
    """SHA-256 of all files of a folder, their names and their bytes."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        words = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(folder).as_posix()} {words}\n".encode())
    return found.hexdigest()


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
            {True: "yes", False: "NO", None: "not tried"}[row.get("same_bytes")],
        )
    Console(width=140).print(table)
