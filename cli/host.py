"""``fermatnet host``."""

from contextlib import ExitStack

import click

from fermatnet.cli.arrays import array_file, load_array
from fermatnet.cli.console import bar, line, notes
from fermatnet.cli.kinds import FiniteRange, InputDirectory, InputFile, OutputFile
from fermatnet.model.outputs import apart


@click.command(name="host")
@click.argument("directory", type=InputDirectory("board.json", "no board's files"))
@click.option(
    "--port",
    required=True,
    metavar="PORT",
    help="Serial port of the board, /dev/ttyUSB0 say; sim simulates the board.",
)
@click.option(
    "--input",
    "source",
    type=InputFile(),
    metavar="X.npy",
    help="Images of the network's input type, shape (n, C, H, W).",
)
@click.option(
    "--output", "target", type=OutputFile(), metavar="Y.npy", help="Where the outputs go: int64, (n, K)."
)
@click.option(
    "--load",
    "weights",
    type=InputFile(),
    metavar="NET.onnx",
    help="Load this network's weights first; the board must have been built with --reloadable.",
)
@click.option("--baud", type=click.IntRange(min=300, max=12_000_000), help="Another speed of the line.")
@click.option(
    "--patience",
    type=FiniteRange(0, 3600, min_open=True),
    metavar="S",
    help="Seconds after which an unanswered frame is sent again.",
)
def command(
    directory: str,
    port: str,
    source: str | None,
    target: str | None,
    weights: str | None,
    baud: int | None,
    patience: float | None,
) -> None:
    """Send images to the board that was programmed from DIRECTORY, and write what its network answers.

    Damaged frames are repeated, a reset or a pulled plug is outlived. Without --input the board is only asked
    what it is.
    """
    if (source is None) != (target is None):
        raise click.UsageError("--input and --output go together")
    apart([source, weights], [target])
    from fermatnet.boards.host.board import Board, read_description
    from fermatnet.sim.stimulus import checked_images

    with ExitStack() as stack:
        images = load_array(source) if source else None
        if images is not None:  # before a board is simulated, or waited for
            checked_images(images, read_description(directory)["input"])
        store = stack.enter_context(array_file(target)) if target else None
        if port == "sim":
            notes.print("simulating the board (its first time compiles it, a minute or so) ...")
        board = stack.enter_context(Board(directory, port, baud=baud, patience=patience))
        about = board.description
        line(f"{about['network']} on {about['title']}, design {board.info.design:016x}")
        if weights is not None:
            _load(board, weights)
        if images is not None and store is not None:
            with bar("host", len(images)) as progress:
                store(board.run(images, progress=progress))
            line(f"{len(images)} images -> {target}")
        _tell(board)


def _load(board, weights: str) -> None:
    from fermatnet.hw.compiler.generate import load_burst
    from fermatnet.model.network import load

    words = load_burst(load(weights), board.directory / "verilog")
    with bar("load", len(words)) as progress:
        board.load(words, progress=progress)
    line(f"{len(words)} words of {weights} loaded")


def _tell(board) -> None:
    statistics, info = board.statistics, board.ask()
    if statistics.images:
        line(f"{statistics.images_per_second:,.1f} images/s over the line")
    line(
        f"frames repeated {statistics.repeated}, damaged on the way here {statistics.bad}, refused by the "
        f"board {statistics.refused}, answers to nothing {statistics.stray}; loads repeated "
        f"{statistics.reloads}, port reopened {statistics.reopened}"
    )
    line(
        f"the board since its reset: {info.images} images, {info.bad_frames} bad frames, {info.core_errors} "
        "errors of its network"
    )
