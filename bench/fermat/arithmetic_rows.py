"""Rows of the table of the Fermat arithmetic: blocks synthesised, on ECP5 also placed with several seeds."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fermatnet.bench.fermat.baselines import Boxed, PlainPair, Straightforward
from fermatnet.hw.devices import device
from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.multiplier import Multiplier
from fermatnet.hw.fermat.shift import Rotator
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.hw.rtl import verilog
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth import count, tools
from fermatnet.synth.mapping import NETLIST, map_design

__all__ = ["LUT_GOALS", "SEEDS", "dsp_rows", "ecp5_rows", "xc7_rows"]

SEEDS = (1, 2, 3)
LUT_GOALS = {
    "butterfly b=32": 119,
    "8-point transform F_4": 730,
    "16-point transform F_4": 1847,
    "16-point transform F_5": 3512,
}


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
    carries = [cell["connections"]["S"] for cell in cells if cell["type"] == "CARRY4"]
    selects = [bit for bit in chain.from_iterable(carries) if isinstance(bit, int)]
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
    clocks = json.loads((directory / "timing.json").read_text())["fmax"]
    return min(entry["achieved"] for entry in clocks.values())


def _key(kind: str, name: str, component: wiring.Component) -> str:
    made = verilog.emit(component, "block")
    return f"{kind}/{name}/{digest(f'{made.verilog} {made.memories}')}"


def _ecp5(name: str, component: wiring.Component, latency: int, seeds: Sequence[int]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        mapped = _mapped(Boxed(component), "ecp5-85k", Path(scratch))
        fmax = [round(_fmax(Path(scratch), seed), 1) for seed in seeds]
    return {
        "circuit": name,
        "latency": latency,
        "lut4": mapped["cells"].get("LUT4", 0),
        "ccu2c": mapped["cells"].get("CCU2C", 0),
        "luts": mapped["luts"],
        "ffs": mapped["ffs"],
        "dsps": mapped["dsps"],
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
                    f"{_key('ecp5', name, block)}/{','.join(map(str, tried))}",
                    partial(_ecp5, name, block, latency, tried),
                )
            )
        )
    for row in rows[:against]:
        row["fmax_ratio"] = round(row["fmax_mhz"] / rows[0]["fmax_mhz"], 3)
        row["area_ratio"] = round(row["luts"] / rows[0]["luts"], 2)
    return rows


def _xc7(goal: str, latency: int, component: wiring.Component) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        mapped = _mapped(component, "xc7", Path(scratch))
        positions = carry_positions(Path(scratch))
    mapped["luts"] += mapped["cells"].get("INV", 0)  # an inverter that found no LUT to go into takes one
    return {
        "circuit": goal,
        "stage_latency": latency,
        "luts": mapped["luts"],
        "goal": LUT_GOALS[goal],
        "ffs": mapped["ffs"],
        "saved": round(1 - mapped["luts"] / LUT_GOALS[goal], 3),
        "carry4": mapped["cells"].get("CARRY4", 0),
        "luts_with_carry_positions": positions,
        "yosys": mapped["yosys"],
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
        mapped = _mapped(component, "xc7", Path(scratch))
    return {
        "product": f"2^{b} + 1",
        "form": form,
        "dsps": mapped["dsps"],
        "luts": mapped["luts"],
        "ffs": mapped["ffs"],
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
