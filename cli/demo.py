"""``fermatnet demo``."""

import time
from typing import Any

import click

from fermatnet.cli.console import line


@click.command(name="demo")
@click.option(
    "--out",
    default="demo",
    show_default=True,
    metavar="DIR",
    help="Folder for the run, the network, the Verilog and the report.",
)
@click.option("--device", default="ecp5-85k", show_default=True, help="Device to synthesise for.")
@click.option("--cycles", type=click.IntRange(min=1), metavar="C", help="At most this many cycles an image.")
@click.option("--seed", default=0, show_default=True, type=int, help="Seed of the training.")
@click.option("--resume", is_flag=True, help="Keep the steps that an interrupted demo finished in DIR.")
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(out: str, **options: Any) -> int:
    """The whole path on scikit-learn's bundled digits.

    Trains the network, exports it, generates Verilog, simulates all held-out images with and without stalls,
    synthesises it, and writes report.html and report.json. Exit status 1 when any engine gives another logit
    than the reference.
    """
    from fermatnet.report.demo import run_demo

    started = time.monotonic()
    report = run_demo(
        out, say=lambda words: line(f"[{time.monotonic() - started:6.1f} s] {words}"), **options
    )
    return 0 if all(report["exact"].values()) else 1
