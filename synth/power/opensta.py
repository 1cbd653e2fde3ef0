"""Power by OpenSTA (Debian's package ``opensta``), each cell at the activity of its own nets.

Between nets that stand still and nets that all change once a clock cycle a cell's power is a straight line,
so OpenSTA is asked for both ends, and each cell is put on its line where simulation saw it: what it switches
at the activity of its output, what it takes inside at that of its outputs, or for a flip-flop at the mean of
data and output. (Versions of OpenSTA up to 2.0 do not take an activity a pin, so none is handed over.)
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth import asic

__all__ = ["power", "present"]

LIBRARY = "power.lib"


def present() -> bool:
    """Whether the program ``sta`` is on PATH."""
    return shutil.which("sta") is not None


def power(
    folder: Path,
    top: str,
    flat: Mapping[str, Any],
    toggles: Mapping[str, float],
    sequential: set[str],
    clock_mhz: float,
) -> dict[str, float]:
    """Milliwatts of the netlist ``asic.TIMED`` in ``folder`` at ``clock_mhz``: ``leakage_mw``, ``clock_mw``
    (what flip-flops take while nothing changes), ``internal_mw``, ``switching_mw``, ``power_mw``, and
    ``sta_delay_ns``, the longest path with set-up time.

    ``flat``: the module in yosys' JSON; ``toggles``: changes a cycle of each net by name; ``sequential``:
    types of cells that hold state. InputError where ``sta`` is missing or refuses.
    """
    rest, busy, delay = _asked(folder, top, clock_mhz)
    names = _net_names(flat)
    total = {"leakage_mw": 0.0, "clock_mw": 0.0, "internal_mw": 0.0, "switching_mw": 0.0}
    for name, cell in flat["cells"].items():
        if name not in rest:  # a memory
            continue
        out, data = _activities(cell, names, toggles)
        inside = (out + data) / 2 if cell["type"] in sequential else out
        total["leakage_mw"] += rest[name][2] * 1e3
        total["clock_mw"] += rest[name][0] * 1e3
        total["internal_mw"] += (busy[name][0] - rest[name][0]) * inside * 1e3
        total["switching_mw"] += rest[name][1] * 1e3 + (busy[name][1] - rest[name][1]) * out * 1e3
    return {**total, "power_mw": sum(total.values()), "sta_delay_ns": delay}


Cells = dict[str, tuple[float, float, float]]  # internal, switching, leakage, in watts


def _readable(text: str) -> str:
    """A library's text in which every internal power names its supply: OpenSTA up to 2.0 takes one that names
    none, where the cells have pins for the supply, as nothing."""
    supply = re.search(r'pg_pin\s*\(\s*"?(\w+)"?\s*\)\s*\{[^}]*primary_power', text)
    if supply is None or "related_pg_pin" in text:
        return text
    return re.sub(r"internal_power\s*\(\s*\)\s*\{", lambda m: f'{m[0]} related_pg_pin : "{supply[1]}";', text)


def _asked(folder: Path, top: str, clock_mhz: float) -> tuple[Cells, Cells, float]:
    if not present():
        raise InputError("sta is not on PATH: install OpenSTA (Debian: apt install opensta)")
    (folder / LIBRARY).write_text(_readable((folder / asic.LIBRARY).read_text()))
    asking = "report_power -digits 9 -instances [get_cells *]"
    script = [
        f"read_liberty {LIBRARY}",
        f"read_verilog {asic.TIMED}",
        f"link_design {top}",
        f"create_clock -name clk -period {1e3 / clock_mhz:g} [get_ports clk]",
        "set_input_transition 0.05 [all_inputs]",
        *(f'puts "AT {part}"\nset_power_activity -global -activity {part}\n{asking}' for part in (0.0, 1.0)),
        'puts "PATH"',
        "report_checks -unconstrained -path_delay max -digits 4 -format full",
    ]
    (folder / "power.tcl").write_text("\n".join(script) + "\n")
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", "power.tcl"], cwd=folder, capture_output=True, text=True, check=False
    )
    wrong = re.search(r"^Error:.*", done.stdout + done.stderr, flags=re.M)
    if done.returncode or wrong:
        raise InputError(f"OpenSTA refused the netlist: {wrong[0] if wrong else done.stderr.strip()}")
    _, rest, busy = re.split(r"^AT .*$", done.stdout.split("PATH\n")[0], flags=re.M)
    return _table(rest), _table(busy), _path(done.stdout.split("PATH\n")[1])


def _table(text: str) -> Cells:
    number = r"(-?[\d.]+e[-+]\d+)"
    rows = re.finditer(rf"^\s*{number}\s+{number}\s+{number}\s+{number}\s+(\S+)$", text, flags=re.M)
    return {row[5]: (float(row[1]), float(row[2]), float(row[3])) for row in rows}


def _path(text: str) -> float:
    """Arrival of the longest path, and the set-up time at its end."""
    arrival = re.search(r"([\d.]+)\s+data arrival time", text)
    setup = re.search(r"(-[\d.]+)\s+[-\d.]+\s+library setup time", text)
    return (float(arrival[1]) if arrival else 0.0) - (float(setup[1]) if setup else 0.0)


def _net_names(flat: Mapping[str, Any]) -> dict[Any, str]:
    """One name of each net of a flat module."""
    names: dict[Any, str] = {}
    for name, net in flat["netnames"].items():
        for bit, number in enumerate(net["bits"]):
            names.setdefault(number, f"{name}[{bit}]")
    return names


def _activities(
    cell: Mapping[str, Any], names: Mapping[Any, str], toggles: Mapping[str, float]
) -> tuple[float, float]:
    """Mean changes a cycle of a cell's outputs, and of its inputs but for the clock."""
    seen: dict[str, list[float]] = {"output": [], "input": []}
    for pin, bits in cell["connections"].items():
        side = seen.get(cell.get("port_directions", {}).get(pin, _side(pin)))
        if side is None or re.fullmatch(r"(?i)clk|ck|c|cp|clock|g|gate", pin):
            continue
        side.extend(toggles.get(names.get(bit, ""), 0.0) for bit in bits)
    return tuple(sum(values) / max(1, len(values)) for values in seen.values())  # type: ignore[return-value]


def _side(pin: str) -> str:
    """Direction of a pin by its name, where the netlist does not tell."""
    return "output" if re.fullmatch(r"(?i)[xyqz]|q_n|qn|co|con|s|sn|hi|lo|gclk", pin) else "input"
