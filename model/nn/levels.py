"""End-points and levels of the piecewise approximation: table 3.1, and integers with a power of two."""

import math

import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import ACTIVATION_STEP

__all__ = [
    "LEVEL_LIMIT",
    "WEIGHT_ENDPOINTS",
    "activation_step",
    "check_limit",
    "fixed_levels",
    "weight_endpoints",
]

LEVEL_LIMIT = 127
# In units of std(W). M = 8 is table 3.1; the others minimise the squared error on a unit Gaussian.
WEIGHT_ENDPOINTS = {2: (0.61,), 4: (0.40, 1.25), 6: (0.30, 0.91, 1.66), 8: (0.25, 0.50, 1.00, 1.50)}


def weight_endpoints(m: int) -> tuple[float, ...]:
    """The M end-points k_i in units of std(W), ascending and symmetric; for M outside the table uniform steps
    up to 2 std."""
    if m < 2 or m % 2:
        raise InputError(f"M, the number of weight pieces, must be even and at least 2, not {m}")
    half = WEIGHT_ENDPOINTS.get(m) or tuple(2.0 * (i + 0.5) / (m // 2) for i in range(m // 2))
    return tuple(-k for k in reversed(half)) + half


def activation_step(n: int) -> float:
    """The step d that minimises the squared error of N uniform pieces on a rectified unit Gaussian (fitted
    between the known ones)."""
    if n < 1 or n > 126:
        raise InputError(f"N, the number of activation pieces, must be 1 to 126, not {n}")
    return ACTIVATION_STEP.get(n) or 3.3 / (n + 2.3)


def check_limit(limit: int, levels: int, what: str) -> None:
    """InputError unless ``levels`` levels on one side of zero have room below ``limit``: an integer of at
    most 127, or 0 for real levels."""
    if not isinstance(limit, int) or not 0 <= limit <= LEVEL_LIMIT:
        raise InputError(f"the largest level must be an integer of 0 to {LEVEL_LIMIT}, not {limit!r}")
    if limit and levels > limit:
        raise InputError(f"{what} need levels up to {levels} at least, not {limit}")


def _ascending(levels: Tensor) -> Tensor:
    """Rows of integers made strictly ascending from at least 1 on, changing as little as possible from the
    left."""
    ramp = torch.arange(1, levels.shape[-1] + 1, dtype=levels.dtype, device=levels.device)
    return torch.cummax((levels - ramp).clamp(min=0), -1).values + ramp


def fixed_levels(levels: Tensor, zero: int, limit: int = LEVEL_LIMIT) -> tuple[Tensor, Tensor]:
    """(integers, exponent k): levels ~ integers * 2^-k, |integer| <= limit, strictly ascending.

    levels: (L,) ascending, level number ``zero`` stands for zero: the first one of activations, the middle
    one of weights; not more than ``limit`` on a side of it.
    k (0-d, float) is the largest that keeps them in range.
    """
    # a handful of numbers: plain arithmetic costs a tenth of as many small operators
    if levels.device.type == "cpu":
        return _fixed_levels(levels.tolist(), zero, limit, levels)
    return _on_device(levels, zero, limit)


def _on_device(levels: Tensor, zero: int, limit: int) -> tuple[Tensor, Tensor]:
    """The same without waiting for the device: all exponents that there may be, and the first that fits."""
    positive, negative = levels[zero + 1 :], -levels[:zero].flip(0)
    steps = torch.arange(limit.bit_length() + 1, device=levels.device)
    top = levels.detach().abs().max().clamp(min=1e-30)
    largest = torch.frexp((limit + 0.5) / top).exponent - 1
    units = torch.ldexp(torch.ones_like(steps, dtype=levels.dtype), largest - steps)[:, None]
    integers = torch.cat(
        [
            -_ascending((negative * units).round()).flip(1),
            levels.new_zeros(len(steps), 1),
            _ascending((positive * units).round()),
        ],
        1,
    )
    first = (integers.abs().amax(1) <= limit).to(torch.uint8).argmax()
    return integers[first], torch.log2(units[first, 0])


def _fixed_levels(levels: list[float], zero: int, limit: int, like: Tensor) -> tuple[Tensor, Tensor]:
    if not all(map(math.isfinite, levels)):
        raise InputError(
            "a level of a piecewise layer is nan or infinite: train the network again, or set it"
        )
    exponent = math.frexp((limit + 0.5) / max(1e-30, *map(abs, levels)))[1] - 1
    integers = _integers(levels, zero, exponent)
    while max(integers[-1], -integers[0]) > limit:  # levels that lie too close were set apart
        exponent -= 1
        integers = _integers(levels, zero, exponent)
    return like.new_tensor(integers), like.new_tensor(float(exponent))


def _integers(levels: list[float], zero: int, exponent: int) -> list[int]:
    integers = [0] * len(levels)
    for i in range(zero + 1, len(levels)):
        integers[i] = max(round(math.ldexp(levels[i], exponent)), integers[i - 1] + 1)
    for i in range(zero - 1, -1, -1):
        integers[i] = min(round(math.ldexp(levels[i], exponent)), integers[i + 1] - 1)
    return integers
