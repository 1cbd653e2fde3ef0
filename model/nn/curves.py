"""Activations that are no rectifier: a function of the quantized input as a table of integers.

training     y = q_out(f(x)), x already rounded by the layer before, q_out a uniform quantizer whose gradient
             goes straight through (:func:`fermatnet.model.nn.rounding.uniform`); df/dx is the function's own
evaluation   y = table[n - lo] 2^-k, n the integer that comes in: the very table that export writes
"""

from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["Curve", "Real", "ceiling_of", "is_curve", "is_rectifier", "rises_from_zero"]

_CURVES = (
    nn.Hardtanh,  # and ReLU6
    nn.Threshold,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.SiLU,
    nn.Mish,
    nn.GELU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.Softplus,
    nn.Softsign,
    nn.LogSigmoid,
    nn.Tanhshrink,
    nn.Softshrink,
    nn.Hardshrink,
)

# never negative and never falling: pieces that start at 0 can have their shape
_SMOOTH = 20  # threshold of a softplus from which on its step to the straight line is none
_RISING = (nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)


def is_rectifier(module: Any) -> bool:
    """Whether a layer is max(x, 0), or that up to where it saturates."""
    if isinstance(module, nn.Hardtanh):
        return float(module.min_val) == 0 and float(module.max_val) > 0
    if isinstance(module, nn.Threshold):
        return module.threshold == 0 and module.value == 0
    return isinstance(module, nn.ReLU)


def ceiling_of(module: Any) -> float | None:
    """Where a rectifier saturates; None: nowhere."""
    top = float(module.max_val) if isinstance(module, nn.Hardtanh) else float("inf")
    return None if top == float("inf") else top


def is_curve(module: Any) -> bool:
    """Whether a layer is an activation, a function of one number, that is no rectifier."""
    return isinstance(module, _CURVES) and not is_rectifier(module)


def rises_from_zero(function: nn.Module) -> bool:
    """Whether an activation never falls and is never negative, so that pieces with levels from 0 fit it."""
    if isinstance(function, nn.Hardtanh):
        return float(function.min_val) >= 0
    if isinstance(function, nn.Softplus) and not (function.beta > 0 and function.threshold >= _SMOOTH):
        return False  # it falls where it becomes the straight line
    return isinstance(function, _RISING)


class Real(nn.Module):
    """A function of one number in real arithmetic, in whatever type comes in."""

    def __init__(self, function: nn.Module):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(_taken(self.function, x))


def _taken(function: nn.Module, x: Tensor) -> Tensor:
    """``x`` in the type of the function's parameters, which some functions ask for."""
    return next((x.to(value.dtype) for value in function.parameters()), x)


class Curve(nn.Module):
    """Any function of one number, as a table of at most 2^``bits`` entries.

    Parameters
    ----------
    function : layer of torch without state but parameters, (n, ...) to the same shape
    before : the layer whose integers come in: fixed point or uniform, of few bits; it belongs to the model
    bits : of the integers that come out; they are signed where the function is negative somewhere
    """

    def __init__(self, function: nn.Module, before: Any, bits: int = 8):
        super().__init__()
        self.function = function
        self._before = [before]  # in a list: the layer stays where it is in the model
        self.after = UniformActivation(bits, signed=not rises_from_zero(function))
        self.full_precision = False

    @property
    def before(self) -> Any:
        """The layer whose integers come in."""
        return self._before[0]

    def unit(self) -> int:
        """k of the step 2^-k of the integers that come in."""
        layer = self.before
        return layer.exponent() if isinstance(layer, UniformActivation) else layer.fraction

    @torch.no_grad()
    def table(self) -> tuple[Tensor, int]:
        """(int64 (T,), first): the integers that come out for first, first + 1, ..., in float64 once."""
        first, last = self.before.lo, self.before.hi
        x = torch.arange(first, last + 1, dtype=torch.float64) * 2.0 ** -self.unit()
        parameters = [value for value in self.function.parameters()]
        kept = [value.data for value in parameters]
        try:
            for value in parameters:
                value.data = value.data.double()
            y = self.function(x.view(1, 1, -1)).view(-1)
        finally:
            for value, data in zip(parameters, kept, strict=True):
                value.data = data
        step = 2.0 ** -self.after.exponent()
        return torch.floor(y / step + 0.5).clamp(self.after.lo, self.after.hi).long(), first

    def forward(self, x: Tensor) -> Tensor:
        if self.full_precision or self.training:
            return self.after(
                self.function(_taken(self.function, x))
            )  # which rounds nothing either in full precision
        if bool(torch.isnan(self.after.log2_step)):
            self.after.calibrate(self.function(_taken(self.function, x)))
        table, first = self.table()
        place = torch.round(x.double() * 2.0 ** self.unit()).long() - first
        return (table[place].double() * 2.0 ** -self.after.exponent()).float()

    def extra_repr(self) -> str:
        return f"bits={self.after.bits}"
