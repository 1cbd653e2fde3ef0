"""``fermatnet zoo``."""

import json

import click
from rich.table import Table

from fermatnet.cli.console import line, results


def _shape(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(part) for part in value.split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not CxHxW, such as 3x224x224") from None
    return channels, height, width


@click.command(name="zoo")
@click.argument("name", required=False)
@click.option(
    "--input", "shape", default="3x224x224", show_default=True, callback=_shape, help="Image, CxHxW."
)
@click.option("--classes", default=1000, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--draw", metavar="FILE", help="Draw the architecture (SVG or PNG by the name).")
def command(
    name: str | None, shape: tuple[int, int, int], classes: int, as_json: bool, draw: str | None
) -> None:
    """List the architectures, or show NAME with parameters, storage, operations and memory, counted on the
    real module."""
    from fermatnet.model import zoo

    if name is None:
        names = zoo.names()
        if as_json:
            print(json.dumps(names))
            return
        table = Table(title="architectures")
        table.add_column("name")
        table.add_column("what it is")
        for key in names:
            table.add_row(key, zoo.entry(key)[0].help)
        results.print(table)
        return
    from fermatnet.model.zoo.analysis.complexity import report

    figures = report(name, shape, classes)
    if draw:
        from fermatnet.model.zoo.analysis.drawing import draw_architecture

        draw_architecture(name, draw, shape, classes)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for key, value in figures.items():
        line(f"{key:16} {value:,}" if isinstance(value, int) else f"{key:16} {value}")
