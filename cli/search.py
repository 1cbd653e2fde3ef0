"""``fermatnet search nasb`` and ``fermatnet search autorecon``."""

from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import SEED, OutputDirectory
from fermatnet.cli.phases import phases
from fermatnet.model.train.ranges import check_device

_POSITIVE = click.IntRange(1, 1_000_000)


def _device(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    check_device(value)
    return value


def _common(function: Any) -> Any:
    for option in (
        click.option("--resume", is_flag=True, help="Go on with the search in OUT."),
        click.option("--device", default="cpu", show_default=True, callback=_device, help="cpu, cuda, ..."),
        click.option("--seed", default=0, show_default=True, type=SEED),
        click.option("--batch", default=64, show_default=True, type=click.IntRange(2, 1 << 20)),
        click.option("--out", required=True, type=OutputDirectory(), metavar="OUT", help="Folder."),
    ):
        function = option(function)
    return function


def _shown(epoch: int, row: dict[str, float]) -> None:
    figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items() if key != "epoch")
    line(f"epoch {epoch + 1}  {figures}")


def _end(result: dict[str, Any], out: str) -> None:
    budget = result["budget"]
    line(
        f"{budget['weight_steps']} weight steps, {budget['architecture_steps']} architecture steps, "
        f"{budget['seconds']} s on {budget['device']}; result: {out}/result.json"
    )


@click.group(name="search")
def command() -> None:
    """Search an architecture: the cells of a binary network, or the generator of data-free compression."""


@command.command(name="nasb")
@click.option("--data", required=True, metavar="DATA", help="Half of its training data is for validation.")
@click.option("--depth", default=18, show_default=True, type=_POSITIVE)
@click.option("--width", default=64, show_default=True, type=_POSITIVE)
@click.option("--variant", default="nasb", show_default=True, help="nasb, v1, ..., v5 (section 4.3.3).")
@click.option("--epochs", default=100, show_default=True, type=_POSITIVE)
@click.option("--steps", default=0, type=click.IntRange(0), help="An epoch; 0: half of the data.")
@click.option("--warmup", default=0, type=click.IntRange(0), help="Epochs that train weights only.")
@click.option("--price", default="none", show_default=True, type=click.Choice(["none", "bits", "luts"]))
@click.option("--price-weight", default=0.0, type=click.FloatRange(0, 1e6), help="Of the price in the loss.")
@click.option("--size", default=0, type=click.IntRange(0, 4096), help="images:DIR: side of the crop.")
@_common
def _nasb(out: str, resume: bool, **options: Any) -> None:
    """NASB (chapter 4): which operations join the nodes of a binary ResNet's cells.

    The genotype in OUT/result.json is an option of nasb-resnet: --option genotype=...
    """
    from fermatnet.model.train.data import check_name

    kind, _, folder = options["data"].partition(":")
    check_name(f"images:{folder}" if kind == "imagenet" else options["data"])
    with phases("search") as phase:
        phase("loading torch")
        from fermatnet.search.nasb import search_nasb
    _end(search_nasb(out=out, resume=resume, progress=_shown, **options), out)


@command.command(name="autorecon")
@click.option("--teacher", required=True, type=click.Path(exists=True, file_okay=False), metavar="RUN")
@click.option("--width", default=64, show_default=True, type=_POSITIVE, help="Of the generator.")
@click.option("--epochs", default=50, show_default=True, type=_POSITIVE)
@click.option("--weight-steps", default=100, show_default=True, type=_POSITIVE, help="T_1, an epoch.")
@click.option("--alpha-steps", default=20, show_default=True, type=_POSITIVE, help="V_1, an epoch.")
@_common
def _autorecon(teacher: str, out: str, resume: bool, **options: Any) -> None:
    """AutoReCon (chapter 8): a generator's architecture for the full-precision network of a run folder.

    No data is read: the teacher is all there is.
    """
    with phases("search") as phase:
        phase("loading torch")
        from fermatnet.search.autorecon import search_autorecon
    result = search_autorecon(teacher, out, resume=resume, progress=_shown, **options)
    line(
        f"largest probability of an edge {result['mean_largest_probability']:.3f} on average "
        f"(uniform {result['mean_uniform_probability']:.3f})"
    )
    _end(result, out)
