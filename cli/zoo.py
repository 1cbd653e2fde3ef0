"""``fermatnet zoo``."""

import json
from typing import Any

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import OutputFile, own_options
from fermatnet.cli.phases import phases
from fermatnet.model.errors import InputError
from fermatnet.model.train.ranges import check_scheme

_LARGEST = 8192  # pixels a side, and channels


def _shape(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(part) for part in value.split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not CxHxW, such as 3x224x224") from None
    if not all(1 <= size <= _LARGEST for size in (channels, height, width)):
        raise click.BadParameter(f"{value!r}: each of the three must be 1 to {_LARGEST}")
    return channels, height, width


def _list(as_json: bool) -> None:
    from fermatnet.model.zoo.catalogue import NAMES

    if as_json:
        print(json.dumps(sorted(NAMES)))
        return
    table = Table(title="architectures")
    table.add_column("name")
    table.add_column("what it is")
    for key in sorted(NAMES):
        table.add_row(key, NAMES[key].help)
    results.print(table)


@click.command(name="zoo")
@click.argument("name", required=False)
@click.option(
    "--input", "shape", default="3x224x224", show_default=True, callback=_shape, help="Image, CxHxW."
)
@click.option("--classes", default=1000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option(
    "--scheme", metavar="NAME", help="Build it from the layers of a quantization scheme (pa, abc, ...)."
)
@click.option("--weights", type=click.IntRange(0, 126), help="Weight pieces, bases or bits of the scheme.")
@click.option("--activations", type=click.IntRange(0, 126), help="Activation pieces, bases or bits.")
@click.option(
    "--option",
    "network",
    multiple=True,
    callback=own_options,
    metavar="NAME=VALUE",
    help="Of the network's own builder, such as width=8 or form=maxpool; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--draw",
    type=OutputFile(".svg", ".png", ".pdf"),
    metavar="FILE",
    help="Draw the architecture (SVG, PNG or PDF by the name).",
)
def command(
    name: str | None,
    shape: tuple[int, int, int],
    classes: int,
    scheme: str | None,
    weights: int | None,
    activations: int | None,
    network: dict[str, Any],
    as_json: bool,
    draw: str | None,
) -> None:
    """List the architectures, or show NAME with parameters, storage, operations, ACE and memory.

    All of it is counted on the real module.
    """
    if name is None:
        if draw:
            raise click.UsageError("--draw needs the NAME of an architecture")
        _list(as_json)
        return
    from fermatnet.model.zoo.catalogue import check, form

    check(name)
    if scheme is None and (weights is not None or activations is not None):
        raise click.UsageError("--weights and --activations need a --scheme")
    if scheme is not None:
        check_scheme(scheme, weights, activations)
        if form(name) != "scheme":
            raise InputError(f"{name} is not built from a quantization scheme: leave --scheme out")
    with phases("zoo") as phase:
        phase("loading torch")
        from fermatnet.model.zoo.analysis.complexity import report

        phase(f"building and measuring {name}")
        options = dict(network)
        if scheme is not None:
            from fermatnet.model.nn.scheme import scheme as named

            options["how"] = named(scheme, weights=weights, activations=activations)
        figures = report(name, shape, classes, **options)
        if draw:
            from fermatnet.model.zoo.analysis.drawing import draw_architecture

            phase("drawing")
            draw_architecture(name, draw, shape, classes)
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    for key, value in figures.items():
        line(f"{key:16} {value:,}" if isinstance(value, int) else f"{key:16} {value}")
