"""``fermatnet train``: the options of a run are the fields of `fermatnet.model.train.options.Options`."""

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.failure import Interrupted
from fermatnet.cli.kinds import FiniteRange, InputDirectory, OutputDirectory, own_options
from fermatnet.cli.phases import phases
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import check_directory
from fermatnet.model.train.mapped import check_map, check_takes_map, entries
from fermatnet.model.train.options import Options, defaults
from fermatnet.model.train.ranges import CHOICES, RANGES, check_device, check_scheme
from fermatnet.model.zoo import catalogue

_HELP = {
    "scheme": "Quantization: pa, int8, lsq, pact, float, or a rival (xnor, bireal, abc, ...).",
    "weights": "Weight pieces M (pa), bases or bits, as the scheme counts them.",
    "activations": "Activation pieces N (pa), bases or bits.",
    "edge_bits": "Bits of the first and the last layer.",
    "map": "A layer's own scheme, 'layer1.*=int8(4,4)', or a search's result.json; may be repeated: the last "
    "that fits counts.",
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
    "nesterov": "Nesterov momentum (sgd).",
    "decay": "What decays: weights, or all parameters (norms and biases too).",
    "warmup": "Share of the steps in which the rate rises.",
    "warmup_epochs": "The same in epochs; 0: --warmup counts.",
    "warmup_from": "Share of the rate that the warm-up begins with.",
    "milestones": "Steps of schedule step: epochs (60,120,160) or shares of them (0.3,0.6,0.8).",
    "power": "Of the polynomial schedule.",
    "batch": "Images a step, of all processes together.",
    "accumulate": "Parts of a batch that are computed one after the other.",
    "checkpoint_steps": "A checkpoint every so many steps; 0: after every epoch.",
    "channels_last": "Tensors with the channels innermost (faster on GPUs and with bfloat16).",
    "compile": "Compile the network with torch.compile.",
    "size": "images:DIR of any sizes: side of the square crop (imagenet: 224).",
    "resize": "Shorter edge before the centre crop; 0: 256/224 of the size.",
    "crop": "Of training images: centre, scale (random edge and place) or resized (random part).",
    "jitter": "Random brightness, contrast and saturation, up to this share.",
    "lighting": "Standard deviation of the PCA colour noise (0.1 for ImageNet).",
    "low_memory": "Scheme sign: keep bits for the backward pass, in place of real numbers.",
    "sign_gradients": "With --low-memory: only signs of the weights' gradients.",
    "over_parameterised": "Train several tensors for each quantized weight; one is left in the end.",
    "revive": "Fresh weights for channels that never vary in what the quantized network starts from.",
    "workers": "Processes that decode images (usual: one fewer than the CPUs, at most 8).",
    "corrupt": "Files that are no image: refuse, or skip and count.",
}
_DATA = (
    "digits, mnist:DIR, fashion-mnist:DIR, cifar10:DIR, cifar100:DIR, images:DIR, imagenet:DIR or "
    "arrays:FILE.npz."
)


class _Numbers(click.ParamType):
    """Numbers joined by commas."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 60,120,160", param, ctx)


def _mapped(ctx: Any, parameter: Any, given: tuple[str, ...]) -> tuple[str, ...] | None:
    """Schemes of single layers, or None without any: the recipe's, or none."""
    found = entries(given)
    check_map(found)
    return found or None


def _kind(name: str, kind: Any) -> Any:
    if name == "milestones":
        return _Numbers()
    if name in CHOICES:
        return click.Choice(CHOICES[name])
    if name in RANGES:
        low, high, is_open = RANGES[name]
        if kind is float:
            return FiniteRange(low, high, min_open=is_open)
        return click.IntRange(int(low), int(high))
    return str


def flag(name: str, kind: Any, default: Any) -> click.Option:
    """The option of the command line for a field of `Options`."""
    word, text = f"--{name.replace('_', '-')}", _HELP.get(name, f"{name.replace('_', ' ').capitalize()}.")
    if kind is bool:
        return click.Option([f"{word}/--no-{name}", name], default=None, help=text)
    if name == "map":
        return click.Option(
            [word, name], multiple=True, callback=_mapped, metavar="PATTERN=SCHEME", help=text
        )
    shown = "" if default is None else f"  [usual: {default}]"
    return click.Option([word, name], type=_kind(name, kind), default=None, help=text + shown)


