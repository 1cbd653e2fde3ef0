"""The Fermat convolution engine against a direct multiply-accumulate engine of equal throughput, both
generated and synthesised here.

The direct engine is the project's own: a sliding window and an array of multiply-accumulate units. Engines
are sums of parts (`fermatnet.bench.fermat.parts`), each synthesised for 7-series cells. A DSP block holds one
product on both sides: yosys packs no two 8-bit products into one, a vendor's tool may, which halves the INT8
ratios.

``python -m fermatnet.bench.fermat.convolver --parts FILE.jsonl --json FILE.json --pictures docs`` prints the
tables, keeps every synthesised part in FILE.jsonl (an interrupted run goes on where it stopped) and draws the
pictures.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.fermat import growth as fermat_growth
from fermatnet.bench.fermat import layers as fermat_layers
from fermatnet.bench.fermat.direct import direct_engine, direct_memories, direct_parts, whole_direct
from fermatnet.bench.fermat.engines import PRODUCTS, built_engine, compare
from fermatnet.bench.fermat.parts import DEVICE, Parts, fermat_memories, fermat_parts, whole
from fermatnet.bench.fermat.pictures import draw

__all__ = ["ROWS", "check_sums", "run"]


ROWS = (
    (16, 7, 16, 0),
    (16, 11, 16, 0),
    (8, 5, 16, 0),
    (8, 3, 16, 0),
    (8, 7, 16, 0),
    (8, 11, 16, 0),
    (16, 3, 16, 0),
    (16, 5, 16, 0),
    (16, 7, 64, 0),
    (16, 11, 64, 0),
    (8, 5, 64, 0),
    (8, 3, 64, 0),
    (8, 7, 64, 0),
    (8, 11, 64, 0),
    (16, 3, 64, 0),
    (16, 5, 64, 0),
    (8, 3, 16, 8),
    (16, 3, 16, 8),
)
"""(bits, kernel, channels in and out, image; 0: two by two whole tiles) of the compared layers; the last two
lose on a small image."""


def check_sums(parts: Parts) -> list[dict[str, Any]]:
    """Both engines of a small layer mapped whole, beside the sums of their parts."""
    bits, k, channels = 8, 3, 4
    engine = built_engine(bits, k, channels, 0, "stored")
    d = direct_engine(channels, channels, k, engine.geometry.height, engine.cycles)
    title = f"INT{bits}, k {k}, {channels} channels, image {engine.geometry.height}"
    rows = []
    for name, build, pieces, memories in (
        (
            "fermat",
            lambda: built_engine(bits, k, channels, 0, "stored"),
            fermat_parts(engine, engine),
            fermat_memories(engine),
        ),
        (
            "direct",
            lambda: whole_direct(engine.weight, bits, engine.geometry.height, d),
            direct_parts(d, engine.weight, bits, engine.geometry.height),
            direct_memories(d, engine.weight, bits, engine.geometry.height),
        ),
    ):
        rows.append(
            {
                "engine": name,
                "layer": title,
                "sum": parts.total(pieces, memories),
                "whole": whole(parts, f"whole {name}, {title}", build),
            }
        )
    return rows


def _table(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(
        title=f"Fermat engine ({PRODUCTS} products at once) and direct engine of equal throughput, {DEVICE}; "
        "direct engine in brackets"
    )
    for name in (
        "INT",
        "k",
        "ch",
        "image",
        "moduli",
        "N",
        "spectra",
        "cycles",
        "DSP",
        "LUT",
        "BRAM36",
        "DSP ratio",
        "at equal cycles",
        "LUT a DSP saved",
        "device share ratio",
    ):
        table.add_column(name, justify="right")
    for r in rows:
        f, d = r["fermat"], r["direct"]
        price = r["luts a dsp saved"]
        table.add_row(
            str(r["bits"]),
            str(r["k"]),
            str(r["channels"]),
            str(r["image"]),
            ",".join(map(str, r["widths"])),
            str(r["length"]),
            r["spectra"],
            f"{r['cycles']} ({r['direct cycles']})",
            f"{f['dsps']} ({d['dsps']})",
            f"{f['luts']} ({d['luts']})",
            f"{f['brams']:g} ({d['brams']:g})",
            f"{r['ratio']:.2f}",
            f"{r['equal ratio']:.2f}",
            f"{price:.0f}" if price is not None else "loses",
            f"{r['share ratio']:.2f}",
        )
    console.print(table)


def run(
    json_path: Path | None = None,
    *,
    quick: bool = False,
    parts_file: Path | None = None,
    pictures: Path | None = None,
    results: str | Path | None = None,
) -> dict[str, Any]:
    """Prints the tables; writes the figures as JSON and the pictures beside it, or into ``pictures``.
    ``quick`` leaves out the layers of table 2.2.

    ``parts_file``: a JSONL file that keeps every synthesised part, to go on from. ``results`` FILE.jsonl:
    parts in FILE-parts.jsonl, simulated tiles in FILE-tiles.jsonl.
    """
    console = Console(width=200)
    beside = None if results is None else Path(results)
    if parts_file is None and beside is not None:
        parts_file = beside.with_name(f"{beside.stem}-parts.jsonl")
    parts = Parts(console, parts_file)
    rows = []
    for row in ROWS:
        rows.append(compare(parts, *row))
        console.print(rows[-1])
    _table(console, rows)
    grown = fermat_growth.growth(parts)
    fermat_growth.table(console, grown)
    sums = check_sums(parts)
    for line in sums:
        console.print(f"{line['engine']}, {line['layer']}: sum of parts {line['sum']}, whole {line['whole']}")
    report: dict[str, Any] = {"comparison": rows, "growth": grown, "sums": sums, "parts": parts.known}
    folder = pictures or (json_path.parent if json_path is not None else None)
    if folder is not None:
        draw(rows, folder)
        fermat_growth.draw(grown, folder)
    if not quick:
        report["reference"] = [
            _show(console, fermat_layers.reference(i, bits)) for bits in (8, 16) for i in range(5)
        ]
        if beside is not None:
            report["tiles"] = [
                _show(console, row)
                for row in fermat_layers.tiles(beside.with_name(f"{beside.stem}-tiles.jsonl"))
            ]
        else:
            report["tiles"] = [
                _show(console, {"index": i, **fermat_layers.tile(i, bits, products)})
                for i, bits, products in fermat_layers.TILES
            ]
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + "\n")
    return report


def _show(console: Console, row: dict[str, Any]) -> dict[str, Any]:
    console.print(row)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Compares the Fermat engine with a direct one, and shows how it grows; no simulation."
    )
    parser.add_argument("--parts", type=Path, help="JSON lines that keep the synthesised parts")
    parser.add_argument("--json", type=Path, help="the figures")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    options = parser.parse_args()
    run(options.json, quick=True, parts_file=options.parts, pictures=options.pictures)
