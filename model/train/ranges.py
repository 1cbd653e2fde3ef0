"""What the options of a run may be: one table for the command line, which refuses at once, and for `Options`.

``RANGES``: lowest and highest value, and whether the lowest itself is left out. ``CHOICES``: the words that
an option takes. ``SCHEMES``: for each quantization scheme the counts that its weights and activations take
(0: full precision). All of it is known without torch; a test holds the schemes against the real ones.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from fermatnet.model.errors import InputError

__all__ = ["CHOICES", "OWN_FORM", "RANGES", "SCHEMES", "check", "check_device", "check_scheme"]

Range = tuple[float, float, bool]

RANGES: dict[str, Range] = {
    "weights": (0, 126, False),
    "activations": (0, 126, False),
    "edge_bits": (0, 24, False),
    "epochs": (0, 1_000_000, False),
    "float_epochs": (0, 1_000_000, False),
    "batch": (2, 1 << 24, False),
    "lr": (0, 1e6, True),
    "float_lr": (0, 1e6, True),
    "level_lr": (0, 1e6, False),
    "weight_decay": (0, 1e6, False),
    "momentum": (0, 0.9999, False),
    "warmup": (0, 0.9999, False),
    "step_factor": (0, 1, True),
    "smoothing": (0, 0.9999, False),
    "distill": (0, 1, False),
    "temperature": (0, 1e6, True),
    "ema": (0, 0.999999, False),
    "pad": (0, 1024, False),
    "validation": (0, 0.8999, False),
    "seed": (0, (1 << 32) - 1, False),
    "threads": (0, 1024, False),
    "warmup_epochs": (0, 1_000_000, False),
    "warmup_from": (0, 1, False),
    "power": (0, 100, True),
    "accumulate": (1, 1 << 16, False),
    "checkpoint_steps": (0, 1 << 30, False),
    "size": (0, 4096, False),
    "resize": (0, 8192, False),
    "jitter": (0, 1, False),
    "lighting": (0, 10, False),
    "workers": (0, 1024, False),
}

CHOICES = {
    "engine": ("auto", "fermat", "direct"),
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("constant", "step", "cosine", "polynomial", "one-cycle"),
    "precision": ("float32", "bfloat16"),
    "decay": ("weights", "all"),
    "crop": ("centre", "scale", "resized"),
    "corrupt": ("refuse", "skip"),
}

_ANY = range(0, 127)
_UNIFORM = (0, *range(2, 25))
_FEW = (0, *range(2, 9))
SCHEMES: dict[str, tuple[Iterable[int], Iterable[int]]] = {
    "float": (_ANY, _ANY),
    "pa": (range(0, 127, 2), _ANY),
    "pa-short": (range(0, 31, 2), _ANY),
    "int8": (_UNIFORM, _UNIFORM),
    "int16": (_UNIFORM, _UNIFORM),
    "sign": (_ANY, _ANY),
    "bwn": (range(2), _ANY),
    "xnor": (range(2), range(2)),
    "bireal": (range(2), range(2)),
    "abc": (_ANY, _ANY),
    "groupnet": (_ANY, _ANY),
    "twn": ((0, 2), _ANY),
    "ttq": ((0, 2), _ANY),
    "dorefa": (range(17), range(17)),
    "pact": ((0, 2, 3, 4), range(9)),
    "lsq": (_FEW, _FEW),
    "mmse": (_FEW, _FEW),
    "mmse-dual": (_FEW, _FEW),
    "minmax": (_FEW, _FEW),
    "minmax-tensor": (_FEW, _FEW),
    "lq": (range(5), range(5)),
}

OWN_FORM = "thesis"
"""In place of a scheme: the network as the thesis has it, one bit with real-valued norms and shortcuts."""

_DEVICE = re.compile(r"(cpu|mps|xpu|(cuda|xpu)(:\d+)?)")


def check(name: str, value: Any) -> None:
    """InputError unless the option ``name`` may be ``value``."""
    if name in CHOICES and value not in CHOICES[name]:
        raise InputError(f"{name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if name in RANGES and value is not None:
        _check_range(name, value, *RANGES[name])


def _check_range(name: str, value: float, low: float, high: float, is_open: bool) -> None:
    if not math.isfinite(value):
        raise InputError(f"{name} must be a finite number, not {value}")
    if is_open and value <= low:
        raise InputError(f"{name} must be above {low:g}, not {value}")
    if value < low:
        words = f"cannot be negative: {value}" if low == 0 else f"must be at least {low:g}, not {value}"
        raise InputError(f"{name} {words}")
    if value > high:
        raise InputError(f"{name} must be at most {high:g}, not {value}")


def check_device(name: str) -> None:
    """InputError unless ``name`` reads like a device of torch; whether this machine has it, only torch
    knows."""
    if not _DEVICE.fullmatch(name):
        raise InputError(f"device must be cpu, cuda, cuda:N, xpu or mps, not {name!r}")


def check_scheme(name: str, weights: int | None = None, activations: int | None = None) -> None:
    """InputError unless there is a scheme ``name`` that takes these counts (None: its own)."""
    if name == OWN_FORM:
        if weights is not None or activations is not None:
            raise InputError(f"scheme {OWN_FORM} has one bit everywhere: leave weights and activations out")
        return
    if name not in SCHEMES:
        names = ", ".join(sorted({*SCHEMES, OWN_FORM}))
        raise InputError(f"no quantization scheme is called {name!r}; there are {names}")
    for what, count, allowed in zip(
        ("weights", "activations"), (weights, activations), SCHEMES[name], strict=True
    ):
        if count is not None and count not in allowed:
            raise InputError(f"{what} of scheme {name} must be one of {_listed(allowed)}, not {count}")


def _listed(allowed: Iterable[int]) -> str:
    numbers = list(allowed)
    if len(numbers) <= 6:
        return ", ".join(map(str, numbers))
    return f"{numbers[0]}, {numbers[1]}, ..., {numbers[-1]}"
