"""Static timing of a mapped netlist with the delay tables of its Liberty library: the longest path, without
wires."""

import bisect
import re
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fermatnet.synth.liberty import Group

__all__ = ["Table", "arcs_of", "longest_path"]

START_SLEW = 0.05  # ns, of ports and clocks


@dataclass(frozen=True)
class Table:
    """A look-up table over input transition (ns) and output load (pF), linear in between and beyond."""

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, slew: float, load: float) -> float:
        rows = [_line(self.loads, row, load) for row in self.values]
        return _line(self.slews, rows, slew)


@dataclass(frozen=True)
class Arc:
    """From an input pin to an output pin: the worse of both edges for delay, and for the transition that
    comes out."""

    source: str
    target: str
    clocked: bool
    delays: tuple[Table, ...]
    slews: tuple[Table, ...]


def _line(xs: tuple[float, ...], ys: Any, x: float) -> float:
    if len(xs) == 1:
        return float(ys[0])
    at = min(max(bisect.bisect_left(xs, x), 1), len(xs) - 1)
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return float(ys[at - 1] + share * (ys[at] - ys[at - 1]))


def arcs_of(library: Group) -> dict[str, list[Arc]]:
    """Timing arcs of every cell of a parsed library, in its own units of time and load."""
    templates = {
        group.argument: group
        for group in library.groups
        if group.kind in ("lu_table_template", "power_lut_template")
    }
    found: dict[str, list[Arc]] = {}
    for cell in (group for group in library.groups if group.kind == "cell"):
        arcs = found.setdefault(cell.argument, [])
        for pin in (
            group
            for group in cell.groups
            if group.kind == "pin" and group.attributes.get("direction") == "output"
        ):
            for timing in (group for group in pin.groups if group.kind == "timing"):
                kind = timing.attributes.get("timing_type", "combinational")
                if kind not in (
                    "combinational",
                    "rising_edge",
                    "falling_edge",
                    "combinational_rise",
                    "combinational_fall",
                ):
                    continue  # set-up, hold, and asynchronous inputs
                tables = {group.kind: _table(group, templates) for group in timing.groups}
                delays = tuple(tables[name] for name in ("cell_rise", "cell_fall") if name in tables)
                slews = tuple(
                    tables[name] for name in ("rise_transition", "fall_transition") if name in tables
                )
                for source in timing.attributes.get("related_pin", "").split():
                    arcs.append(Arc(source, pin.argument, kind.endswith("_edge"), delays, slews))
    return found


def _table(group: Group, templates: Mapping[str, Group]) -> Table:
    template = templates.get(group.argument)
    axes = []
    for number in ("1", "2"):
        text = group.attributes.get(f"index_{number}") or (
            template.attributes.get(f"index_{number}", "") if template else ""
        )
        variable = template.attributes.get(f"variable_{number}", "") if template else ""
        axes.append((variable, tuple(_floats(text)) or (0.0,)))
    values = _floats(group.attributes.get("values", "0"))
    (first, xs), (_, ys) = axes
    if len(values) != len(xs) * len(ys):  # a scalar table
        xs, ys, values = (0.0,), (0.0,), values[:1]
    rows = [tuple(values[at * len(ys) : (at + 1) * len(ys)]) for at in range(len(xs))]
    if "capacitance" in first:  # rows are loads: turn the table over
        return Table(ys, xs, tuple(zip(*rows, strict=True)))
    return Table(xs, ys, tuple(rows))


def _floats(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", text)]


def longest_path(
    module: Mapping[str, Any], arcs: Mapping[str, list[Arc]], loads: Mapping[str, Mapping[str, float]]
) -> float:
    """Latest arrival at any flip-flop input or output port of a flat netlist (yosys JSON), in the library's
    unit of time.

    ``loads``: capacitance of each cell's input pins. Starts at clock edges and input ports at time 0.
    """
    load: dict[Any, float] = defaultdict(float)
    waiting: dict[str, int] = {}
    readers: dict[Any, list[str]] = defaultdict(list)
    cells = {name: cell for name, cell in module["cells"].items() if cell["type"] in arcs}
    driven = set()
    for cell in cells.values():
        for pin, bits in cell["connections"].items():
            load[bits[0]] += loads[cell["type"]].get(pin, 0.0)
        driven |= {
            cell["connections"][arc.target][0]
            for arc in arcs[cell["type"]]
            if arc.target in cell["connections"]
        }
    ready: deque[str] = deque()
    for name, cell in cells.items():
        sources = {
            cell["connections"][arc.source][0]
            for arc in arcs[cell["type"]]
            if not arc.clocked and arc.source in cell["connections"]
        }
        waiting[name] = len(sources & driven)
        for net in sources & driven:
            readers[net].append(name)
        if waiting[name] == 0:
            ready.append(name)
    arrival: dict[Any, float] = defaultdict(float)
    slew: dict[Any, float] = defaultdict(lambda: START_SLEW)
    while ready:
        cell = cells[ready.popleft()]
        outputs = set()
        for arc in arcs[cell["type"]]:
            if arc.target not in cell["connections"] or arc.source not in cell["connections"]:
                continue
            before, net = cell["connections"][arc.source][0], cell["connections"][arc.target][0]
            outputs.add(net)
            start, edge = (0.0, START_SLEW) if arc.clocked else (arrival[before], slew[before])
            arrival[net] = max(
                arrival[net], start + max((table(edge, load[net]) for table in arc.delays), default=0.0)
            )
            slew[net] = max(slew[net], *(table(edge, load[net]) for table in arc.slews), START_SLEW)
        for net in outputs:
            for reader in readers[net]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)
    return max(arrival.values(), default=0.0)
