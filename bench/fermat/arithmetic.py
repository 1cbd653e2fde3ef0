"""Area, clock and correctness of the Fermat arithmetic, one run, side by side. ``fermatnet bench fermat``

Everything is measured here, the rivals too: the plain registered 33-bit adder/subtractor pair (the limit that
carry chains set) and the straightforward one-cycle diminished-1 butterfly are generated, synthesised and
placed by the same tools in the same run.
``python -m fermatnet.bench.fermat.arithmetic --results
FILE.jsonl`` keeps every row in a file and goes on where it stopped; ``--quick`` measures a part. LUTs: xc7
LUT1..LUT6 cells, each once; ECP5 LUT4 + 2 per CCU2C, as everywhere in ``fermatnet.synth``.
yosys counts an xc7 LUT only where it holds logic; the last column counts *carry positions* too, the slice
LUTs that CARRY4 inputs pass through.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.fermat import vectors as fermat_vectors
from fermatnet.bench.fermat.arithmetic_rows import LUT_GOALS, SEEDS, dsp_rows, ecp5_rows, xc7_rows
from fermatnet.model.result_log import ResultLog
from fermatnet.synth.proofs import arithmetic as fermat_proofs

__all__ = ["run"]

GOAL_FMAX, GOAL_AREA = 0.95, 2.5


def _show(console: Console, title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(
            column.replace("_", " "), justify="left" if isinstance(rows[0].get(column), str) else "right"
        )
    for row in rows:
        table.add_row(*("" if row.get(column) is None else str(row[column]) for column in columns))
    console.print(table)


def _verdicts(ecp5: list[dict[str, Any]], xc7: list[dict[str, Any]], dsp: list[dict[str, Any]]) -> list[str]:
    fast = ecp5[1]
    best = {
        goal: min(row["luts"] for row in xc7 if row["circuit"] == goal)
        for goal in LUT_GOALS
        if any(row["circuit"] == goal for row in xc7)
    }
    lines = [
        f"butterfly b=32 on ECP5: Fmax {fast['fmax_ratio']} x the plain pair's (goal {GOAL_FMAX}), area "
        f"{fast['area_ratio']} x (goal {GOAL_AREA})",
        f"straightforward one-cycle form: Fmax {ecp5[4]['fmax_ratio']} x, area {ecp5[4]['area_ratio']} x",
    ]
    lines += [
        f"{goal} on xc7: {luts} LUT (goal {LUT_GOALS[goal]}): {1 - luts / LUT_GOALS[goal]:.0%} fewer"
        for goal, luts in best.items()
    ]
    return lines + [
        f"{row['product']} ({row['form']}): {row['dsps']} DSP a product (goal {row['goal']})"
        for row in dsp
        if row["goal"]
    ]


def run(
    json_path: str | Path | None = None,
    *,
    proofs: bool = True,
    vectors: int = 1_000_000,
    quick: bool = False,
    results: str | Path | None = None,
) -> dict[str, Any]:
    """Measures everything, prints the tables, writes JSON when a path is given; returns the figures.

    ``proofs`` False leaves out the formal proofs, ``vectors`` 0 the random vectors: they take most of the
    time. ``quick``: one seed, no 16-point transforms, 20000 vectors and proofs at b = 16 only. ``results``: a
    JSONL file that keeps every row, to go on from.
    """
    console, log = Console(width=170), ResultLog(results)
    steps: dict[str, Callable[[], Any]] = {
        "xc7": lambda: xc7_rows(not quick, log),
        "dsp": lambda: dsp_rows(log),
        "ecp5": lambda: ecp5_rows(SEEDS[:1] if quick else SEEDS, not quick, log),
    }
    figures: dict[str, Any] = {}
    for name, step in steps.items():
        with console.status(f"synthesis: {name}"):
            figures[name] = step()
    _show(
        console, f"xc7, yosys {figures['xc7'][0]['yosys']}, after synthesis", figures["xc7"],
        ("circuit", "stage_latency", "luts", "goal", "saved", "ffs", "carry4", "luts_with_carry_positions"),
    )  # fmt: skip
    _show(console, "Products on xc7", figures["dsp"], ("product", "form", "dsps", "goal", "luts", "ffs"))
    _show(
        console,
        "ECP5 85k, speed 6, out of context, placed and routed; Fmax is the median of the seeds shown",
        figures["ecp5"],
        (
            "circuit",
            "latency",
            "lut4",
            "ccu2c",
            "luts",
            "ffs",
            "dsps",
            "fmax_mhz",
            "fmax_ratio",
            "area_ratio",
            "fmax_by_seed",
        ),
    )
    figures["verdicts"] = _verdicts(figures["ecp5"], figures["xc7"], figures["dsp"])
    for line in figures["verdicts"]:
        console.print(line)
    widths = (16,) if quick else (16, 32, 64)
    if vectors:
        figures["vectors"] = fermat_vectors.run(
            vectors=20_000 if quick else vectors, widths=widths, results=results
        )
    if proofs:
        figures["proofs"] = fermat_proofs.run(widths=widths, results=results)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(figures, indent=1) + "\n")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Area, clock and correctness of the Fermat arithmetic.")
    parser.add_argument("--results", help="JSONL file that keeps each row, to go on from")
    parser.add_argument("--quick", action="store_true", help="a part of everything")
    parser.add_argument("--synthesis", action="store_true", help="no random vectors, no proofs")
    parsed = parser.parse_args()
    run(
        quick=parsed.quick,
        results=parsed.results,
        proofs=not parsed.synthesis,
        vectors=0 if parsed.synthesis else 1_000_000,
    )
