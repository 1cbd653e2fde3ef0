"""``fermatnet sweep``."""

from typing import Any

import click

from fermatnet.cli.console import line


def _shown(entry: dict[str, Any]) -> None:
    what = entry.get("error") or f"{100 * entry['test_accuracy']:.2f} %"
    line(f"{entry['key']}  {what}")


@click.command(name="sweep")
@click.argument("file", type=click.Path(exists=True, dir_okay=False), metavar="FILE.toml")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 1024), help="Rows at a time.")
@click.option(
    "--backend",
    default="loky",
    show_default=True,
    type=click.Choice(["loky", "threading", "dask"]),
    help="Of joblib: processes or threads here, or a Dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://HOST:8786.")
def command(file: str, jobs: int, backend: str, scheduler: str | None) -> int:
    """Train every combination of networks, schemes and options that FILE.toml names.

    Finished rows are kept in results.jsonl; the same command goes on with a sweep that was stopped.
    """
    from fermatnet.search.sweep import read_sweep, run_sweep

    sweep = read_sweep(file)
    rows = run_sweep(sweep, backend=backend, jobs=jobs, scheduler=scheduler, progress=_shown)
    failed = sum("error" in row for row in rows)
    line(f"{len(rows) - failed} of {len(rows)} rows are finished: {sweep.results}")
    return 1 if failed else 0
