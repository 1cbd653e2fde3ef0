"""The Verilog of a board: a generated network, the link that fits it, and the top level around both."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.boards.clock.settings import Setting, divisor_of
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.link.link import LinkPlan
from fermatnet.boards.link.protocol import VERSION
from fermatnet.boards.top import TOP, BoardTop, link_plan
from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError

__all__ = ["Project", "check_network", "make_top"]


@dataclass(frozen=True)
class Project:
    """A board's Verilog in ``folder``, which holds a generated design too.

    ``interface``: of that design; ``plan``: of the link; ``setting``: of the PLL; ``sources``, ``memories``:
    names of files.
    """

    folder: Path
    interface: dict[str, Any]
    plan: LinkPlan
    setting: Setting
    sources: list[str]
    memories: list[str]

    @property
    def core(self) -> str:
        """Name of the network's top module."""
        return self.interface["top"]


def check_network(interface: dict[str, Any]) -> None:
    """InputError for a design that the link cannot serve."""
    if "inputs" in interface:
        raise InputError(
            "the network has several inputs or outputs, the link of a board serves one of each: take the "
            "Verilog (fermatnet verilog) and connect its streams yourself"
        )
    if interface["external"]:
        raise InputError("the link of a board brings no weights from outside: generate with external='none'")


def digest(folder: Path, interface: dict[str, Any], setting: Setting, baud: int) -> int:
    """64 bits that tell this design from every other: of its Verilog, its memories, and the link."""
    found = hashlib.sha256(f"{VERSION} {setting.output} {baud}".encode())
    for name in (*interface["files"]["verilog"], *interface["files"]["memories"]):
        found.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return int.from_bytes(found.digest()[:8], "little")


def make_top(
    folder: Path, interface: dict[str, Any], board: Board, setting: Setting, baud: int, *, images: int = 2
) -> Project:
    """Writes ``fermatnet_board.v`` beside the design in ``folder``."""
    check_network(interface)
    weights = 0
    if "reload" in interface:
        weights = int((folder / interface["reload"]["file"]).read_text().split()[-1], 16)
    plan = link_plan(
        interface,
        divisor=divisor_of(setting.output, baud),
        design=digest(folder, interface, setting, baud),
        weights=weights,
        images=images,
    )
    verilog.emit(BoardTop(board, setting, plan, interface["top"]), TOP, folder)
    sources = [*interface["files"]["verilog"], f"{TOP}.v"]
    return Project(folder, interface, plan, setting, sources, list(interface["files"]["memories"]))
