"""Place and route with nextpnr, and what its report says about timing."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.model.errors import InputError
from fermatnet.synth import count, pins, tools
from fermatnet.synth.mapping import NETLIST, Netlist
from fermatnet.synth.watch import Congested, Progress, routing

__all__ = ["Placed", "place"]

# fixed: the same design gives the same figures; the next one only where the placement before could not be
# routed
SEEDS = (1, 2, 3, 4)
# at a fast clock time weighs four times as much as by default: digits for 150 MHz was placed at 125.8 and
# 130.6 MHz with it, at 112.4 without. It costs wires, and placing takes half as long again.
HURRIED, HURRY_MHZ = ("--placer-heap-timingweight", "40"), 100.0
ROOMY = 0.3
"""Share of the tables of an ECP5 device up to which a design with a fast clock is routed by router1, which
takes the shortest ways for what is late; router2 does not. The demo's network, placed alike: 149, 143 and
146 MHz (three seeds) in place of 124, 143 and 135; PA-ResNet8 at 36,864 cycles, a fifth of the device: 139 in
place of 125. Router2 is many times as fast where wires are short."""


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
        *(HURRIED if device.family == "ecp5" and clock_mhz > HURRY_MHZ else []),
        "--report",
        "timing.json",
        "-q",
        "-l",
        "nextpnr.log",
    ]
    tries = [(_router(netlist, device, clock_mhz), seed) for seed in SEEDS]
    if device.family == "ecp5" and tries[0][0] == "router1":
        tries[1:] = [("router2", seed) for seed in SEEDS]
    seed, seconds = _routed(tool, fixed, tries, netlist, progress, detail)
    if not (netlist.directory / "timing.json").exists():
        return Placed(_logged_fmax(netlist.directory), {}, {}, context, tool.version, seconds, seed)
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


def _router(netlist: Netlist, device: Device, clock_mhz: float) -> str:
    """Router2, many times as fast as the default where a design is congested, but for ECP5 designs that are
    `ROOMY` and hurried; and from a pin of CrossLink-NX to a clock buffer it finds no way when other wires are
    there first."""
    if device.family == "nexus":
        return "router2" if netlist.top == pins.FRAME else "router1"
    if device.family != "ecp5" or clock_mhz <= HURRY_MHZ:
        return "router2"
    luts = count.resources(count.total(netlist.modules, netlist.top), device.family)["luts"]
    return "router1" if luts <= ROOMY * device.luts else "router2"


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


def _routed(
    tool: tools.Tool,
    fixed: list[str],
    tries: list[tuple[str, int]],
    netlist: Netlist,
    progress: Progress | None = None,
    detail: Progress | None = None,
) -> tuple[int, float]:
    """(seed, seconds) of the first of ``tries``, router and seed of a placement, that comes to an end; the
    last one's `ToolError` when none does."""
    started = time.monotonic()
    for at, (router, seed) in enumerate(tries):
        try:
            other = tries[at + 1 : at + 2] and tries[at + 1][0] != router
            watch = routing(netlist.directory / "nextpnr.log", progress, detail, give_up=bool(other))
            options = [*fixed, "--router", router, "--seed", str(seed)]
            tools.run(tool, options, netlist.directory, "nextpnr.out", watch=watch)
            return seed, time.monotonic() - started
        except Congested:
            if progress is not None:
                progress(f"nextpnr: too many wires are taken for {router}, again with {tries[at + 1][0]}")
        except tools.ToolError as error:
            if "wasm trap" in str(error) and _logged_fmax(netlist.directory):
                return seed, time.monotonic() - started
            if "route" not in str(error).lower() or at == len(tries) - 1:
                raise
    raise AssertionError("there is at least one try")


def _logged_fmax(directory: Path) -> float:
    """Fmax as nextpnr's log has it after routing, 0 where it did not come so far.

    nextpnr-gatemate 0.11.1 as pip brings it often runs out of stack behind that (it follows each net through
    the lines that it took along the elements, by recursion), and writes no report.
    """
    _, routed, end = (directory / "nextpnr.log").read_text(errors="replace").partition("Routing complete.")
    found = re.findall(r"Max frequency for clock '.*': ([\d.]+) MHz", end if routed else "")
    return min(map(float, found), default=0.0)


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
