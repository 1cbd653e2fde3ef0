"""The command: rows as they come, then the page."""

import json
from pathlib import Path
from typing import Any

import click

from fermatnet.bench.compiler.mlperf_tiny.designs import DESIGNS, rows
from fermatnet.bench.compiler.mlperf_tiny.page import page
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError


@click.command()
@click.option(
    "--models",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="their folder",
)
@click.option("--only", default="", help="designs whose 'model device' holds this")
@click.option(
    "--rows",
    "store",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON lines: finished rows are kept here, and not measured again while their Verilog is the same",
)
@click.option("--page", "target", type=click.Path(dir_okay=False, path_type=Path), help="write the page here")
@click.option("--stored", is_flag=True, help="synthesise nothing: finished rows, and predictions")
@click.option(
    "--scores",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON of `fermatnet.bench.exchange.test_set`, for the page",
)
def main(
    models: Path, only: str, store: Path | None, target: Path | None, stored: bool, scores: Path | None
) -> None:
    """MLPerf Tiny's four reference models: LUT, FF, BRAM, DSP, cycles and images a second."""
    found = []
    try:
        for row in rows(models, store, only, not stored):
            found.append(row)
            print(_line(row), flush=True)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    if target is not None:
        if len(found) < len(DESIGNS):
            raise click.UsageError("--page needs all designs: leave out --only")
        with atomic_file(target) as temporary:
            temporary.write_text(page(found, _quality(scores)))


def _line(row: dict[str, Any]) -> str:
    return (
        f"{row['model']} on {row['device']}, {row['cycles_per_image']:,} cycles: predicted "
        f"{row['predicted']}, synthesised {row['synthesised'] or row.get('refused', 'not yet')}, "
        f"{row.get('fmax_mhz', '-')} MHz, {row['images_per_second']:,} images/s ({row['seconds']} s)"
    )


def _quality(scores: Path | None) -> dict[str, str]:
    if scores is None:
        return {}
    score = json.loads(scores.read_text())
    words = f"{score['network_accuracy']:.2%} of the {score['images']:,} test images"
    return {score["model"]: f"{words}, {score['different']} of {score['outputs']:,} outputs unlike LiteRT's"}


if __name__ == "__main__":
    main()
