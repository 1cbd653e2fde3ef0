"""Folds for a board: from fast to small, until the chip holds the design and its clock is met."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.boards.definitions.board import Board
from fermatnet.hw.compiler import folding
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import layers_for, least_beats
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network

__all__ = ["LINK_LUTS", "Goal", "budgets", "generate_within", "refusal"]

LINK_LUTS = 900
"""Look-up tables that the link takes, about."""
SHARES = (0.6, 0.45, 0.33, 0.24, 0.17, 0.12, 0.08)
"""Shares of a chip that are tried one after another; a fuller chip is slower, and takes long to route."""
LUT6_TO_LUT4 = 1.5
"""What the rough formula, which counts tables of six inputs, has to be multiplied with elsewhere."""


@dataclass(frozen=True)
class Goal:
    """What is asked of a design: cycles an image where they are given, else as fast as fits."""

    cycles: int | None = None
    reloadable: bool = False


def budgets(board: Board) -> Iterator[float]:
    """Look-up tables for the network, falling."""
    for share in SHARES:
        left = share * board.chip.luts - LINK_LUTS
        if left > 0:
            yield left


def generate_within(
    net: Network,
    folder: Path,
    board: Board,
    luts: float | None,
    goal: Goal,
    clock_mhz: float,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Generates ``net`` for ``luts`` (None: as small as it goes), or for the goal's cycles; its interface.

    InputError when nothing so small can be had.
    """
    aim: dict[str, Any]
    if goal.cycles is not None:
        aim = {"cycles": goal.cycles}
    elif luts is None:
        aim = {"folds": _smallest(net, board)}
    else:
        # of ECP5 the tables are predicted, elsewhere a formula of other tables leads
        known = board.family == "ecp5" and not goal.reloadable
        aim = {"luts": luts if known else luts / LUT6_TO_LUT4}
    return generate(
        net,
        folder,
        device=board.device,
        clock_mhz=clock_mhz,
        external="none",
        reloadable=goal.reloadable,
        force=True,
        progress=progress,
        **aim,
    )


def _smallest(net: Network, board: Board) -> folding.Folds:
    layers, floor = layers_for(net, board.device), least_beats(net)
    return folding.fold_for_cycles(layers, folding.periods(layers, floor)[-1], floor)


def refusal(
    net: Network, board: Board, needed: dict[str, tuple[int, int]], boards: list[Board]
) -> InputError:
    """Why ``net`` does not fit ``board``, which boards should hold it, and how much of it would fit here.

    ``needed``: resources of its smallest design that are too many, with what there is.
    """
    lacking = " and ".join(f"{many:,} of {most:,} {name}" for name, (many, most) in needed.items())
    name = net.meta.get("name", "the network")
    words = f"{name} does not fit {board.name}: its smallest design takes {lacking}"
    larger = [other.name for other in boards if _holds(other, needed)]
    if larger:
        words += f"; {larger[0]} should hold it"
    part = _part(net, board, needed)
    if part:
        words += f"; the largest part that fits here is its layers up to {part!r}"
    return InputError(words)


def _holds(board: Board, needed: dict[str, tuple[int, int]]) -> bool:
    has_flow = bool(board.bitstream)
    return has_flow and all(getattr(board.chip, name) * 0.8 >= many for name, (many, _) in needed.items())


def _part(net: Network, board: Board, needed: dict[str, tuple[int, int]]) -> str:
    """The last layer up to which the network fits, by the layers' share of the formula's cost."""
    layers, folds = layers_for(net, board.device), _smallest(net, board)
    costs = {name: layer.cost(folds[name]) for name, layer in layers.items()}
    scale = min(most / many for many, most in needed.values())
    left, last = scale * sum(costs.values()), ""
    for name, cost in costs.items():
        left -= cost
        if left < 0:
            return last
        last = name
    return last
