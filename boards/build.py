"""``fermatnet board``: a network, a board; out comes a folder with a bitstream and what a host needs."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.boards.clock.settings import Setting, best
from fermatnet.boards.constraints import constraints
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.definitions.catalogue import BOARDS, find_board
from fermatnet.boards.describe import describe, host_script
from fermatnet.boards.fitting import Goal, budgets, generate_within, refusal
from fermatnet.boards.netlist import Mapped, map_board, pack, place_board, too_large
from fermatnet.boards.project import Project, make_top
from fermatnet.boards.vivado import vivado_script
from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.outputs import check_directory
from fermatnet.synth.place import Placed
from fermatnet.synth.watch import Progress

__all__ = ["CLOCKS", "build"]

CLOCKS = {"ecp5": 50.0, "ice40": 20.0, "gw1nr-9": 40.5, "gw2ar-18": 60.0, "xc7": 100.0}
"""MHz that a first placement aims at; what it reaches decides."""
MARGIN = 0.98
"""Of the reached Fmax, what a second clock may be: another divisor moves the placement a little."""
CLOCK_TRIES = 3


@dataclass(frozen=True)
class _Build:
    """What stays the same through a search."""

    net: Network
    board: Board
    goal: Goal
    baud: int
    scratch: Path
    say: Progress
    detail: Progress | None

    @property
    def kind(self) -> str:
        """Which PLL: Gowin's differ from chip to chip."""
        return self.board.device if self.board.family == "gowin" else self.board.family

    def setting(self, most_mhz: float) -> Setting:
        return best(self.kind, self.board.clock_mhz, most_mhz, self.baud)


@dataclass(frozen=True)
class _Done:
    project: Project
    mapped: Mapped | None = None
    placed: Placed | None = None


Finish = Callable[[Path, dict[str, Any]], None]


def build(
    net: Network,
    board: Board,
    out: str | Path,
    *,
    cycles: int | None = None,
    clock_mhz: float | None = None,
    aim_mhz: float | None = None,
    baud: int | None = None,
    reloadable: bool = False,
    bitstream: bool = True,
    force: bool = False,
    progress: Progress | None = None,
    detail: Progress | None = None,
    finish: Finish | None = None,
) -> dict[str, Any]:
    """Builds ``net`` for ``board`` into the folder ``out``; returns what ``board.json`` there says.

    Parameters
    ----------
    net : Network
        With one input and one output.
    board : Board
        See `fermatnet.boards.definitions.catalogue.find_board`.
    out : path
        Gets ``bitstream.bit`` (``.bin``, ``.fs``), ``board.json``, ``host.py`` and ``verilog/``; appears
        whole or not at all.
    cycles : int or None
        At most this many cycles an image; None: the fastest design that fits and meets its clock.
    clock_mhz : float or None
        Clock that must be met, the nearest that the PLL can make from below; None: what is reached.
    aim_mhz : float or None
        MHz that the first placement aims at where no clock must be met; None: `CLOCKS`, which small designs
        exceed.
    baud : int or None
        Bits a second on the line; None: the board's.
    reloadable : bool
        Weights can be loaded over the link.
    bitstream : bool
        False: nothing is synthesised; what comes out can be simulated (the port "sim").
    progress, detail : callable or None
        As in `fermatnet.synth.flow.synthesise`.
    finish : callable or None
        Adds to the folder, given it and what ``board.json`` says, before it appears.

    The same network and options give the same bytes. Raises InputError when the board cannot hold the
    network, when the clock cannot be met, and for what the link cannot serve.
    """
    check_directory(out, force=force)
    say = progress or (lambda words: None)
    goal = Goal(cycles, reloadable)
    with _scratch() as scratch, atomic_directory(out, force=force) as folder:
        job = _Build(net, board, goal, baud or board.baud, scratch, say, detail)
        aim = clock_mhz or aim_mhz or CLOCKS[job.kind]
        if not (board.bitstream and bitstream):
            return _without_tools(job, folder, aim, finish)
        done = _fitted(job, aim, clock_mhz is not None)
        say("packing the bitstream")
        assert done.mapped is not None
        shutil.copyfile(pack(board, done.mapped.netlist.directory), folder / board.bitstream)
        return _write(job, folder, done, finish)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-board-") as name:
        yield Path(name)


