"""The AND-popcount array in numbers: LUTs of the popcount, AND against XNOR, a layer in all its exact forms,
products of integers in every way, depth against LUTs, and speed beside its goals.

``fermatnet bench array`` prints seven tables and writes them as JSON. The cell library for the comparison of
gates is the one of ``--liberty FILE``, or that of Debian's qflow-tech-osu018 where it is installed. With
``--json FILE`` each synthesis is kept in FILE.jsonl by its Verilog and not done again; ``--quick`` takes the
popcounts with goals, and one set of levels.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import unsigned
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fermatnet.bench.compiler.array_speed import depth_rows, speed_rows
from fermatnet.bench.compiler.array_synthesis import gates, kept, mapped_cells
from fermatnet.bench.compiler.multiplying import product_rows
from fermatnet.bench.gates.circuits import with_gate
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.dot import Dot
from fermatnet.hw.piecewise.forms import choose_form, forms_of
from fermatnet.model.atomic import atomic_file
from fermatnet.model.piecewise.pieces import check_levels
from fermatnet.synth import liberty

__all__ = ["gate_rows", "layer_rows", "popcount_rows", "run", "xnor_rows"]

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
GOALS = {("xc7", 72): 1.25, ("xc7", 256): 1.28, ("ecp5", 64): 3.0}
LEVELS = {
    "M=4 N=5, small integers": ([-5, -2, 0, 2, 5], [0, 1, 2, 3, 4, 5]),
    "M=4 N=5, as trained (8 bit)": ([-37, -11, 0, 12, 39], [0, 21, 40, 63, 82, 104]),
    "M=8 N=7, small integers": ([-9, -6, -3, -1, 0, 1, 3, 6, 9], [0, 1, 2, 3, 4, 5, 6, 7]),
}


def popcount_rows(quick: bool = False) -> list[dict[str, Any]]:
    """LUTs an AND of the stand-alone popcount, beside plain additions and the goals; ``quick``: these widths
    only."""
    rows = []
    for family, target, width in track(
        [("xc7", t, n) for n in ((72,) if quick else (32, 72, 256)) for t in ("lut6", "generic")]
        + [("ecp5", t, n) for n in ((64,) if quick else (32, 64)) for t in ("ecp5", "generic")],
        "popcounts",
        transient=True,
    ):
        block = Popcount(width, target=target)
        found = mapped_cells(block, family)
        plan = block.tree.plan
        # A carry leaves a 7-series chain through one more position: the table there can hold nothing else.
        blocked = sum(c.outputs > c.carries > 0 for _, c in plan.steps) if plan and family == "xc7" else 0
        rows.append(
            {
                "family": family,
                "target": target,
                "width": width,
                **found,
                "luts_per_and": found["luts"] / width,
                "sites_per_and": (found["luts"] + blocked) / width if plan and family == "xc7" else None,
                "planned": plan.cost if plan else None,
                "goal": GOALS.get((family, width)) if plan else None,
            }
        )
    return rows


def xnor_rows(library_path: Path | None) -> list[dict[str, Any]]:
    """The same 64-bit popcount and the same dot product of 4 x 5 planes over 16 inputs, with AND and with
    XNOR."""
    one_hot = forms_of([-5, -2, 0, 2, 5], [0, 1, 2, 3, 4, 5])["one-hot"]
    library = liberty.read(library_path) if library_path else None
    rows = []
    for what in ("popcount 64", "20 planes x 16 inputs"):
        for gate in ("and", "xnor"):
            blocks = {
                target: Popcount(64, target=target, gate=gate)
                if what.startswith("popcount")
                else Dot(with_gate(one_hot, gate), 16, 12, target=target)
                for target in ("lut6", "asic")
            }
            row: dict[str, Any] = {
                "circuit": what,
                "gate": gate.upper(),
                "luts": mapped_cells(blocks["lut6"], "xc7")["luts"],
            }
            if library is not None and library_path is not None:
                row |= gates(blocks["asic"], library_path, library)
            rows.append(row)
    return rows


def gate_rows(library_path: Path | None) -> list[dict[str, Any]]:
    """One AND and one XNOR gate: table 3.2 (7 nm, as printed there) and the cell library."""
    rows = [
        {
            "source": "thesis table 3.2, 7 nm",
            "gate": "XNOR",
            "delay_ps": 10.87,
            "area": 2.90e3,
            "power": 1.23e3,
        },
        {
            "source": "thesis table 3.2, 7 nm",
            "gate": "AND",
            "delay_ps": 9.62,
            "area": 1.45e3,
            "power": 6.24e2,
        },
    ]
    if library_path:
        library = liberty.read(library_path)
        for gate, stem in (("XNOR", "XNOR2"), ("AND", "AND2")):
            for name in sorted(library.cells):
                if name.startswith(stem):
                    cell = library.cells[name]
                    rows.append(
                        {
                            "source": library.name,
                            "gate": f"{gate} ({name})",
                            "area": cell.area,
                            "leakage": cell.leakage,
                            "input_capacitance": sum(cell.capacitances.values()),
                        }
                    )
    return rows


def layer_rows(quick: bool = False, simd: int = 16, pe: int = 2) -> list[dict[str, Any]]:
    """One layer (8 outputs, 144 inputs, folded pe x simd) in every exact form, synthesised for xc7 without
    DSPs.

    LUTs an effective multiply-accumulate are those of the whole array, accumulators and control included,
    over pe * simd.
    """
    rows = []
    rng = np.random.default_rng(0)
    for name, (levels_w, levels_a) in track(
        list(LEVELS.items())[: 1 if quick else None], "layers", transient=True
    ):
        codes, w, a = check_levels(rng.integers(0, len(levels_w), (8, 144)), levels_w, levels_a)
        chosen = choose_form(w, a, simd, pe, "lut6").kind
        forms = forms_of(w, a)
        for form in forms:
            found = mapped_cells(
                PiecewiseArray(codes, w, a, pe=pe, simd=simd, target="lut6", form=form), "xc7"
            )
            rows.append(
                {
                    "levels": name,
                    "form": form,
                    "chosen": form == chosen,
                    "planes_mn": (len(w) - 1) * (len(a) - 1),
                    "planes": forms[form].planes,
                    "weight_bits": forms[form].weight_bits,
                    **found,
                    "luts_per_mac": found["luts"] / pe / simd,
                }
            )
        plain = IntegerArray(w[codes], [], unsigned(int(a[-1]).bit_length()), pe=pe, simd=simd)
        found = mapped_cells(plain, "xc7")
        rows.append(
            {
                "levels": name,
                "form": "integer multiply-accumulate",
                "chosen": False,
                "planes_mn": (len(w) - 1) * (len(a) - 1),
                "planes": 0,
                "weight_bits": plain.weight_shape.width,
                **found,
                "luts_per_mac": found["luts"] / pe / simd,
            }
        )
    return rows


def _print(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(
            column,
            justify="right" if any(isinstance(row.get(column), int | float) for row in rows) else "left",
        )
    for row in rows:
        values = [row.get(column) for column in columns]
        table.add_row(*("" if v is None else f"{v:.4g}" if isinstance(v, float) else str(v) for v in values))
    console.print(table)


def run(
    json_path: str | Path | None = None, *, quick: bool = False, liberty_file: str | Path | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Measure everything, print the tables, write JSON when a path is given; returns the rows by table."""
    library = Path(liberty_file) if liberty_file else LIBERTY if LIBERTY.is_file() else None
    console = Console(width=None if sys.stdout.isatty() else 150)
    kept.open(None if json_path is None else Path(json_path).with_suffix(".jsonl"))
    makers = {
        "popcount": lambda: popcount_rows(quick),
        "xnor": lambda: xnor_rows(library),
        "gates": lambda: gate_rows(library),
        "layers": lambda: layer_rows(quick),
        "products": lambda: product_rows(quick),
        "depth": lambda: depth_rows(quick),
        "speed": lambda: speed_rows(quick),
    }
    results = {}
    titles = {
        "popcount": "Popcount of two operands: LUTs an AND",
        "xnor": "The same circuit with AND and with XNOR",
        "gates": "One gate",
        "layers": "One layer in every exact form (xc7, 8 x 144, folded 2 x 16)",
        "products": "Products of integers, a matrix of 32 x 32 folded 8 x 8",
        "depth": "Popcounts by depth: LUTs of the cheapest tree found",
        "speed": "Placed and routed alone on ecp5-85k, speed grade 6",
    }
    for name, make in makers.items():
        results[name] = make()
        _print(console, titles[name], results[name])
    if library is None:
        console.print("no cell library: give --liberty FILE for the gate columns")
    if json_path is not None:
        with atomic_file(json_path) as path:
            path.write_text(json.dumps(results, indent=2) + "\n")
    return results
