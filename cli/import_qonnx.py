"""``fermatnet import-qonnx``."""

import click

from fermatnet.cli.console import line
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
def command(model: str, out: str, shape: str | None, value_range: str) -> None:
    """Turn the QONNX model in file MODEL into a network file.

    Weights and activations keep their integers; batch norms and scales become integer thresholds. Nodes
    without a layer in hardware are named.
    """
    from fermatnet.model.exchange.qonnx.importer import import_qonnx
    from fermatnet.model.network import save

    net = import_qonnx(model, _sizes(shape, 3, "--input"), _sizes(value_range, 2, "--range"))  # type: ignore[arg-type]
    save(net, out)
    line(
        f"{model} -> {out}: {len(net.nodes)} layers, input {'x'.join(map(str, net.input_shape))}, "
        f"{net.classes} outputs, "
        f"bias rounded by at most {float(net.meta['bias_error']):.2g}"
    )
