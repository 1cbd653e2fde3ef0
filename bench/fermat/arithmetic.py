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
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console
from rich.table import Table

from fermatnet.bench.fermat import vectors as fermat_vectors
from fermatnet.hw.compiler.devices import device
from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.number import Number, register
from fermatnet.hw.fermat.shift import Rotator
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.hw.rtl import verilog
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth import count, tools
from fermatnet.synth.mapping import NETLIST, map_design
from fermatnet.synth.proofs import arithmetic as fermat_proofs

__all__ = ["Boxed", "PlainPair", "Straightforward", "dsp_rows", "ecp5_rows", "run", "xc7_rows"]

SEEDS = (1, 2, 3)
GOAL_FMAX, GOAL_AREA = 0.95, 2.5
LUT_GOALS = {
    "butterfly b=32": 119,
    "8-point transform F_4": 730,
    "16-point transform F_4": 1847,
    "16-point transform F_5": 3512,
}


class PlainPair(wiring.Component):
    """Registered adder and subtractor of plain integers: the shortest cycle that a carry chain of this width
    allows."""

    def __init__(self, width: int) -> None:
        self.width, self.latency = width, 1
        super().__init__({"x": In(width), "y": In(width), "en": In(1), "s": Out(width), "d": Out(width)})

    def elaborate(self, platform):
        m = Module()
        w = self.width
        m.d.comb += [
            self.s.eq(register(m, self.en, (self.x + self.y)[:w])),
            self.d.eq(register(m, self.en, (self.x - self.y)[:w])),
        ]
        return m


class Straightforward(wiring.Component):
    """The diminished-1 butterfly as the definition reads: operand multiplexers for zeros, sum, end-around
    increment; one cycle."""

    def __init__(self, b: int) -> None:
        self.b, self.latency = b, 1
        super().__init__(
            {"x": In(Number(b)), "y": In(Number(b)), "en": In(1), "s": Out(Number(b)), "d": Out(Number(b))}
        )

    def elaborate(self, platform):
        m = Module()
        negative = Cat(~self.y.value & ~self.y.zero.replicate(self.b), self.y.zero)
        for y, out in ((self.y.as_value(), self.s), (negative, self.d)):
            total = self.x.value + y[: self.b]
            final = total[: self.b] + ~total[self.b]
            value = Mux(self.x.zero, y, Mux(y[self.b], self.x.as_value(), final[: self.b + 1]))
            m.d.comb += out.eq(register(m, self.en, value))
        return m


