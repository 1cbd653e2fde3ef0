"""Place and route with nextpnr, and what its report says about timing."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.model.errors import InputError
from fermatnet.synth import pins, tools
from fermatnet.synth.attempts import logged_fmax, routed, tries
from fermatnet.synth.mapping import NETLIST, Netlist
from fermatnet.synth.watch import Progress

__all__ = ["Placed", "place"]


@dataclass(frozen=True)
class Placed:
    """Timing and utilisation after routing; path and utilisation are empty where the tool wrote no report.
    ``context`` tells whether ports went to pins, to a frame or were left open, ``seed`` which placement it
    is."""

    fmax_mhz: float
    critical_path: dict[str, Any]
    utilisation: dict[str, dict[str, int]]
    context: str
    version: str
    seconds: float
    seed: int


def place(
    netlist: Netlist,
    device: Device,
    clock_mhz: float,
    *,
    pinned: Sequence[str] = (),
    progress: Progress | None = None,
    detail: Progress | None = None,
) -> Placed:
    """Places and routes ``netlist`` on ``device``, aiming at ``clock_mhz``, and reads the timing.

    An ECP5 design whose pins are not known is built out of context (no pins, no pads): as a part of a larger
    one. nextpnr would draw pins all around the die, and the ways from one side to the other would be timed.
    Other families have no such mode: ports go to pins of nextpnr's choice where the package has enough of
    them, else the design is placed in a frame of a few ports, see `fermatnet.synth.pins`.
    ``pinned``: nextpnr's options for ports whose pins are known, and for what it is to write.
    ``progress`` is told that it packs, places and routes, ``detail`` how far it is.
    """
    tool = tools.find(f"nextpnr-{device.family}")
    if device.family == "nexus":
        _loosen_carries(netlist.directory / NETLIST)
        if netlist.top == pins.FRAME:
            pins.own_clock(netlist.directory / NETLIST, clock_mhz)
    context, options = ("board", list(pinned)) if pinned else _unpinned(netlist, device)
    fixed = [
        *device.place,
        "--json",
        NETLIST,
        *options,
        "--freq",
        f"{clock_mhz:g}",
        "--timing-allow-fail",
        "--report",
        "timing.json",
        "-q",
        "-l",
        "nextpnr.log",
    ]
    seed, seconds = routed(tool, fixed, tries(netlist, device, clock_mhz), netlist, progress, detail)
    if not (netlist.directory / "timing.json").exists():
        return Placed(logged_fmax(netlist.directory), {}, {}, context, tool.version, seconds, seed)
    report = json.loads((netlist.directory / "timing.json").read_text())
    fmax = {clock: entry["achieved"] for clock, entry in report["fmax"].items()}
    slowest = min(fmax, key=lambda clock: fmax[clock]) if fmax else ""
    return Placed(
        round(fmax[slowest], 2) if fmax else 0.0,
        _critical_path(report, slowest, set(netlist.instances)),
        report["utilization"],
        context,
        tool.version,
        seconds,
        seed,
    )


def _unpinned(netlist: Netlist, device: Device) -> tuple[str, list[str]]:
    """What becomes of ports that belong to no pin, and nextpnr's options for it."""
    allow = {
        "ecp5": ["--lpf-allow-unconstrained"],
        "ice40": ["--pcf-allow-unconstrained"],
        "gatemate": ["--vopt", "allow-unconstrained"],
    }
    options = allow.get(device.family, [])
    if netlist.top == pins.FRAME:
        return "frame", [*options, *pins.located(device, netlist.directory)]
    if device.family == "ecp5":
        return "out of context", [*options, "--out-of-context"]
    if netlist.port_bits <= device.pins:
        return "pins", options
    raise InputError(
        f"the design has {netlist.port_bits} port bits, {device.name} in {device.package} has {device.pins} "
        "pins"
    )


def _loosen_carries(path: Path) -> None:
    """Leaves the carry input of each chain's first cell open, in the netlist at ``path``.

    yosys ties it to a constant, which nextpnr-nexus 0.11.1 takes for a cell that drives a carry, and refuses.
    The tables of such a cell are all ones (``INIT0``): its carry does not depend on that input.
    """
    netlist = json.loads(path.read_text())
    for module in netlist["modules"].values():
        for cell in module["cells"].values():
            if cell["type"] == "CCU2" and cell["parameters"].get("INIT0") == "0xFFFF":
                cell["connections"].pop("CIN", None)
    path.write_text(json.dumps(netlist))


def _critical_path(report: dict[str, Any], clock: str, instances: set[str]) -> dict[str, Any]:
    """The longest register-to-register path: delays in ns, the layers and signals it starts and ends in,
    signals on the way."""
    for entry in report["critical_paths"]:
        if entry["from"].split()[-1] == entry["to"].split()[-1] == clock:
            steps = entry["path"]
            cells = [step["to"]["cell"] for step in steps if step["type"] != "routing"]
            signals = [_signal(cell) for cell in cells]
            return {
                "layer": _layer(cells[-1], instances),
                "from_layer": _layer(cells[0], instances),
                "from": signals[0],
                "to": signals[-1],
                "delay_ns": round(sum(step["delay"] for step in steps), 3),
                "routing_ns": round(sum(step["delay"] for step in steps if step["type"] == "routing"), 3),
                "logic_levels": sum(step["type"] == "logic" for step in steps),
                "through": [
                    signal for at, signal in enumerate(signals) if at == 0 or signal != signals[at - 1]
                ],
            }
    return {}


def _signal(cell: str) -> str:
    """The design's name for a mapped cell, which yosys calls after a signal and the cells between that signal
    and it."""
    return re.split(r"_(?:TRELLIS|LUT4|CCU2C|PFUMX|L6MUX21|SB_|MULT18|DP16KD)|\$", cell, maxsplit=1)[0]


def _layer(cell: str, instances: set[str]) -> str:
    """Which instance under the top module a cell is in; its full name begins with the instance's."""
    candidates = [name for name in instances if cell.startswith(f"{name}.")]
    return max(candidates, key=len) if candidates else "(top)"
