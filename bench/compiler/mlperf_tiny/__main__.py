"""The command: rows as they come, then the page."""

from pathlib import Path

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
def main(models: Path, only: str, store: Path | None, target: Path | None) -> None:
    """MLPerf Tiny's four reference models: LUT, FF, BRAM, DSP, cycles and images a second."""
    found = []
    try:
        for row in rows(models, store, only):
            found.append(row)
            print(
                f"{row['model']} on {row['device']}, {row['cycles_per_image']:,} cycles: predicted "
                f"{row['predicted']}, synthesised {row['synthesised'] or row.get('refused')}, "
                f"{row.get('fmax_mhz', '-')} MHz, {row['images_per_second']:,} images/s ({row['seconds']} s)",
                flush=True,
            )
    except InputError as error:
        raise click.UsageError(str(error)) from error
    if target is not None:
        if len(found) < len(DESIGNS):
            raise click.UsageError("--page needs all designs: leave out --only")
        with atomic_file(target) as temporary:
            temporary.write_text(page(found))


if __name__ == "__main__":
    main()
