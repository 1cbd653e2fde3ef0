"""``fermatnet search nasb``, ``fermatnet search autorecon`` and ``fermatnet search mixed``."""

from typing import Any

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import SEED, FiniteRange, InputDirectory, OutputDirectory, device_choice
from fermatnet.cli.phases import phases
from fermatnet.model.errors import InputError
from fermatnet.model.nn.patterns import parse
from fermatnet.model.train.ranges import check_device, check_scheme

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
    """Search an architecture: the cells of a binary network, or the generator of data-free compression; or a
    scheme for each layer of a trained network."""


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


def _limits(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """``luts=8000`` and the like, in their order."""
    from fermatnet.search.mixed.costs import COSTS

    limits: dict[str, float] = {}
    for text in given:
        key, _, number = text.partition("=")
        try:
            limits[key] = float(number)
        except ValueError:
            raise InputError(f"a budget is NAME=NUMBER, luts=8000 for instance, not {text!r}") from None
        if key not in COSTS:
            raise InputError(f"there is no budget of {key!r}; there are {', '.join(COSTS)}")
    return limits


def _words(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Schemes as words, each with counts that it takes."""
    for word in given:
        check_scheme(*parse(word)[:3])
    return given


@command.command(name="mixed")
@click.argument("run", type=InputDirectory("config.json", "no training run"))
@click.option("--out", required=True, type=OutputDirectory(), metavar="OUT", help="Folder.")
@click.option(
    "--budget",
    "limits",
    required=True,
    multiple=True,
    callback=_limits,
    metavar="NAME=N",
    help="Most luts, ffs, brams, dsps, bytes (of weights) or ace; may be repeated. The first is the front's.",
)
@click.option(
    "--choice",
    "choices",
    multiple=True,
    callback=_words,
    metavar="SCHEME",
    help="'pa(4,5)', 'int8(4,4)', sign, ...; repeated. The first is that of all that is not searched.  "
    "[usual: pa(4,5) pa(2,3) int8(8,8) int8(4,4) sign]",
)
@click.option("--target", default="ecp5-85k", show_default=True, type=device_choice(), help="The FPGA.")
@click.option("--cycles", default=0, type=click.IntRange(0), help="An image; 0: as half of it allows.")
@click.option("--clock-mhz", default=100.0, show_default=True, type=FiniteRange(0, 1e5, min_open=True))
@click.option("--images", default=512, show_default=True, type=click.IntRange(1), help="To measure on.")
@click.option("--steps", default=0, show_default=True, type=click.IntRange(0), help="Of training a change.")
@click.option("--points", default=8, show_default=True, type=click.IntRange(1, 1000), help="Of the front.")
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option("--device", default="cpu", show_default=True, callback=_device, help="cpu, cuda, ...")
@click.option("--resume", is_flag=True, help="Go on with the search in OUT; with other budgets too.")
def _mixed(run: str, out: str, choices: tuple[str, ...], **options: Any) -> None:
    """A scheme for each layer of the full-precision network in folder RUN, within budgets of hardware.

    Each group of layers is measured with each choice alone, and priced by the compiler's prediction at one
    throughput; the assignment is solved exactly. OUT/result.json is an option of the training that follows:
    fermatnet train NET --data DATA --twin RUN --map OUT/result.json --out RUN2
    """
    with phases("search") as phase:
        phase("loading torch")
        from fermatnet.search.mixed.picture import draw_front
        from fermatnet.search.mixed.search import CHOICES, search_mixed
    result = search_mixed(run, out, choices=choices or CHOICES, progress=_row, **options)
    draw_front(result, f"{out}/front.svg")
    _front(result)
    budget = result["budget"]
    line(f"{budget['rows']} rows in {budget['seconds']} s; {out}/result.json and {out}/front.svg")
    if result["found"] is None:
        limits = ", ".join(f"{key} {value:g}" for key, value in result["limits"].items())
        raise InputError(f"no assignment was found within {limits}: the front has the nearest")
    line("found: " + ", ".join(f"{layer} {scheme}" for layer, scheme in result["map"].items()))


def _row(number: int, row: dict[str, Any]) -> None:
    told = "  ".join(f"{key} {row[key]:.6g}" for key in ("loss", "luts", "brams", "dsps") if key in row)
    line(f"row {number}  {row['row']}  {told or row.get('refused', '')}")


def _front(result: dict[str, Any]) -> None:
    """The front as a table; the least increase last."""
    from fermatnet.search.mixed.costs import COSTS

    table = Table(title=f"{result['net']}, {result['target']['cycles']:,} cycles an image, predicted")
    for words in ("increase of the loss", *COSTS.values()):
        table.add_column(words, justify="right")
    table.add_column("choices, a group each")
    for point in result["front"]:
        figures = (f"{point[key]:,.10g}" for key in COSTS)
        table.add_row(f"{point['increase']:.4f}", *figures, " ".join(point["choices"]))
    results.print(table)
