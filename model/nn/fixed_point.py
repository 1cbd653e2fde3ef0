"""Layers with fixed-point output: an integer multiplier, offset and shift in evaluation."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.rounding import fixed, power_of_two, uniform
from fermatnet.model.nn.uniform import Saturating, fitting_step, integer_range

__all__ = ["BatchNorm", "FixedBias", "FixedNorm", "Rescale", "Slopes", "exact_affine"]


def exact_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    """(mean, gain, offset) float64 (C,): evaluation computes (x - mean) * gain + offset, each operation
    rounded once."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = 1.0 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight.double()
    offset = norm.bias.double() if norm.bias is not None else torch.zeros_like(gain)
    return norm.running_mean.double(), gain, offset


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over (n, C) or (n, C, H, W); in evaluation float64, in a fixed order of operations.

    The order matters: export bisects this very function for the integers at which the next activation changes
    its piece.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"expected (n, C) or (n, C, H, W), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        if self.training:
            return super().forward(input)
        return self.exact(input)

    def exact(self, input: Tensor) -> Tensor:
        """Evaluation in float64 of values whose channels are dimension 1."""
        shape = (1, -1) + (1,) * (input.dim() - 2)
        mean, gain, offset = exact_affine(self)
        return (input.double() - mean.view(shape)) * gain.view(shape) + offset.view(shape)


