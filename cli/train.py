"""``fermatnet train``: the options of a run are the fields of `fermatnet.model.train.options.Options`."""

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.failure import Interrupted
from fermatnet.cli.kinds import FiniteRange, OutputDirectory
from fermatnet.cli.phases import phases
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import check_directory
from fermatnet.model.train.options import Options
from fermatnet.model.train.ranges import CHOICES, RANGES, check_device, check_scheme
from fermatnet.model.zoo import catalogue

_HELP = {
    "scheme": "Quantization: pa, int8, float, or a rival (xnor, bireal, abc, ...).",
    "weights": "Weight pieces M (pa), bases or bits, as the scheme counts them.",
    "activations": "Activation pieces N (pa), bases or bits.",
    "edge_bits": "Bits of the first and the last layer.",
    "engine": "Engine of the integer convolutions: auto, fermat or direct.",
    "epochs": "Epochs of the quantized network (alone: of its full-precision twin too).",
    "float_epochs": "Epochs of the full-precision twin that it starts from.",
    "distill": "Share of the loss that follows the twin's outputs.",
    "level_lr": "Learning rate of levels, end-points and steps, relative to --lr.",
    "validation": "Share of the training data set aside for the curves.",
    "ema": "Decay of averaged weights; 0 is off.",
    "pad": "Augmentation: pad by this many pixels and crop at random.",
    "flip": "Augmentation: flip left to right at random.",
    "threads": "CPU threads; 0 leaves it to torch.",
    "device": "cpu, cuda, cuda:1, ...",
    "tensorboard": "Write a TensorBoard log into the run folder.",
}
_LISTS = ("milestones",)
_DATA = "digits, mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR, images:DIR or arrays:FILE.npz."


def _kind(name: str, kind: Any) -> Any:
    if name in CHOICES:
        return click.Choice(CHOICES[name])
    if name in RANGES:
        low, high, is_open = RANGES[name]
        if kind is float:
            return FiniteRange(low, high, min_open=is_open)
        return click.IntRange(int(low), int(high))
    return str


def _flag(name: str, kind: Any, default: Any) -> click.Option:
    flag, text = f"--{name.replace('_', '-')}", _HELP.get(name, f"{name.replace('_', ' ').capitalize()}.")
    if kind is bool:
        return click.Option([f"{flag}/--no-{name}", name], default=None, help=text)
    shown = "" if default is None else f"  [usual: {default}]"
    return click.Option([flag, name], type=_kind(name, kind), default=None, help=text + shown)


def _check(net: str, data: str, out: str, resume: bool, given: dict[str, Any]) -> None:
    """All that can be refused without torch and without reading the data."""
    catalogue.check(net, trained=True)
    check_scheme(given["scheme"] or Options().scheme, given["weights"], given["activations"])
    if given["device"] is not None:
        check_device(given["device"])
    if given["edge_bits"] == 1:
        raise InputError("edge_bits must be 0 (full precision) or 2 to 24, not 1")
    if given["epochs"] == 0 and not given["float_epochs"]:
        raise InputError("epochs must be at least 1")
    if os.environ.get("RANK", "0") == "0":  # torchrun's other processes find what the first one has made
        _check_folder(out, resume)
    from fermatnet.model.train.data import check_name

    check_name(data)


def _check_folder(out: str, resume: bool) -> None:
    begun = (Path(out) / "config.json").is_file()
    if resume and not begun:
        raise InputError(f"{out} holds no run to resume: leave --resume out to begin one")
    if not resume and begun:
        raise InputError(f"{out} is not empty: choose another folder, or --resume the run in it")
    if not resume:
        try:
            check_directory(out)
        except InputError as error:
            raise InputError(re.sub(r" \(--force.*\)", ": choose another folder", str(error))) from None


def _train(net: str, data: str, out: str, resume: bool, **given: Any) -> None:
    _check(net, data, out, resume, given)
    with phases("train") as phase:
        phase("loading torch")
        from fermatnet.model.train.run import train

    try:
        summary = train(net, data, out, resume=resume, **given)
    except KeyboardInterrupt:
        if (Path(out) / "config.json").is_file():
            raise Interrupted(
                "the same command with --resume goes on after the last finished epoch"
            ) from None
        raise
    for phase_name, score in summary["accuracy"].items():
        count = summary["test_images"]
        if summary["metric"] == "r2":
            error = summary["rmse"].get(phase_name)
            words = "" if error is None else f", root mean square error {error:.4g}"
            line(f"{phase_name:10} R2 {score:.4f}{words}, of {count} test samples")
        else:
            line(f"{phase_name:10} {100 * score:.2f} % of {count} test images")
    line(f"run folder: {out}")


command = click.Command(
    "train",
    callback=_train,
    params=[
        click.Argument(["net"]),
        click.Option(["--data"], required=True, metavar="DATA", help=_DATA),
        click.Option(
            ["--out"],
            required=True,
            type=OutputDirectory(),
            metavar="RUN",
            help="Run folder: config, metrics, checkpoint, weights, curves.",
        ),
        click.Option(
            ["--resume"], is_flag=True, help="Go on after the last finished epoch of the run in RUN."
        ),
        *(_flag(item.name, item.type, item.default) for item in fields(Options) if item.name not in _LISTS),
    ],
    help="""Train NET of the zoo, quantization-aware.

    Its full-precision twin trains first in the same loop; the quantized network starts from its weights.
    Where an option is not given, the defaults for the network and the data hold. Under torchrun the same
    command runs data-parallel.""",
)