def _fitted(job: _Build, aim: float, strict: bool) -> _Done:
    """The first design, from fast to small, that fits and meets its clock: the aimed one where ``strict``."""
    first = job.setting(aim)
    reached: list[float] = []
    for luts in _tries(job):
        mapped = _mapped(job, luts, first)
        if mapped is None:
            continue
        project, found = mapped
        lacking = too_large(job.board, found.resources)
        if lacking:
            last = luts is None or job.goal.cycles is not None
            job.say(f"it takes {_counts(lacking)}: too large")
            if last:
                raise refusal(job.net, job.board, lacking, [find_board(name) for name in BOARDS])
            continue
        done = _timed(job, project, found, strict)
        if isinstance(done, _Done):
            return done
        reached.append(done)
    nearest = f", the nearest reaches {max(reached):.1f} MHz" if reached else ""
    raise InputError(
        f"no design of {job.net.meta.get('name', 'the network')} meets {first.mhz:.4g} MHz on "
        f"{job.board.name}{nearest}: name a lower clock (--clock-mhz), or let it be chosen"
    )


def _counts(lacking: dict[str, tuple[int, int]]) -> str:
    return ", ".join(f"{many:,} of {most:,} {name}" for name, (many, most) in lacking.items())


def _tries(job: _Build) -> Iterator[float | None]:
    """Budgets to try; at last the smallest design there is."""
    if job.goal.cycles is None:
        yield from budgets(job.board)
    yield None


def _mapped(job: _Build, luts: float | None, setting: Setting) -> tuple[Project, Mapped] | None:
    """A design for a budget, mapped; None when there is none so small."""
    folder = job.scratch / "verilog"
    try:
        interface = generate_within(job.net, folder, job.board, luts, job.goal, setting.mhz, job.say)
    except InputError:
        if luts is None:
            raise
        return None
    project = make_top(folder, interface, job.board, setting, job.baud)
    job.say(f"yosys: mapping {interface['cycles_per_image']} cycles an image to {job.board.chip.name}")
    return project, _map(job, project)


def _map(job: _Build, project: Project) -> Mapped:
    netlist = job.scratch / "netlist"
    shutil.rmtree(netlist, ignore_errors=True)
    netlist.mkdir()
    return map_board(
        job.board, project.folder, project.sources, project.memories, netlist, project.core, job.detail
    )


def _timed(job: _Build, project: Project, mapped: Mapped, strict: bool) -> _Done | float:
    """Placed with a clock that it meets; the MHz that it reaches when that is less than was asked for."""
    reached = 0.0
    for _ in range(CLOCK_TRIES):
        wanted = project.setting.mhz
        job.say(f"nextpnr: placing {mapped.resources['luts']} LUTs on {job.board.name} for {wanted:.4g} MHz")
        placed = place_board(job.board, mapped, wanted, job.say, job.detail)
        if placed.fmax_mhz >= wanted:
            return _Done(project, mapped, placed)
        reached = max(reached, placed.fmax_mhz)
        if strict:
            job.say(f"it reaches {reached:.1f} MHz")
            break
        slower = job.setting(MARGIN * placed.fmax_mhz)
        job.say(f"it reaches {placed.fmax_mhz:.1f} MHz, so the clock becomes {slower.mhz:.4g} MHz")
        project = make_top(project.folder, project.interface, job.board, slower, job.baud)
        mapped = _map(job, project)
    return reached


def _without_tools(job: _Build, folder: Path, aim: float, finish: Finish | None) -> dict[str, Any]:
    """The Verilog alone; where no open tool places on the chip, a script for the vendor's."""
    setting = job.setting(aim)
    luts = None if job.goal.cycles is not None else next(budgets(job.board))
    interface = generate_within(
        job.net, job.scratch / "verilog", job.board, luts, job.goal, setting.mhz, job.say
    )
    project = make_top(job.scratch / "verilog", interface, job.board, setting, job.baud)
    if not job.board.bitstream:
        (folder / "vivado.tcl").write_text(vivado_script(job.board, project))
    return _write(job, folder, _Done(project), finish)


def _write(job: _Build, folder: Path, done: _Done, finish: Finish | None) -> dict[str, Any]:
    project = done.project
    shutil.copytree(project.folder, folder / "verilog")
    name, text = constraints(job.board)
    (folder / "verilog" / name).write_text(text)
    description = describe(job.board, project, job.baud, name, done.mapped, done.placed)
    (folder / "board.json").write_text(json.dumps(description, indent=2) + "\n")
    (folder / "host.py").write_text(host_script(description))
    if finish is not None:
        finish(folder, description)
    return description
