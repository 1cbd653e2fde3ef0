"""Static timing of a mapped netlist with the delay tables of its Liberty library: the longest path, without
wires.

Delays are tables over the transition at the input and the load at the output, as Liberty's non-linear delay
model has them. Nets are taken in the order of their drivers; the arrival and the transition of each are the
worst over all arcs that end there, so that rising and falling edges are not told apart.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.synth.liberty import Group

__all__ = ["Arc", "Table", "arcs_of", "longest_path"]

START_SLEW = 0.05  # ns, of ports and clocks
TEMPLATES = ("lu_table_template", "power_lut_template")
DELAYS, SLEWS = ("cell_rise", "cell_fall"), ("rise_transition", "fall_transition")
EDGES = ("rising_edge", "falling_edge")
COMBINATIONAL = ("combinational", "combinational_rise", "combinational_fall")  # all else is set-up, hold, ...


@dataclass(frozen=True)
class Table:
    """A look-up table over input transition (ns) and output load (pF), linear in between and beyond."""

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, slew: float, load: float) -> float:
        rows = [_linear(self.loads, row, load) for row in self.values]
        return _linear(self.slews, rows, slew)


@dataclass(frozen=True)
class Arc:
    """From an input pin to an output pin: the worse of both edges for delay, and for the transition that
    comes out."""

    source: str
    target: str
    clocked: bool
    delays: tuple[Table, ...]
    slews: tuple[Table, ...]


def _linear(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    if len(xs) == 1:
        return float(ys[0])
    at = min(max(bisect.bisect_left(xs, x), 1), len(xs) - 1)
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return float(ys[at - 1] + share * (ys[at] - ys[at - 1]))


def arcs_of(library: Group) -> dict[str, list[Arc]]:
    """Timing arcs of every cell of a parsed library, in its own units of time and load."""
    templates = {group.argument: group for group in library.groups if group.kind in TEMPLATES}
    cells = (group for group in library.groups if group.kind == "cell")
    return {cell.argument: [arc for pin in _outputs(cell) for arc in _arcs(pin, templates)] for cell in cells}


def _outputs(cell: Group) -> list[Group]:
    pins = [group for group in cell.groups if group.kind == "pin"]
    return [pin for pin in pins if pin.attributes.get("direction") == "output"]


def _arcs(pin: Group, templates: Mapping[str, Group]) -> Iterator[Arc]:
    """Arcs that end at an output pin."""
    for timing in (group for group in pin.groups if group.kind == "timing"):
        kind = timing.attributes.get("timing_type", "combinational")
        if kind not in COMBINATIONAL + EDGES:
            continue
        tables = {group.kind: _table(group, templates) for group in timing.groups}
        delays, slews = (tuple(tables[name] for name in names if name in tables) for names in (DELAYS, SLEWS))
        for source in timing.attributes.get("related_pin", "").split():
            yield Arc(source, pin.argument, kind in EDGES, delays, slews)


def _table(group: Group, templates: Mapping[str, Group]) -> Table:
    template = templates.get(group.argument, Group("", ""))
    (first, xs), (_, ys) = (_axis(group, template, number) for number in ("1", "2"))
    values = _floats(group.attributes.get("values", "0"))
    if len(values) != len(xs) * len(ys):  # a scalar table
        xs, ys, values = (0.0,), (0.0,), values[:1]
    rows = [tuple(values[at * len(ys) : (at + 1) * len(ys)]) for at in range(len(xs))]
    if "capacitance" in first:  # rows are loads: turn the table over
        return Table(ys, xs, tuple(zip(*rows, strict=True)))
    return Table(xs, ys, tuple(rows))


def _axis(group: Group, template: Group, number: str) -> tuple[str, tuple[float, ...]]:
    """What an axis of a table is of, and its places: the table's own, or those of its template."""
    name = f"index_{number}"
    text = group.attributes.get(name) or template.attributes.get(name, "")
    return template.attributes.get(f"variable_{number}", ""), tuple(_floats(text)) or (0.0,)


def _floats(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", text)]


Net = Any  # yosys numbers nets; constants are strings


def longest_path(
    module: Mapping[str, Any], arcs: Mapping[str, list[Arc]], loads: Mapping[str, Mapping[str, float]]
) -> float:
    """Latest arrival at any flip-flop input or output port of a flat netlist (yosys JSON), in the library's
    unit of time.

    ``loads``: capacitance of each cell's input pins. Starts at clock edges and input ports at time 0.
    InputError for a netlist with a combinational loop.
    """
    cells = [cell for cell in module["cells"].values() if cell["type"] in arcs]
    load = _loads(cells, loads)
    ending = _ending(cells, arcs)
    arrival: dict[Net, float] = defaultdict(float)
    slew: dict[Net, float] = defaultdict(lambda: START_SLEW)
    for net in _in_order(ending):
        for arc, source in ending.get(net, ()):
            start, edge = (0.0, START_SLEW) if arc.clocked else (arrival[source], slew[source])
            delay = max((table(edge, load[net]) for table in arc.delays), default=0.0)
            arrival[net] = max(arrival[net], start + delay)
            slew[net] = max(slew[net], *(table(edge, load[net]) for table in arc.slews), START_SLEW)
    return max(arrival.values(), default=0.0)


def _loads(cells: Iterable[Any], loads: Mapping[str, Mapping[str, float]]) -> dict[Net, float]:
    """Capacitance that each net drives."""
    load: dict[Net, float] = defaultdict(float)
    for cell in cells:
        for pin, bits in cell["connections"].items():
            load[bits[0]] += loads[cell["type"]].get(pin, 0.0)
    return load


def _ending(cells: Iterable[Any], arcs: Mapping[str, list[Arc]]) -> dict[Net, list[tuple[Arc, Net]]]:
    """Arcs that end at each net, with the net in which they begin."""
    ending: dict[Net, list[tuple[Arc, Net]]] = defaultdict(list)
    for cell in cells:
        pins = cell["connections"]
        for arc in arcs[cell["type"]]:
            if arc.target in pins and arc.source in pins:
                ending[pins[arc.target][0]].append((arc, pins[arc.source][0]))
    return ending


def _in_order(ending: Mapping[Net, list[tuple[Arc, Net]]]) -> list[Net]:
    """Nets, each after those from which arcs without a clock lead to it."""
    before = {net: [source for arc, source in ends if not arc.clocked] for net, ends in ending.items()}
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError as error:
        loop = " -> ".join(map(str, error.args[1]))
        raise InputError(f"the netlist has a combinational loop through nets {loop}: break it") from None
