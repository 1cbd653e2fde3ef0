"""Circuits of the project and their rivals in cell libraries: area, delay and power.

``fermatnet bench gates --liberty FILE`` (again for each library) prints a table a library, with each row
beside the first of its group, and the gate itself beside the thesis' table 3.2. Power needs OpenSTA (``sta``)
and Icarus Verilog on PATH; without them it is left out. ``--results FILE`` keeps every row as it comes;
``--only GROUP`` takes a part, ``--quick`` the small circuits.
"""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.gates.circuits import CIRCUITS, Circuit
from fermatnet.hw.rtl import verilog
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.synth import liberty
from fermatnet.synth.power import opensta
from fermatnet.synth.power.measure import measure

__all__ = ["THESIS", "gate_rows", "run"]

CLOCK_MHZ = 100.0
LARGE = ("convolution", "network")
THESIS = {
    "XNOR": {"delay": 10.87, "area": 2.90e3, "power": 1.23e3},
    "AND": {"delay": 9.62, "area": 1.45e3, "power": 6.24e2},
}
"""Table 3.2 of the thesis, 7 nm, in its own units."""
COLUMNS = {
    "gates": "gates",
    "area": "area",
    "gate_equivalents": "NAND2",
    "ffs": "FF",
    "rom_bits": "ROM bit",
    "ram_bits": "RAM bit",
    "delay_ns": "ns",
    "power_mw": "mW",
    "leakage_mw": "leak mW",
    "activity": "activity",
}


def gate_rows(library: liberty.Library) -> list[dict[str, Any]]:
    """The smallest AND and XNOR of two inputs in a library: area, leakage and input capacitance."""
    rows = []
    for gate in ("AND", "XNOR"):
        named = [name for name in library.cells if re.search(rf"(?i)(^|_){gate}2(_?x?\d+)?$", name)]
        if named:
            name = min(named, key=lambda name: library.cells[name].area)
            cell = library.cells[name]
            rows.append(
                {
                    "gate": gate,
                    "cell": name,
                    "area": cell.area,
                    "leakage_nw": cell.leakage * 1e9,
                    "input_ff": sum(cell.capacitances.values()) * 1e15,
                }
            )
    return rows


def run(
    json_path: str | Path | None = None,
    *,
    libraries: Sequence[str] = (),
    quick: bool = False,
    only: str | None = None,
    results: str | Path | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Measures, prints, writes JSON when a path is given; rows by library, the gates as ``gates``."""
    if not libraries:
        raise InputError("bench gates needs a cell library: --liberty FILE, once for each")
    console = Console(width=None if sys.stdout.isatty() else 160)
    wanted = [one for one in CIRCUITS if _taken(one, quick, only)]
    if not wanted:
        raise InputError(f"no circuit is called {only!r}; there are {', '.join(sorted(_groups()))}")
    if not opensta.present():
        console.print("sta is not on PATH (Debian's package opensta): power is left out")
    kept, made = _Kept(Path(results) if results else None), {}
    found: dict[str, list[dict[str, Any]]] = {}
    for path in map(Path, libraries):
        library = liberty.read(path)
        rows = found[library.name] = []
        for circuit in wanted:
            with console.status(f"{library.name}: {circuit.group}, {circuit.name}"):
                if circuit.name not in made:
                    component = circuit.make()
                    made[circuit.name] = component, verilog.emit(component, "block")
                rows.append(kept.row(circuit, made[circuit.name], path, library))
        console.print(_table(library.name, rows))
        found[f"{library.name} gates"] = gate_rows(library)
        console.print(_gates_table(library.name, found[f"{library.name} gates"]))
    if json_path is not None:
        with atomic_file(json_path) as file:
            file.write_text(json.dumps(found, indent=2) + "\n")
    return found


def _groups() -> set[str]:
    return {circuit.group for circuit in CIRCUITS}


def _taken(circuit: Circuit, quick: bool, only: str | None) -> bool:
    return not (quick and circuit.group.startswith(LARGE)) and (
        only is None or circuit.group.startswith(only)
    )


class _Kept:
    """Rows by circuit, its Verilog and library, in a file of lines where there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.known: dict[str, dict[str, Any]] = dict(json.loads(line) for line in lines)

    def row(self, circuit: Circuit, made: Any, path: Path, library: liberty.Library) -> dict[str, Any]:
        component, emitted = made
        text = f"{circuit.skip} {circuit.cycles} {opensta.present()} {emitted.verilog} {emitted.memories}"
        key = f"{library.name} {circuit.name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if key not in self.known:
            self.known[key] = measure(
                component,
                emitted,
                path,
                library,
                clock_mhz=CLOCK_MHZ,
                stimuli=circuit.stimuli,
                skip=circuit.skip,
                cycles=circuit.cycles,
            )
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps([key, self.known[key]]) + "\n")
        return {"group": circuit.group, "circuit": circuit.name, **self.known[key]}


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{name}, {CLOCK_MHZ:g} MHz, no wires", title_justify="left")
    for title in ("group", "circuit", *COLUMNS.values(), "area ratio", "power ratio"):
        table.add_column(title, justify="left" if title in ("group", "circuit") else "right")
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        base = first.setdefault(row["group"], row)
        power = row["power_mw"] / base["power_mw"] if row.get("power_mw") else None
        values = [*(row.get(key) for key in COLUMNS), row["area"] / base["area"], power]
        table.add_row(row["group"], row["circuit"], *map(_shown, values))
    return table


def _gates_table(name: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(
        title=f"One gate of {name}; thesis table 3.2 (7 nm): XNOR / AND is {_thesis()}", title_justify="left"
    )
    for key in rows[0] if rows else ():
        table.add_column(key, justify="right")
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    return table


def _thesis() -> str:
    ratios = (f"{THESIS['XNOR'][key] / THESIS['AND'][key]:.2f} in {key}" for key in THESIS["AND"])
    return ", ".join(ratios)


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