def _check(net: str, data: str, out: str, resume: bool, options: dict[str, Any]) -> None:
    """All that can be refused without torch and without reading the data."""
    catalogue.check(net)
    if options["recipe"] is not None:
        from fermatnet.model.train.recipe import with_recipe

        options = options | with_recipe(
            options["recipe"], {k: v for k, v in options.items() if k != "recipe"}
        )
    scheme = options["scheme"] or defaults(net, data).scheme
    check_scheme(scheme, options["weights"], options["activations"])
    catalogue.check_scheme(net, scheme)
    check_takes_map(net, scheme, options["map"] or ())
    if options["device"] is not None:
        check_device(options["device"])
    if options["edge_bits"] == 1:
        raise InputError("edge_bits must be 0 (full precision) or 2 to 24, not 1")
    if options["epochs"] == 0 and not options["float_epochs"]:
        raise InputError("epochs must be at least 1")
    if _first_process():  # the others find what it has made
        _check_folder(out, resume)
    from fermatnet.model.train.data import check_name

    kind, _, folder = data.partition(":")  # imagenet:DIR is a tree of class folders, as images:DIR
    check_name(f"images:{folder}" if kind == "imagenet" else data)


def _first_process() -> bool:
    """Whether this is the first of torchrun's processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


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


def _train(
    net: str, data: str, out: str, resume: bool, twin: str | None, start: str | None, **options: Any
) -> None:
    taken = "--twin" if twin else "--start"
    if (twin or start) and options["float_epochs"]:
        raise InputError(
            f"--float-epochs trains a full-precision network, {taken} takes one: leave one of them out"
        )
    _check(net, data, out, resume, options)
    with phases("train") as phase:
        phase("loading torch")
        from fermatnet.model.train.run import train

    try:
        summary = train(net, data, out, resume=resume, twin=twin, start=start, **options)
    except KeyboardInterrupt:
        if (Path(out) / "config.json").is_file():
            raise Interrupted("the same command with --resume goes on after the last checkpoint") from None
        raise
    if _first_process():
        _say(summary, out)


def _say(summary: dict[str, Any], out: str) -> None:
    """What a run has come to, and where it is."""
    for phase_name, accuracy in summary["accuracy"].items():
        if summary["metric"] == "r2":
            error = summary["rmse"][phase_name]
            line(f"{phase_name:10} R2 {accuracy:.4f}, root mean square error {error:.4g} on the test samples")
            continue
        among = summary.get("top5", {}).get(phase_name)
        more = "" if among is None else f", Top-5 {100 * among:.2f} %"
        line(f"{phase_name:10} {100 * accuracy:.2f} % of {summary['test_images']} test images{more}")
    lost = summary.get("corrupt", {}).get("count", 0)
    if lost:
        line(f"left out: {lost} files that are no images; their names are in {out}/summary.json")
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
        click.Option(["--resume"], is_flag=True, help="Go on from the last checkpoint of the run in RUN."),
        click.Option(
            ["--recipe"],
            metavar="NAME",
            help="Settings of a chapter (chapter6-cifar100, ...) or FILE.toml; options beside it win.",
        ),
        click.Option(
            ["--twin"],
            type=InputDirectory("config.json", "no training run"),
            metavar="RUN",
            help="Begin with that run's full-precision network, and learn from it, instead of training one.",
        ),
        click.Option(
            ["--start"],
            type=InputDirectory("config.json", "no training run"),
            metavar="RUN",
            help="Go on from that run's quantized network, with other epochs, rates or augmentation.",
        ),
        click.Option(
            ["--option", "network"],
            multiple=True,
            callback=own_options,
            metavar="NAME=VALUE",
            help="Of the network's own builder, such as width=8 or form=maxpool; may be repeated.",
        ),
        *(flag(item.name, item.type, item.default) for item in fields(Options)),
    ],
    help="""Train NET of the zoo, quantization-aware.

    Its full-precision twin trains first in the same loop; the quantized network starts from its weights.
    Where an option is not given, the defaults for the network and the data hold. Under torchrun the same
    command runs data-parallel.""",
)
