"""``board.json`` and ``host.py``: what a host has to know of a board's design."""

from typing import Any

from fermatnet.boards.definitions.board import Board
from fermatnet.boards.link.protocol import HEAD_BYTES, RESULT_EXTRA
from fermatnet.boards.netlist import Mapped
from fermatnet.boards.project import Project
from fermatnet.synth import count
from fermatnet.synth.place import Placed

__all__ = ["describe", "host_script"]

BITS = 10
"""Bits of the line for a byte."""


def describe(
    board: Board,
    project: Project,
    baud: int,
    constraints: str,
    mapped: Mapped | None,
    placed: Placed | None,
) -> dict[str, Any]:
    """What ``board.json`` says; nothing in it changes from one run to the next."""
    interface, plan = project.interface, project.plan
    line = BITS * (max(plan.image_bytes, plan.result_bytes + RESULT_EXTRA) + HEAD_BYTES + 4 + 2)
    core = project.setting.mhz * 1e6 / interface["cycles_per_image"]
    found: dict[str, Any] = {
        "format": 1,
        "board": board.name,
        "title": board.title,
        "note": board.note,
        "family": board.family,
        "device": board.device,
        "package": board.chip.package,
        "programmer": board.programmer,
        "network": interface["name"],
        "network_sha256": interface["network_sha256"],
        "design": f"{plan.design:016x}",
        "bitstream": board.bitstream,
        "input": interface["input"],
        "output": interface["output"],
        "reset_level": None if board.reset is None else int(not board.reset.inverted),
        "link": {
            "baud": baud,
            "divisor": plan.divisor,
            "image_bytes": plan.image_bytes,
            "result_bytes": plan.result_bytes,
            "window": plan.window,
            "weights": plan.weights,
            "reloadable": plan.reloadable,
        },
        "clock_mhz": round(project.setting.mhz, 6),
        "oscillator_mhz": board.clock_mhz,
        "pll": dict(project.setting.numbers),
        "cycles_per_image": interface["cycles_per_image"],
        "latency_cycles": interface["latency_cycles"],
        "images_per_second": {"core": round(core, 1), "uart": round(min(core, baud / line), 1)},
        "files": {"verilog": project.sources, "memories": project.memories, "constraints": constraints},
        "layers": interface["layers"],
    }
    if mapped is not None and placed is not None:
        found["chip"] = {
            **{name: mapped.resources[name] for name in count.RESOURCES},
            "capacity": {name: getattr(board.chip, name) for name in count.RESOURCES},
            "layers": mapped.resources["layers"],
            "fmax_mhz": placed.fmax_mhz,
            "critical_path": placed.critical_path,
            "placement_seed": placed.seed,
            "speed_grade": board.chip.speed,
            "versions": {"yosys": mapped.netlist.version, "nextpnr": placed.version},
        }
    return found


def host_script(description: dict[str, Any]) -> str:
    """A small program that a user can begin with."""
    shape = ", ".join(str(size) for size in description["input"]["dims"])
    dtype = description["input"]["dtype"]
    return f'''\
"""Images through {description["network"]} on {description["title"]}.

Usage: python host.py PORT    (/dev/ttyUSB0, COM3, ...; sim simulates the board)
"""

import sys
from pathlib import Path

import numpy as np

import fermatnet as fn

images = np.zeros((4, {shape}), np.{dtype})  # put yours here
with fn.Board(Path(__file__).parent, sys.argv[1]) as board:
    print(board.run(images))
    print(board.statistics)
'''
