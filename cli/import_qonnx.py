"""``fermatnet import-qonnx``."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction

import click

from fermatnet.cli.console import line, share
from fermatnet.model.errors import InputError


def _sizes(text: str | None, count: int, option: str) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    try:
        found = tuple(int(part) for part in parts)
    except ValueError:
        found = ()
    if len(found) != count:
        raise InputError(f"{option} takes {count} whole numbers, not {text!r}")
    return found


def _number(text: str | None, option: str) -> float | None:
    """A decimal number or a fraction such as 1/255."""
    if text is None:
        return None
    try:
        value = float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{option} takes a number such as 1, 0.5 or 1/255, not {text!r}")
    return value


@click.command(name="import-qonnx")
@click.argument("model")
@click.option("--out", required=True, metavar="NET.onnx", help="The network file.")
@click.option("--input", "shape", metavar="CxHxW", help="Shape of the image, by default the model's own.")
@click.option(
    "--range",
    "value_range",
    metavar="LO,HI",
    default="0,255",
    show_default=True,
    help="Inclusive range of the pixels.",
)
@click.option(
    "--input-scale",
    metavar="A",
    help="The model's input is A times the pixel, 1/255 say; by default its first quantizer tells.",
)
@click.option("--input-offset", metavar="B", help="Added to the scaled pixel.  [default: 0]")
def command(
    model: str,
    out: str,
    shape: str | None,
    value_range: str,
    input_scale: str | None,
    input_offset: str | None,
) -> None:
    """Turn the QONNX model in file MODEL into a network file.

    Weights and activations keep their integers; batch norms and scales become integer thresholds. Nodes
    without a layer in hardware are named.
    The network is then run beside the file's own executor, and the command says what it compared.
    """
    sizes, limits = _sizes(shape, 3, "--input"), _sizes(value_range, 2, "--range")
    scale, offset = _number(input_scale, "--input-scale"), _number(input_offset, "--input-offset")
    from fermatnet.model.exchange.qonnx.importer import imported
    from fermatnet.model.network import save

    with ExitStack() as stack:
        shown: list[Callable[[float, str], None]] = []

        def progress(done: float, words: str) -> None:
            if not shown:  # a bar for large networks only
                shown.append(stack.enter_context(share("comparing with the file's own executor")))
            shown[0](done, words)

        made = imported(model, sizes, limits, scale, offset or 0.0, progress)  # type: ignore[arg-type]
    net = made.network
    save(net, out)
    line(
        f"{model} -> {out}: {len(net.nodes)} layers, input {'x'.join(map(str, net.input_shape))}, "
        f"{net.classes} outputs, "
        f"bias rounded by at most {float(net.meta['bias_error']):.2g}"
    )
    for note in made.notes:
        line(note)
