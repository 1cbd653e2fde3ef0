"""From a board's top level to a routed chip and its bitstream."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.boards.constraints import constraints, options
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.top import TOP
from fermatnet.synth import count, tools
from fermatnet.synth.flow import layers
from fermatnet.synth.mapping import Netlist, map_design
from fermatnet.synth.place import Placed, place
from fermatnet.synth.watch import Progress

__all__ = ["Mapped", "map_board", "pack", "place_board", "too_large"]

ROUTED = {"ecp5": "routed.config", "ice40": "routed.asc", "gowin": "routed.json"}
FULL = 0.97
"""Share of a resource beyond which nothing is tried: placement would not end, or not well."""


@dataclass(frozen=True)
class Mapped:
    """A netlist of the board's top level and what it takes, by layer."""

    netlist: Netlist
    resources: dict[str, Any]


def map_board(
    board: Board,
    folder: Path,
    sources: list[str],
    memories: list[str],
    scratch: Path,
    core: str,
    detail: Progress | None = None,
) -> Mapped:
    """Maps the Verilog ``sources`` in ``folder``, whose network is the module ``core``, in ``scratch``."""
    for name in (*sources, *memories):
        shutil.copyfile(folder / name, scratch / name)
    netlist = map_design(scratch, sources, TOP, board.chip, apart=core, detail=detail)
    return Mapped(netlist, layers(netlist, board.chip, "core."))


def too_large(board: Board, resources: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Resources of which the board has too few: what is needed and what there is."""
    capacity = {name: getattr(board.chip, name) for name in count.RESOURCES}
    found = {name: (resources[name], most) for name, most in capacity.items()}
    share = {"luts": FULL, "ffs": FULL, "brams": 1.0, "dsps": 1.0}
    return {name: pair for name, pair in found.items() if pair[0] > share[name] * pair[1]}


def place_board(
    board: Board, mapped: Mapped, clock_mhz: float, progress: Progress | None, detail: Progress | None
) -> Placed:
    """Placed and routed to the board's pins; what the packer needs lies beside the netlist."""
    name, text = constraints(board)
    (mapped.netlist.directory / name).write_text(text)
    pinned = options(board, name, ROUTED[board.family])
    return place(mapped.netlist, board.chip, clock_mhz, pinned=pinned, progress=progress, detail=detail)


def pack(board: Board, scratch: Path) -> Path:
    """The bitstream of what was routed in ``scratch``."""
    routed, made = ROUTED[board.family], board.bitstream
    tool, arguments = {
        "ecp5": ("ecppack", ["--compress", routed, made]),
        "ice40": ("icepack", [routed, made]),
        "gowin": ("gowin_pack", ["-d", _gowin_family(board), "-o", made, routed]),
    }[board.family]
    tools.run(tools.find(tool), arguments, scratch, "pack.out")
    return scratch / made


def _gowin_family(board: Board) -> str:
    return board.chip.place[-1].removeprefix("family=") if board.family == "gowin" else ""
