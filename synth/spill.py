"""Memories that go into logic where a device has too few memory blocks for all of a design's.

A memory takes whole blocks, however little of them it fills: a table of sixty wide words costs two blocks of
4 kbit in an iCE40. Where a mapped design needs more blocks than there are, those memories are made of look-up
tables and flip-flops that cost the fewest of these for each block that they free.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.hw.devices import Device
from fermatnet.synth import count

__all__ = ["LABELS", "Stored", "chosen", "memories", "places", "stored"]

LABELS = {
    "ecp5": "map_ram",
    "gatemate": "map_bram",
    "gowin": "map_ram",
    "ice40": "map_ram",
    "nexus": "map_ram",
}
"""Where each family's mapper in yosys begins to map memories."""
READ_ONLY_BITS, WRITTEN_TABLES = 12, 2
"""Bits of a constant memory that one table of four inputs holds, and elements that one bit of a written one
takes: a flip-flop, and its part of the multiplexer behind it."""


@dataclass(frozen=True)
class Stored:
    """A memory of a design before its mapping: the module and the cell it is, how many words and bits of each
    it has, and whether it is written."""

    module: str
    cell: str
    words: int
    width: int
    written: bool

    @property
    def tables(self) -> float:
        """About how many look-up tables and flip-flops one of it takes in logic."""
        bits = self.words * self.width
        return bits * WRITTEN_TABLES if self.written else bits / READ_ONLY_BITS


def memories(path: Path) -> list[Stored]:
    """What yosys' ``write_json`` of the cells ``$mem_v2`` holds, at ``path``."""
    found = []
    for module, body in json.loads(path.read_text())["modules"].items():
        for cell, entry in body["cells"].items():
            words, width, ports = (int(entry["parameters"][key], 2) for key in ("SIZE", "WIDTH", "WR_PORTS"))
            found.append(Stored(module, cell, words, width, ports > 0))
    return found


def stored(
    found: Sequence[Stored], netlist: Mapping[str, Any], top: str, device: Device
) -> dict[Stored, tuple[int, float]]:
    """Of each memory that became blocks in ``netlist`` (the modules of yosys' JSON): how often it stands in
    the design, and how many blocks of ``device`` it takes there in all."""
    weights = count.WEIGHTS[device.family]["brams"]
    standing = places(netlist, top)
    taken = {}
    for memory in found:
        pattern = re.compile(rf"{re.escape(memory.cell)}\.\d+\.\d+$")
        cells = netlist[memory.module]["cells"] if memory.module in netlist else {}
        blocks = sum(weights.get(cell["type"], 0) for name, cell in cells.items() if pattern.match(name))
        if blocks:
            often = len(standing[memory.module])
            taken[memory] = often, blocks * often
    return taken


def places(netlist: Mapping[str, Any], top: str) -> dict[str, list[str]]:
    """Where each module stands under ``top``: paths of instances, each with a dot behind it."""
    found: dict[str, list[str]] = {}

    def walk(module: str, path: str) -> None:
        found.setdefault(module, []).append(path)
        for name, cell in netlist[module]["cells"].items():
            if cell["type"] in netlist and not cell["type"].startswith("$__"):
                walk(cell["type"], f"{path}{name}.")

    walk(top, "")
    return found


def chosen(taken: Mapping[Stored, tuple[int, float]], excess: float, room: float) -> list[Stored]:
    """The memories to make of logic so that ``excess`` blocks fewer are needed, within about ``room`` tables;
    none where that cannot be done. ``taken`` as of `stored`."""

    def cost(memory: Stored) -> float:
        return memory.tables * taken[memory][0]

    picked: list[Stored] = []
    for memory in sorted(taken, key=lambda one: (cost(one) / taken[one][1], one.module, one.cell)):
        if sum(taken[one][1] for one in picked) < excess:
            picked.append(memory)
    for memory in sorted(picked, key=cost, reverse=True):  # the last one may have made others needless
        if sum(taken[one][1] for one in picked if one != memory) >= excess:
            picked.remove(memory)
    freed, spent = sum(taken[one][1] for one in picked), sum(map(cost, picked))
    return sorted(picked, key=lambda one: (one.module, one.cell)) if freed >= excess and spent <= room else []
