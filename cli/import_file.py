"""``fermatnet import``, and its older name ``import-qonnx``."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from math import prod

import click

from fermatnet.cli.arrays import load_array
from fermatnet.cli.console import line, share
from fermatnet.cli.kinds import InputFile, OutputFile
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart


def _sizes(text: str | None, count: int, option: str) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    try:
        numbers = tuple(int(part) for part in parts)
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InputError(f"{option} takes {count} whole numbers, not {text!r}")
    return numbers


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


@click.command(name="import")
@click.argument("model", type=InputFile())
@click.option("--out", required=True, type=OutputFile(), metavar="NET.onnx", help="The network file.")
@click.option(
    "--calibrate",
    type=InputFile(),
    metavar="X.npy",
    help="A float ONNX model: quantize it to int8 with these samples first (onnxruntime's quantizer).",
)
@click.option(
    "--compare",
    type=click.IntRange(min=0),
    metavar="N",
    help="Run N samples beside the source's own executor, 0 for none.  [default: as many as take seconds]",
)
@click.option(
    "--input", "shape", metavar="CxHxW", help="QONNX: shape of the image, by default the model's own."
)
@click.option(
    "--range", "value_range", metavar="LO,HI", help="QONNX: inclusive range of the pixels.  [default: 0,255]"
)
@click.option(
    "--input-scale",
    metavar="A",
    help="QONNX: the model's input is A times the pixel, 1/255 say; by default its first quantizer tells.",
)
@click.option("--input-offset", metavar="B", help="QONNX: added to the scaled pixel.  [default: 0]")
def command(
    model: str,
    out: str,
    calibrate: str | None,
    compare: int | None,
    shape: str | None,
    value_range: str | None,
    input_scale: str | None,
    input_offset: str | None,
) -> None:
    """Turn the quantized model in file MODEL into a network file.

    Read are int8 models of TensorFlow Lite (.tflite), ONNX with QuantizeLinear/DequantizeLinear or QLinear
    operators (onnxruntime, Brevitas' QCDQ), and QONNX (Brevitas, QKeras), told apart by content. The integers
    stay those of the source; a layer without one in hardware is named. The network takes the integers of the
    source's first quantized tensor and gives those of its last. It is then run beside the source's own
    executor, and the command says what was compared.
    """
    apart([model, calibrate], [out])
    sizes, limits = _sizes(shape, 3, "--input"), _sizes(value_range, 2, "--range")
    scale, offset = _number(input_scale, "--input-scale"), _number(input_offset, "--input-offset")
    from fermatnet.model.exchange.importer import Options, imported
    from fermatnet.model.network import save

    samples = None if calibrate is None else load_array(calibrate)
    options = Options(sizes, limits, scale, offset or 0.0, compare, samples)  # type: ignore[arg-type]
    with ExitStack() as stack:
        shown: list[Callable[[float, str], None]] = []

        def progress(done: float, words: str) -> None:
            if not shown:  # a bar for large networks only
                shown.append(stack.enter_context(share("comparing with the file's own executor")))
            shown[0](done, words)

        conversion = imported(model, options, progress)
    net = conversion.network
    save(net, out)
    inputs = [f"{net_input.dtype} {'x'.join(map(str, net_input.dims))}" for net_input in net.inputs]
    named = [f"{net_input.name!r} {text}" for net_input, text in zip(net.inputs, inputs, strict=True)]
    outputs = [f"{name!r} of {prod(net.types[name].shape)}" for name in net.outputs]
    line(
        f"{model} ({conversion.format}) -> {out}: {len(net.nodes)} layers, "
        + (f"input {inputs[0]}, " if len(named) == 1 else f"inputs {', '.join(named)}; ")
        + (f"{net.classes} outputs" if len(outputs) == 1 else f"outputs {', '.join(outputs)}")
    )
    for note in conversion.notes:
        line(note)