class _FixedPoint(Saturating, nn.Module):
    """Output of a channelwise affine function as fixed point: an integer multiplier, an offset and a shift.

    training    y = clip(floor(real(x) 2^f + 1/2), lo, hi) 2^-f, gradient straight through inside the range
    evaluation y = clip((n * multiplier + offset) >> shift, lo, hi) 2^-f with the integers of
    :meth:`constants`, exact in float64
    """

    MULTIPLIER_BITS = 14
    fitting: Callable[[Tensor, int, int], int] = staticmethod(fitting_step)
    log2_step: Tensor
    LATER = ("gain", "factor")  # buffers that older state dicts lack: they were all ones

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self.LATER:
            if name in self._buffers:
                state_dict.setdefault(prefix + name, torch.ones_like(self._buffers[name]))  # type: ignore[arg-type]
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _format(self, bits: int, fraction: int | None, signed: bool, full_precision: bool) -> None:
        self.bits, self.full_precision = bits, full_precision
        self.lo, self.hi = integer_range(bits, signed)
        self.learned = fraction is None
        start = torch.tensor(float("nan") if fraction is None else float(-fraction))
        if self.learned and not full_precision:
            self.log2_step = nn.Parameter(start)
        else:
            self.register_buffer("log2_step", start)

    @property
    def fraction(self) -> int:
        """f of the output's unit 2^-f; InputError where no data has set it."""
        if bool(torch.isnan(self.log2_step)):
            raise InputError(
                "a fixed-point layer has no step yet: give calibration images, or train the model"
            )
        return -round(float(self.log2_step.detach()))

    @torch.no_grad()
    def calibrate(self, y: Tensor) -> None:
        """Learned step: by ``fitting``, so that all but the largest 0.1 % of a batch fit where nothing else
        is asked for."""
        self.log2_step.fill_(
            self.fitting(y if self.ceiling is None else y.clamp(max=self.ceiling), self.lo, self.hi)
        )

    def ready(self, y: Tensor) -> None:
        if bool(torch.isnan(self.log2_step)):
            self.calibrate(y)

    def real_affine(self) -> tuple[Tensor, Tensor]:
        """(gain, offset) float64 (C,) or (1,) of the real function."""
        raise TypeError("a fixed-point layer says its real function")

    @torch.no_grad()
    def constants(self) -> tuple[Tensor, Tensor, int]:
        """(multiplier int64 (C,), offset int64 (C,) in 1/16 of the output's unit, rounding included, exponent
        e).

        y 2^f = floor(x 2^f multiplier 2^-e + offset / 16).
        """
        gain, offset = self.real_affine()
        top = float(gain.abs().max())
        exponent = self.MULTIPLIER_BITS - math.frexp(top)[1] if top > 0 else 0
        multiplier = torch.round(gain * 2.0**exponent).long()
        return multiplier, torch.round(offset * 2.0**self.fraction * 16).long() + 8, exponent

    def _train(self, y: Tensor) -> Tensor:
        if self.full_precision:
            return y.clamp(min=0, max=self.ceiling) if self.lo == 0 else y
        self.ready(y)
        if not self.learned:
            return fixed(y, 2.0**-self.fraction, self.lo, self.top)
        return uniform(
            y,
            power_of_two(self.log2_step).to(y.dtype),
            self.lo,
            self.top,
            1.0 / math.sqrt(y.numel() * self.hi),
        )

    def _evaluate(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        gain, real_offset = self.real_affine()
        if self.full_precision or bool(torch.isnan(self.log2_step)):
            y = x.double() * gain.view(shape) + real_offset.view(shape)
            if self.full_precision:
                return y.clamp(min=0, max=self.ceiling) if self.lo == 0 else y
            self.calibrate(y)
        multiplier, offset, exponent = self.constants()
        scaled = x.double() * multiplier.double().view(shape) * 2.0 ** (self.fraction - exponent)
        return (
            torch.floor(scaled + offset.double().view(shape) / 16).clamp(self.lo, self.top)
            * 2.0**-self.fraction
        ).float()

    def extra_repr(self) -> str:
        return (
            f"bits={self.bits}, fraction={'learned' if self.learned else self.fraction}, range=[{self.lo}, "
            f"{self.hi}]"
        )


class FixedNorm(_FixedPoint, BatchNorm):
    """Batch norm with fixed-point output: ``bits`` bits, ``fraction`` of them behind the point (None:
    learned, for INT8 networks).

    signed=False includes the rectifier. full_precision=True leaves the rounding out: the twin's layer.
    """

    def __init__(
        self,
        channels: int,
        *,
        bits: int = 10,
        fraction: int | None = 5,
        signed: bool = True,
        full_precision: bool = False,
    ):
        BatchNorm.__init__(self, channels)
        self._format(bits, fraction, signed, full_precision)

    def real_affine(self) -> tuple[Tensor, Tensor]:
        mean, gain, offset = exact_affine(self)
        return gain, offset - mean * gain

    def forward(self, input: Tensor) -> Tensor:
        return self._train(BatchNorm.forward(self, input)) if self.training else self._evaluate(input)


class Rescale(_FixedPoint):
    """Multiplication by one constant with fixed-point output: an average's 1/n, a change of unit before an
    INT8 layer.

    ``factor`` (1,), a buffer: 1 until calibration changes the unit of the tensor before or after it.
    """

    factor: Tensor

    def __init__(
        self,
        gain: float = 1.0,
        *,
        bits: int = 8,
        fraction: int | None = None,
        signed: bool = True,
        full_precision: bool = False,
    ):
        super().__init__()
        self.gain = gain
        self.register_buffer("factor", torch.ones(1))
        self._format(bits, fraction, signed, full_precision)

    def real_affine(self) -> tuple[Tensor, Tensor]:
        gain = self.factor.double() * self.gain
        return gain, torch.zeros_like(gain)

    def forward(self, x: Tensor) -> Tensor:
        return self._train(x * (self.gain * self.factor)) if self.training else self._evaluate(x)


class FixedBias(_FixedPoint):
    """A bias a channel with fixed-point output, for a layer that no batch norm follows: y = gain x + bias.
    signed=False includes the rectifier.

    ``gain`` (C,), a buffer of ones until calibration scales the channels of the layer before it.
    """

    gain: Tensor

    def __init__(
        self,
        channels: int,
        *,
        bits: int = 8,
        fraction: int | None = None,
        signed: bool = True,
        full_precision: bool = False,
    ):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("gain", torch.ones(channels))
        self._format(bits, fraction, signed, full_precision)

    def real_affine(self) -> tuple[Tensor, Tensor]:
        return self.gain.double(), self.bias.detach().double()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._evaluate(x)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return self._train(x * self.gain.view(shape) + self.bias.view(shape))


class Slopes(Rescale):
    """Multiplication by minus a learned number a channel, ``weight`` (C,), with fixed-point output: what a
    rectifier with a slope a channel, ``relu(x) - weight relu(-x)``, makes of its negative side."""

    def __init__(self, weight: nn.Parameter, *, bits: int = 8):
        super().__init__(bits=bits)
        self.weight = weight

    def real_affine(self) -> tuple[Tensor, Tensor]:
        gain = -self.factor.double() * self.weight.detach().double()
        return gain, torch.zeros_like(gain)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._evaluate(x)
        gain = (self.factor * self.weight).view(1, -1, *[1] * (x.dim() - 2))
        return self._train(-x * gain)
