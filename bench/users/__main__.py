"""``python -m fermatnet.bench.users``: every user's network in pa and int8; a table."""

import json
import sys
import warnings
from pathlib import Path

import click
import torch

from fermatnet.bench.users.check import check
from fermatnet.bench.users.networks import NETWORKS


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(NETWORKS)), help="these networks alone")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="write the rows here")
def main(only: tuple[str, ...], file: Path | None) -> None:
    """Networks as users write them: convert, three training steps, export, reference == onnxruntime."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    names = only or tuple(NETWORKS)
    pairs = [(name, how) for name in names for how in ("int8", "pa")]
    with click.progressbar(pairs, label="networks", file=sys.stderr) as bar:
        rows = [check(name, how) for name, how in bar]
    print(
        "| network | scheme | layers | AND-popcount | integer | tables | outputs | twin, model | seconds | |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        figures = [row.layers, row.piecewise, row.integer, row.tables, row.outputs, row.compared, row.seconds]
        print(
            f"| {row.network} | {row.scheme} | {' | '.join(map(str, figures))} | {row.problem or 'equal'} |"
        )
    if file is not None:
        file.write_text(json.dumps([row.plain() for row in rows], indent=1) + "\n")
    sys.exit(any(row.problem for row in rows))


main()
