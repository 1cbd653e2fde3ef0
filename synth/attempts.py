"""How nextpnr is asked: which router, how much time weighs, and what is tried when a placement cannot be
routed."""

import re
import time
from pathlib import Path

from fermatnet.hw.devices import Device
from fermatnet.synth import count, pins, tools
from fermatnet.synth.mapping import Netlist
from fermatnet.synth.watch import Congested, Progress, routing

__all__ = ["DENSE", "Try", "logged_fmax", "routed", "tries"]

# fixed: the same design gives the same figures; the next one only where the placement before could not be
# routed
SEEDS = (1, 2, 3, 4)
# at a fast clock time weighs four times as much as by default: digits for 150 MHz was placed at 125.8 and
# 130.6 MHz with it, at 112.4 without. It costs wires, and placing takes half as long again.
HURRIED, HURRY_MHZ = ("--placer-heap-timingweight", "40"), 100.0
DENSE = ("--placer", "static", "--router", "router2")
"""For a hurried design whose wires are too many where router1 works: the placer that spreads cells evenly. A
dense constant matrix of 64 by 32 values took 11 minutes so and reached 67 MHz, 24 minutes and 51 MHz with the
usual placer."""
ROOMY = 0.3
"""Share of the tables of an ECP5 device up to which a design with a fast clock is routed by router1, which
takes the shortest ways for what is late; router2 does not. The demo's network, placed alike: 149, 143 and
146 MHz (three seeds) in place of 124, 143 and 135; PA-ResNet8 at 36,864 cycles, a fifth of the device: 139 in
place of 125. Router2 is many times as fast where wires are short."""

Try = tuple[tuple[str, ...], int]
"""nextpnr's options for one try, and its seed."""


def tries(netlist: Netlist, device: Device, clock_mhz: float) -> list[Try]:
    """What is tried in turn until ``netlist`` is routed on ``device``, aiming at ``clock_mhz``.

    Router2, many times as fast as the default where a design is congested; but router1 first for ECP5 designs
    that are `ROOMY` and hurried, and where a pin of CrossLink-NX drives a clock buffer: router2 finds no way
    there when other wires are there first.
    """
    if device.family == "nexus" and netlist.top != pins.FRAME:
        return [(("--router", "router1"), seed) for seed in SEEDS]
    if device.family != "ecp5" or clock_mhz <= HURRY_MHZ:
        return [(("--router", "router2"), seed) for seed in SEEDS]
    crowded: list[Try] = [((*HURRIED, "--router", "router2"), seed) for seed in SEEDS]
    luts = count.resources(count.total(netlist.modules, netlist.top), device.family)["luts"]
    if luts > ROOMY * device.luts:
        return crowded
    return [((*HURRIED, "--router", "router1"), SEEDS[0]), (DENSE, SEEDS[0]), *crowded]


def routed(
    tool: tools.Tool,
    fixed: list[str],
    order: list[Try],
    netlist: Netlist,
    progress: Progress | None = None,
    detail: Progress | None = None,
) -> tuple[int, float]:
    """(seed, seconds) of the first of ``order`` that comes to an end; the last one's `ToolError` when none
    does."""
    started, log = time.monotonic(), netlist.directory / "nextpnr.log"
    for at, (how, seed) in enumerate(order):
        log.unlink(missing_ok=True)  # the watch is not to read the one of the try before
        try:
            other = DENSE in (tried for tried, _ in order[at + 1 :])
            watch = routing(log, progress, detail, give_up=other)
            options = [*fixed, *how, "--seed", str(seed)]
            tools.run(tool, options, netlist.directory, "nextpnr.out", watch=watch)
            return seed, time.monotonic() - started
        except Congested:
            if progress is not None:
                progress("nextpnr: too many wires are taken, placing again more evenly")
        except tools.ToolError as error:
            if "wasm trap" in str(error) and logged_fmax(netlist.directory):
                return seed, time.monotonic() - started
            if at == len(order) - 1 or not (how == DENSE or "route" in str(error).lower()):
                raise
    raise AssertionError("there is at least one try")


def logged_fmax(directory: Path) -> float:
    """Fmax as nextpnr's log has it after routing, 0 where it did not come so far.

    nextpnr-gatemate 0.11.1 as pip brings it often runs out of stack behind that (it follows each net through
    the lines that it took along the elements, by recursion), and writes no report.
    """
    log = directory / "nextpnr.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    _, routed, end = text.partition("Routing complete.")
    found = re.findall(r"Max frequency for clock '.*': ([\d.]+) MHz", end if routed else "")
    return min(map(float, found), default=0.0)
