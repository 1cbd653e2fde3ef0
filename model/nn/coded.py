"""Codes of few bits times one real step: the base of quantizers with evenly spaced levels whose step is no
power of two (LSQ, PACT, SAWB, and one of your own).

A step is held to `MANTISSA_BITS` significant bits: step = factor 2^-exponent with an integer factor below
2^`MANTISSA_BITS` (relative error at most 2^-`MANTISSA_BITS`; the gradient passes straight through). The
product of a code and its step is then an exact number, in float64 so are the sums of such products, and the
forward pass in evaluation *is* the integer one. Hardware sees the codes alone: the factors of both sides of a
product leave its accumulators as one integer, which the thresholds or the multiplier behind it take up
(`fermatnet.model.exchange.exporter`).
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.rounding import straight_through

__all__ = [
    "MANTISSA_BITS",
    "CodedActivation",
    "CodedWeight",
    "checked",
    "exact_step",
    "feature_scale",
    "few_bits",
    "no_step",
]

MANTISSA_BITS = 6
"""Significant bits of a step: with codes of 8 bits on both sides a sum of thousands of products, times the 14
bits of a fixed-point norm's multiplier, stays within the 53 bits of float64."""

_LEAST, _MOST = 2.0**-40, 2.0**20


@torch.no_grad()
def few_bits(step: Tensor) -> tuple[Tensor, Tensor]:
    """(factor, exponent), both int64 of the shape of ``step``: step ~ factor 2^-exponent, factor odd or 1.

    ``step`` is positive; what lies outside [2^-40, 2^20] counts as the nearer end.
    """
    mantissa, power = torch.frexp(step.detach().double().nan_to_num(1.0).clamp(_LEAST, _MOST))
    factor = torch.floor(mantissa * (1 << MANTISSA_BITS) + 0.5).long()
    exponent = MANTISSA_BITS - power.long()
    even = factor & -factor  # the power of two in it
    return factor // even, exponent - torch.round(torch.log2(even.double())).long()


def exact_step(step: Tensor) -> Tensor:
    """The step that `few_bits` says, in the type of ``step``, with its gradient; NaN stays NaN."""
    factor, exponent = few_bits(step)
    value = torch.ldexp(factor.double(), -exponent).to(step.dtype)
    return straight_through(step, torch.where(torch.isnan(step.detach()), step.detach(), value))


def checked(bits: int, least: int, what: str) -> int:
    """The number of bits itself, ``least`` to 8; else InputError about ``what``."""
    if not least <= bits <= 8:
        raise InputError(f"{what} takes {least} to 8 bits, not {bits}")
    return bits


class CodedWeight(nn.Module, ABC):
    """Weights as integer codes times a step of the tensor, or one of each output channel.

    A subclass has ``bits`` (for what counts them), `step` and `codes`; its `forward` may have any gradient,
    and gives ``codes * step``.
    """

    bits: int

    @abstractmethod
    def step(self, w: Tensor) -> Tensor:
        """The exact step (`exact_step`), 0-d or (channels, 1, ...)."""

    @abstractmethod
    def codes(self, w: Tensor) -> Tensor:
        """int64 codes like w, of magnitude at most 127."""

    @torch.no_grad()
    def parts(self, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(codes int64 like w, factor int64, exponent int64), the last two (1,) or (channels,)."""
        factor, exponent = few_bits(self.step(w))
        return self.codes(w), factor.reshape(-1), exponent.reshape(-1)

    @torch.no_grad()
    def integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(int64 weights, exponent (1,) or (channels,)): the forward pass is integers * 2^-exponent."""
        codes, factor, exponent = self.parts(w)
        return codes * factor.view(-1, *[1] * (w.dim() - 1)), exponent


class CodedActivation(nn.Module, ABC):
    """Activation as codes 0 .. 2^bits - 1 times one step, what is negative becomes 0.

    In evaluation, float64: ``code(x) step`` with ``code(x) = clip(floor(x / step + 1/2), 0, 2^bits - 1)``;
    export bisects `index`, which is that very code. A subclass has `step` and `train_forward`.

    Members
    -------
    ceiling : where the rectifier before it saturates (6 for ReLU6); None: nowhere.
    function : an activation that never falls and is never negative, of whose values the codes are (a
        sigmoid); None: the rectifier.
    """

    ceiling: float | None = None
    function: nn.Module | None

    def __init__(self, bits: int, what: str, least: int = 1):
        super().__init__()
        self.bits, self.function = checked(bits, least, what), None

    @property
    def n(self) -> int:
        """The largest code."""
        return (1 << self.bits) - 1

    @abstractmethod
    def step(self) -> Tensor:
        """The exact step (`exact_step`), 0-d; NaN as long as no data has set it."""

    @abstractmethod
    def train_forward(self, x: Tensor) -> Tensor:
        """Values in training, from inputs that have passed the ceiling or the function, with the method's own
        gradients."""

    def start(self, x: Tensor) -> None:
        """Set the step from a batch of inputs that have passed the ceiling or the function."""

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """Set the step from a batch of inputs."""
        self.start(self._entering(x.float()))

    def _entering(self, x: Tensor) -> Tensor:
        if self.function is not None:
            x = self.function(x)
        return x if self.ceiling is None else x.clamp(max=self.ceiling)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self.train_forward(self._entering(x.float()))
        return self.index(x).double() * self.step().double()

    @torch.no_grad()
    def index(self, x: Tensor) -> Tensor:
        """int64 codes of every element, computed in float64."""
        ratio = self._entering(x.double()) / self.step().double()
        return torch.floor(ratio + 0.5).clamp(0, self.n).long()

    @torch.no_grad()
    def unit(self) -> tuple[int, int]:
        """(factor, exponent) of the step."""
        factor, exponent = few_bits(self.step())
        return int(factor), int(exponent)

    def levels(self) -> tuple[Tensor, Tensor]:
        """(integer levels (n + 1,) from 0, exponent): the values are levels * 2^-exponent."""
        factor, exponent = self.unit()
        return torch.arange(self.n + 1) * factor, torch.tensor(exponent)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


def feature_scale(x: Tensor, top: int) -> float:
    """LSQ's scale of a step's gradient, 1 / sqrt(features of one sample x the largest code)."""
    return 1.0 / math.sqrt(max(1, x[0].numel() if x.dim() else 1) * top)


def no_step(step: Any) -> bool:
    """Whether no data has set a step yet."""
    return bool(torch.isnan(step.detach()).any())
