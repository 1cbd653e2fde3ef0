"""What a training run can be told, and good defaults for the networks and data we ship."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

from fermatnet.model.errors import InputError
from fermatnet.model.train.mapped import check_map, entries
from fermatnet.model.train.ranges import OWN_FORM, check, check_device
from fermatnet.model.zoo.catalogue import ONE_BIT, form

__all__ = ["FREE", "SHAPES", "Options", "defaults", "options"]


@dataclass(frozen=True)
class Options:
    """One run: first the full-precision twin (``float_epochs``), then the quantized network from its weights
    (``epochs``).

    scheme: of `fermatnet.model.nn.scheme`, or "thesis": the network's own one-bit form; map: schemes of
    single layers, "PATTERN=SCHEME" each, or a search's result.json (the last that fits counts). distill:
    share of the loss that follows the twin's outputs at ``temperature``; ema: decay of the averaged weights
    (0: off); validation: share of the training data set aside for the curves; level_lr: learning rate of
    end-points, levels and steps relative to ``lr``; threads: 0 = torch's own choice.

    Schedule: warmup: share of the steps, or ``warmup_epochs``, linear from ``warmup_from`` of the rate;
    milestones: shares of the epochs where all are at most 1, else epochs; power: of the polynomial schedule.
    batch: images a step, of all processes and of all ``accumulate`` parts together; decay: on "weights" only
    or on "all" parameters, norms and biases too. checkpoint_steps: a checkpoint every so many steps, 0: every
    epoch.

    low_memory: the quantized network keeps bits for its backward pass (`fermatnet.model.nn.low_memory`), with
    sign_gradients only the signs of its weights' gradients. over_parameterised: several tensors a weight
    while the quantized network trains, one in the end (`fermatnet.model.nn.overparameterised`). revive: dead
    channels of what the quantized network starts from get fresh weights (`fermatnet.model.train.dead`).

    Augmentation: pad, flip; of image trees crop, jitter, lighting
    (`fermatnet.model.train.images.transforms`), read by ``workers`` processes (None: one fewer than the CPUs,
    at most 8); corrupt: files that are no image end the run or are left out.
    """

    scheme: str = "pa"
    weights: int | None = None
    activations: int | None = None
    edge_bits: int = 8
    engine: str = "auto"
    epochs: int = 10
    float_epochs: int = 10
    batch: int = 128
    optimizer: str = "adamw"
    lr: float = 2e-3
    float_lr: float = 4e-3
    level_lr: float = 0.1
    weight_decay: float = 1e-4
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup: float = 0.05
    milestones: tuple[float, ...] = (0.3, 0.6, 0.8)
    step_factor: float = 0.2
    smoothing: float = 0.0
    distill: float = 0.5
    temperature: float = 3.0
    ema: float = 0.0
    pad: int = 0
    flip: bool = False
    validation: float = 0.0
    seed: int = 0
    threads: int = 0
    precision: str = "float32"
    device: str = "cpu"
    tensorboard: bool = False
    nesterov: bool = True
    decay: str = "weights"
    warmup_epochs: float = 0.0
    warmup_from: float = 0.0
    power: float = 1.0
    accumulate: int = 1
    checkpoint_steps: int = 0
    channels_last: bool = False
    compile: bool = False
    size: int = 0
    resize: int = 0
    crop: str = "resized"
    jitter: float = 0.0
    lighting: float = 0.0
    workers: int | None = None
    corrupt: str = "refuse"
    map: tuple[str, ...] = ()
    low_memory: bool = False
    sign_gradients: bool = False
    over_parameterised: bool = False
    revive: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            check(item.name, getattr(self, item.name))
        check_device(self.device)
        check_map(self.map)
        if self.low_memory and (self.scheme != "sign" or self.map):
            raise InputError("low-memory training keeps bits: it is for the scheme sign, without a map")
        if self.sign_gradients and not self.low_memory:
            raise InputError("sign gradients are of low-memory training: give --low-memory as well")
        of_quantized = {
            "low-memory training": self.low_memory,
            "over-parameterised training": self.over_parameterised,
            "reviving channels": self.revive,
        }
        for what, asked in of_quantized.items():
            if asked and (self.scheme == "float" or not self.epochs):
                raise InputError(
                    f"{what} is of a quantized network: take another scheme than float, and epochs"
                )
        if self.epochs + self.float_epochs == 0:
            raise InputError("epochs must be at least 1")
        if not all(0 <= mark < 1e6 for mark in self.milestones):
            milestones = ", ".join(map(str, self.milestones))
            raise InputError(f"milestones are epochs, or shares of them from 0 to 1, not {milestones}")

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    def marks(self, epochs: int) -> tuple[float, ...]:
        """The milestones as shares of ``epochs``."""
        if all(mark <= 1 for mark in self.milestones):
            return self.milestones
        return tuple(mark / epochs for mark in self.milestones)


FREE = ("workers", "checkpoint_steps", "tensorboard")
"""Options that change nothing of the result: a run may go on with others."""
# what each option is in JSON, for `fermatnet.model.json_shape`
_LISTS = {"milestones": [float], "map": [str]}
SHAPES = {name: _LISTS.get(name, kind) for name, kind in get_type_hints(Options).items()}

_DIGITS = Options(
    epochs=40, float_epochs=40, batch=64, lr=3e-3, float_lr=5e-3, pad=1, smoothing=0.05, distill=0.5
)
_DENSE = Options(epochs=40, float_epochs=20, batch=100, pad=2, validation=0.05)
_ARRAYS = Options(epochs=40, float_epochs=20, batch=64, validation=0.05)  # nothing is known of the samples
_CIFAR = Options(
    epochs=200,
    float_epochs=200,
    batch=128,
    optimizer="sgd",
    float_lr=0.1,
    lr=0.05,
    weight_decay=5e-4,
    schedule="step",
    pad=4,
    flip=True,
    validation=0.05,
    level_lr=0.01,
)  # near that of chapters 6 and 7, whose own is recipe chapter6-cifar100
_IMAGENET = Options(
    epochs=90,
    float_epochs=90,
    batch=256,
    optimizer="sgd",
    float_lr=0.1,
    lr=0.01,
    weight_decay=1e-4,
    schedule="step",
    milestones=(30.0, 60.0),
    step_factor=0.1,
    warmup=0.0,
    flip=True,
    level_lr=0.01,
)


def _scheme(net: str) -> str:
    """What a network is usually trained with."""
    if ONE_BIT.match(net):
        return "sign"
    return {"real": "float", "binary": OWN_FORM}.get(form(net), "pa")


def defaults(net: str, data: str) -> Options:
    """Good options for a network on a dataset."""
    return replace(_of_data(data), scheme=_scheme(net))


def _of_data(data: str) -> Options:
    kind = data.partition(":")[0]
    if kind == "digits":
        return _DIGITS
    if kind == "mnist":
        return _DENSE
    if kind == "fashion-mnist":
        return replace(_DENSE, pad=2, flip=True, epochs=10, float_epochs=10, batch=128)
    if kind == "arrays":
        return _ARRAYS
    if kind == "imagenet":
        return _IMAGENET
    return _CIFAR if kind in ("cifar10", "cifar100") else replace(_CIFAR, pad=0)


def options(net: str, data: str, given: dict[str, Any]) -> Options:
    """Defaults with what was given (None = not given). ``epochs`` alone sets both phases."""
    known = {item.name for item in fields(Options)}
    for key in given:
        if key not in known:
            raise InputError(f"training has no option {key!r}; it has {', '.join(sorted(known))}")
    chosen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if value is not None
    }
    if "epochs" in chosen and "float_epochs" not in chosen:
        chosen["float_epochs"] = chosen["epochs"]
    if "map" in chosen:
        chosen["map"] = entries(chosen["map"])
    return replace(defaults(net, data), **chosen)