class Boxed(wiring.Component):
    """A block between registers, always enabled: what Fmax is measured on."""

    def __init__(self, block: wiring.Component) -> None:
        self.block = block
        super().__init__({name: member for name, member in block.signature.members.items() if name != "en"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = self.block
        one = Const(1)
        for name, member in self.signature.members.items():
            inner, outer = getattr(self.block, name), getattr(self, name)
            if member.flow == In:
                m.d.comb += inner.eq(register(m, one, outer))
            else:
                m.d.comb += outer.eq(register(m, one, inner) if self.block.latency == 0 else inner)  # type: ignore[attr-defined]
        m.d.comb += self.block.en.eq(1)  # type: ignore[attr-defined]
        return m


def _mapped(component: wiring.Component, name: str, directory: Path) -> dict[str, Any]:
    """Cells of a component on the family of ``name``, and the folder's netlist left in ``directory``."""
    target = device(name)
    verilog.emit(component, "block", directory)
    netlist = map_design(directory, ["block.v"], "block", target)
    cells = count.total(netlist.modules, "block")
    return {**count.resources(cells, target.family), "cells": dict(cells), "yosys": netlist.version}


def carry_positions(directory: Path) -> int:
    """Slice LUTs of an xc7 netlist with those that only pass a signal into a CARRY4: every used position
    needs its own LUT."""
    cells = json.loads((directory / NETLIST).read_text())["modules"]["block"]["cells"].values()
    loads: dict[int, int] = {}
    for cell in cells:
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                for bit in bits:
                    loads[bit] = loads.get(bit, 0) + 1
    selects = [
        bit
        for cell in cells
        if cell["type"] == "CARRY4"
        for bit in cell["connections"]["S"]
        if isinstance(bit, int)
    ]
    counts = {bit: selects.count(bit) for bit in set(selects)}
    logic = [cell["connections"]["O"][0] for cell in cells if cell["type"].startswith(("LUT", "INV"))]
    inside = sum(1 for bit in logic if bit in counts)  # a LUT that feeds a carry sits in one of the positions
    return len(logic) - inside + len(selects)


def _fmax(directory: Path, seed: int, goal_mhz: float = 300.0) -> float:
    """Fmax in MHz after place and route on ECP5, 85k, speed 6, out of context."""
    options = [
        *device("ecp5-85k").place,
        "--json",
        NETLIST,
        "--lpf-allow-unconstrained",
        "--out-of-context",
        "--seed",
        str(seed),
        "--freq",
        f"{goal_mhz:g}",
        "--timing-allow-fail",
        "--report",
        "timing.json",
        "-q",
        "-l",
        "nextpnr.log",
    ]
    tools.run(tools.find("nextpnr-ecp5"), options, directory, "nextpnr.out")
    found = json.loads((directory / "timing.json").read_text())["fmax"]
    return min(entry["achieved"] for entry in found.values())


def _key(kind: str, name: str, component: wiring.Component) -> str:
    return f"{kind}/{name}/{digest(verilog.emit(component, 'block').verilog)}"


def _ecp5(name: str, component: wiring.Component, latency: int, seeds: Sequence[int]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        found = _mapped(Boxed(component), "ecp5-85k", Path(scratch))
        fmax = [round(_fmax(Path(scratch), seed), 1) for seed in seeds]
    return {
        "circuit": name,
        "latency": latency,
        "lut4": found["cells"].get("LUT4", 0),
        "ccu2c": found["cells"].get("CCU2C", 0),
        "luts": found["luts"],
        "ffs": found["ffs"],
        "dsps": found["dsps"],
        "fmax_mhz": statistics.median(fmax),
        "fmax_by_seed": fmax,
    }


def ecp5_rows(
    seeds: Sequence[int] = SEEDS, more: bool = True, log: ResultLog | None = None
) -> list[dict[str, Any]]:
    """Butterflies beside the plain pair; with ``more`` also the blocks of the documentation's table, one seed
    each."""
    log = log or ResultLog()
    blocks: list[tuple[str, wiring.Component, Sequence[int]]] = [
        ("plain 33-bit add/subtract pair", PlainPair(33), seeds),
        ("butterfly b=32, latency 2", Butterfly(32, latency=2), seeds),
        ("butterfly b=32, latency 1", Butterfly(32, latency=1), seeds[:1]),
        ("butterfly b=32, latency 1, select", Butterfly(32, latency=1, form="select"), seeds[:1]),
        ("straightforward butterfly b=32, one cycle", Straightforward(32), seeds[:1]),
    ]
    against = len(blocks)
    if more:
        blocks += [
            (name, block, seeds[:1])
            for name, block in (
                ("adder b=16", Adder(16, latency=2)),
                ("adder b=32", Adder(32, latency=2)),
                ("adder b=64", Adder(64, latency=2)),
                ("subtractor b=32", Subtractor(32, latency=2)),
                ("rotator b=32", Rotator(32, latency=2)),
                ("butterfly b=16", Butterfly(16, latency=2)),
                ("butterfly b=64", Butterfly(64, latency=2)),
                ("multiplier b=16", Multiplier(16)),
                ("multiplier b=32, karatsuba", Multiplier(32, form="karatsuba")),
                ("8-point transform b=16", ParallelTransform(16, 8, stage_latency=2)),
            )
        ]
    rows = []
    for name, block, tried in blocks:
        latency = block.latency  # type: ignore[attr-defined]
        rows.append(
            dict(
                log.row(
                    f"{_key('ecp5', name, block)}/{len(tried)}", partial(_ecp5, name, block, latency, tried)
                )
            )
        )
    for row in rows[:against]:
        row["fmax_ratio"] = round(row["fmax_mhz"] / rows[0]["fmax_mhz"], 3)
        row["area_ratio"] = round(row["luts"] / rows[0]["luts"], 2)
    return rows


def _xc7(goal: str, latency: int, component: wiring.Component) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        found = _mapped(component, "xc7", Path(scratch))
        positions = carry_positions(Path(scratch))
    found["luts"] += found["cells"].get("INV", 0)  # an inverter that found no LUT to go into takes one
    return {
        "circuit": goal,
        "stage_latency": latency,
        "luts": found["luts"],
        "goal": LUT_GOALS[goal],
        "ffs": found["ffs"],
        "saved": round(1 - found["luts"] / LUT_GOALS[goal], 3),
        "carry4": found["cells"].get("CARRY4", 0),
        "luts_with_carry_positions": positions,
        "yosys": found["yosys"],
    }


def xc7_rows(more: bool = True, log: ResultLog | None = None) -> list[dict[str, Any]]:
    """LUTs of butterflies and parallel transforms on xc7 against the goals; with ``more`` also the 16-point
    transforms."""
    log, rows = log or ResultLog(), []
    for goal, latencies, make in (
        ("butterfly b=32", (0, 1, 2), lambda n: Butterfly(32, latency=n)),
        ("8-point transform F_4", (1, 2), lambda n: ParallelTransform(16, 8, stage_latency=n)),
        (
            "16-point transform F_4",
            (1,) if more else (),
            lambda n: ParallelTransform(16, 16, stage_latency=n),
        ),
        (
            "16-point transform F_5",
            (1,) if more else (),
            lambda n: ParallelTransform(32, 16, stage_latency=n),
        ),
    ):
        for latency in latencies:
            component = make(latency)
            rows.append(
                log.row(_key("xc7", f"{goal}, {latency}", component), partial(_xc7, goal, latency, component))
            )
    return rows


def _product(b: int, form: str, component: wiring.Component) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        found = _mapped(component, "xc7", Path(scratch))
    return {
        "product": f"2^{b} + 1",
        "form": form,
        "dsps": found["dsps"],
        "luts": found["luts"],
        "ffs": found["ffs"],
        "goal": None,
    }


def dsp_rows(log: ResultLog | None = None) -> list[dict[str, Any]]:
    """DSP blocks, LUTs and flip-flops of the multipliers on xc7, and of the residue systems' products."""
    log, rows = log or ResultLog(), []
    for b in (4, 8, 16, 32, 64):
        for form in ("schoolbook", "karatsuba") if b > 17 else ("schoolbook",):
            component = Multiplier(b, form=form)
            rows.append(
                log.row(_key("product", f"{b}, {form}", component), partial(_product, b, form, component))
            )
    by_name = {(row["product"], row["form"]): row for row in rows}

    def system(name: str, parts: Sequence[tuple[int, str]], goal: int) -> dict[str, Any]:
        chosen = [by_name[f"2^{b} + 1", form] for b, form in parts]
        return {
            "product": name,
            "form": parts[-1][1],
            "goal": goal,
            **{key: sum(row[key] for row in chosen) for key in ("dsps", "luts", "ffs")},
        }

    rows += [
        system("INT8 {F_2, F_3, F_4}", [(4, "schoolbook"), (8, "schoolbook"), (16, "schoolbook")], 2),
        system("INT16 {F_4, F_5}", [(16, "schoolbook"), (32, "schoolbook")], 5),
        system("INT16 {F_4, F_5}", [(16, "schoolbook"), (32, "karatsuba")], 5),
    ]
    return rows


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
    given = parser.parse_args()
    run(
        quick=given.quick,
        results=given.results,
        proofs=not given.synthesis,
        vectors=0 if given.synthesis else 1_000_000,
    )
