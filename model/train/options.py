"""What a training run can be told, and good defaults for the networks and data we ship."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

from fermatnet.model.errors import InputError
from fermatnet.model.train.ranges import check, check_device

__all__ = ["SHAPES", "Options", "defaults", "options"]


@dataclass(frozen=True)
class Options:
    """One run: first the full-precision twin (``float_epochs``), then the quantized network from its weights
    (``epochs``).

    distill: share of the loss that follows the twin's outputs at ``temperature``; ema: decay of the averaged
    weights (0: off);
    validation: share of the training data set aside for the curves; level_lr: learning rate of end-points,
    levels and steps relative to ``lr``; warmup: share of the steps; pad, flip: augmentation; threads: 0 =
    torch's own choice.
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

    def __post_init__(self) -> None:
        for item in fields(self):
            check(item.name, getattr(self, item.name))
        check_device(self.device)
        if self.epochs + self.float_epochs == 0:
            raise InputError("epochs must be at least 1")
        if not all(0 <= mark <= 1 for mark in self.milestones):
            raise InputError(f"milestones are shares of the epochs, 0 to 1, not {self.milestones}")

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }


# what each option is in JSON, for `fermatnet.model.json_shape`
SHAPES = {name: [float] if name == "milestones" else kind for name, kind in get_type_hints(Options).items()}

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
)  # the schedule of chapters 6 and 7


def defaults(net: str, data: str) -> Options:
    """Good options for a network on a dataset."""
    kind = data.partition(":")[0]
    if kind == "digits":
        return _DIGITS
    if kind == "mnist":
        return _DENSE
    if kind == "fashion-mnist":
        return replace(_DENSE, pad=2, flip=True, epochs=10, float_epochs=10, batch=128)
    if kind == "arrays":
        return _ARRAYS
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
    return replace(defaults(net, data), **chosen)
