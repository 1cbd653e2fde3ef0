"""``fermatnet demo``."""

import time
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.failure import Interrupted
from fermatnet.cli.kinds import SEED, OutputDirectory, device_choice
from fermatnet.cli.phases import phases
from fermatnet.hw.devices import DEVICES
from fermatnet.model.errors import InputError
from fermatnet.report.progress import STEPS, check_folder


@click.command(name="demo")
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=OutputDirectory(),
    metavar="DIR",
    help="Folder for the run, the network, the Verilog and the report.",
)
@click.option(
    "--device", default="ecp5-85k", show_default=True, type=device_choice(), help="Device to synthesise for."
)
@click.option("--cycles", type=click.IntRange(min=1), metavar="C", help="At most this many cycles an image.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Seed of the training.")
@click.option("--resume", is_flag=True, help="Keep the steps that an interrupted demo finished in DIR.")
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(out: str, **options: Any) -> int:
    """The whole path on scikit-learn's bundled digits.

    Trains the network, exports it, generates Verilog, simulates all held-out images with and without stalls,
    makes a bitstream for a ULX3S, sends images through the simulated board, and writes report.html and
    report.json. Exit status 1 when any engine gives another logit
    than the reference.
    """
    if not DEVICES[options["device"]].place:
        known = ", ".join(name for name, device in DEVICES.items() if device.place)
        raise InputError(
            f"the demo places and routes, which no open tool does on {options['device']}: take {known}"
        )
    if options["resume"] and not (Path(out) / STEPS).is_file():
        raise InputError(f"{out} holds no demo to resume: leave --resume out to begin one")
    check_folder(Path(out), options["resume"], options["force"])
    with phases("demo") as phase:
        phase("loading torch")
        from fermatnet.report.demo import run_demo

    started = time.monotonic()
    try:
        report = run_demo(
            out, say=lambda words: line(f"[{time.monotonic() - started:6.1f} s] {words}"), **options
        )
    except KeyboardInterrupt:
        if (Path(out) / STEPS).is_file():
            raise Interrupted("the same command with --resume keeps the finished steps") from None
        raise
    return 0 if all(report["exact"].values()) else 1
