"""``fermatnet train``: the options of a run are the fields of `fermatnet.model.train.options.Options`."""

from dataclasses import fields
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.model.train.options import Options

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


def _flag(name: str, kind: Any, default: Any) -> click.Option:
    flag, text = f"--{name.replace('_', '-')}", _HELP.get(name, f"{name.replace('_', ' ').capitalize()}.")
    if kind is bool:
        return click.Option([f"{flag}/--no-{name}", name], default=None, help=text)
    plain = {int: int, float: float, str: str, int | None: int}.get(kind, str)
    shown = "" if default is None else f"  [usual: {default}]"
    return click.Option([flag, name], type=plain, default=None, help=text + shown)


def _train(net: str, data: str, out: str, resume: bool, **given: Any) -> None:
    from fermatnet.model.train.run import train

    summary = train(net, data, out, resume=resume, **given)
    for phase, accuracy in summary["accuracy"].items():
        line(f"{phase:10} {100 * accuracy:.2f} % of {summary['test_images']} test images")
    line(f"run folder: {out}")


command = click.Command(
    "train",
    callback=_train,
    params=[
        click.Argument(["net"]),
        click.Option(
            ["--data"],
            required=True,
            metavar="DATA",
            help="digits, mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR or images:DIR.",
        ),
        click.Option(
            ["--out"],
            required=True,
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
