"""``fermatnet explore``."""

import json
import shlex
from typing import Any

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import FiniteRange, InputFile, OutputDirectory, OutputFile, device_choice, judge
from fermatnet.cli.phases import phases
from fermatnet.model.atomic import atomic_file
from fermatnet.model.outputs import apart


@click.command(name="explore")
@click.argument("network", type=InputFile())
@click.option(
    "--device", required=True, type=device_choice(), help="Device of the families ecp5, ice40, xc7."
)
@click.option("--page", type=OutputFile(), metavar="FILE", help="Write the page to look at (HTML).")
@click.option("--json", "target", type=OutputFile(), metavar="FILE", help="Write the designs as JSON.")
@click.option("--choose", type=click.IntRange(1), metavar="K", help="Generate design K of the front.")
@click.option("--out", type=OutputDirectory(), metavar="DIR", help="Folder for --choose.")
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
@click.option(
    "--clock-mhz",
    default=100.0,
    show_default=True,
    type=FiniteRange(0, 1e5, min_open=True),
    help="Clock goal, for which arrays are pipelined.",
)
@click.option(
    "--count",
    default=10,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="Designs to look at for each choice of engines.",
)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 1024), help="Designs at a time.")
@click.option(
    "--backend",
    default="loky",
    show_default=True,
    type=click.Choice(["loky", "threading", "dask"]),
    help="Of joblib: processes or threads here, or a Dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://HOST:8786.")
def command(
    network: str,
    device: str,
    page: str | None,
    target: str | None,
    choose: int | None,
    out: str | None,
    force: bool,
    **options: Any,
) -> None:
    """Show what NETWORK (.onnx) can be on a device: speed against LUTs, block RAMs and multipliers.

    Designs of many speeds are planned and predicted, none is synthesised. Those that fit the device and that
    no other one beats are the front: a table here, a page with --page. --choose K --out DIR generates
    one as `fermatnet verilog` would.
    """
    if (choose is None) != (out is None):
        raise click.UsageError("--choose and --out go together: the number of a design and its folder")
    apart([network], [path for path in (page, target, out) if path])
    if out is not None:
        judge(out, network, force=force)
    from fermatnet.model.network import load
    from fermatnet.search.backends import check_backend
    from fermatnet.search.explore.front import explore, make

    check_backend(options["backend"], options["scheduler"])
    with phases("explore") as phase:
        phase("reading the network")
        net = load(network)
        exploration = explore(net, device, progress=phase, **options)
        if choose is not None and out is not None:
            phase(f"generating design {choose}")
            make(net, exploration, choose, out, force=force)
    again = ["fermatnet", "explore", network, "--device", device]
    for key in ("clock_mhz", "count"):
        again += [f"--{key.replace('_', '-')}", f"{options[key]:g}"]
    _write(exploration, page, target, f"{shlex.join(again)} --choose K --out DIR")
    _print(exploration)
    if out is not None:
        line(f"{out}: design {choose}")


def _write(exploration: dict[str, Any], page: str | None, target: str | None, again: str) -> None:
    if page is not None:
        from fermatnet.report.explore import render

        with atomic_file(page) as temporary:
            temporary.write_text(render(exploration, again))
    if target is not None:
        with atomic_file(target) as temporary:
            temporary.write_text(json.dumps(exploration, indent=2) + "\n")


def _print(exploration: dict[str, Any]) -> None:
    from fermatnet.report.explore import COST

    capacity = exploration["capacity"]
    where, clock_mhz = f"{exploration['name']} on {exploration['device']}", exploration["clock_mhz"]
    table = Table(title=f"{where}: predicted at {clock_mhz:g} MHz")
    columns = {"cycles": "cycles", "images_per_second": "images/s", "latency": "latency"}
    costs = {key: f"{COST[key]} of {capacity[key]:,}" for key in COST}
    for title in ("K", *columns.values(), *costs.values(), "engines"):
        table.add_column(title, justify="left" if title == "engines" else "right")
    for point in exploration["front"]:
        point = {**point, "images_per_second": _rounded(point["images_per_second"])}
        figures = (f"{point[key]:,.10g}" for key in (*columns, *costs))
        table.add_row(str(point["number"]), *figures, point["engine"])
    results.print(table)
    if not exploration["fits"]:
        line(f"none of these fits {exploration['device']}: choose a larger device, or a smaller network")
    if others := len(exploration["others"]):
        line(f"{others} more designs: beaten by these, or too large")
    if exploration["rough"]:
        line(f"predictions for {exploration['device']} are rough: see what `fermatnet synth` says")


def _rounded(rate: float) -> float:
    """Whole images a second from a hundred on."""
    return round(rate) if rate >= 100 else rate
