"""Uniform integer quantizers (INT8, INT16, any width) with learned power-of-two steps: first and last layers,
the Fermat engine's layers.

forward   q = clip(floor(x / s + 1/2), lo, hi) * s,  s = 2^round(p)
gradient  see :func:`fermatnet.model.nn.rounding.uniform`; p learns with ds/dp = s ln 2.
"""

import math

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.rounding import power_of_two, round_half_up, uniform

__all__ = ["Saturating", "UniformActivation", "UniformWeight", "fitting_step", "integer_range"]

_SMALLEST = 2.0**-24  # below this a batch does not say how large values are


def integer_range(bits: int, signed: bool = True, narrow: bool = False) -> tuple[int, int]:
    """(lo, hi) of an integer of that width; narrow leaves the most negative value out."""
    if not 2 <= bits <= 24:
        raise InputError(f"a uniform quantizer has 2 to 24 bits, not {bits}")
    if not signed:
        return 0, (1 << bits) - 1
    top = (1 << (bits - 1)) - 1
    return (-top if narrow else -top - 1), top


class UniformWeight(nn.Module):
    """Weights as integers of ``bits`` bits. ``channels`` = 0: one step for the tensor; otherwise one for each
    output channel.

    zero_point (asymmetric): integers run over [lo - z, hi - z] with a learned offset z held between lo and
    hi, so that 0 stays exact;
    they then need one bit more in the hardware, and the export says so.
    """

    def __init__(self, bits: int = 8, *, channels: int = 0, symmetric: bool = True):
        super().__init__()
        self.bits, self.channels, self.symmetric = bits, channels, symmetric
        self.lo, self.hi = integer_range(bits, narrow=symmetric)
        self.log2_step = nn.Parameter(torch.full((max(1, channels),), float("nan")))
        self.zero_point: Tensor
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def calibrate(self, w: Tensor) -> None:
        """Set the steps so that the largest weight just fits, and the zero point from the two extremes."""
        rows = w.detach().reshape(self.channels or 1, -1) if self.channels else w.detach().reshape(1, -1)
        low, high = rows.amin(1), rows.amax(1)
        if not self.symmetric:
            centre = (low.min() + high.max()) / (high.max() - low.min()).clamp(min=1e-30)
            self.zero_point.fill_(int((-centre * self.hi).round().clamp(self.lo, self.hi)))
        lo, hi = self.bounds()
        need = torch.maximum(high / max(hi, 1), low / min(lo, -1)).clamp(min=2.0**-40)
        self.log2_step.copy_(torch.log2(need).sub(1e-4).ceil())

    def bounds(self) -> tuple[int, int]:
        """Inclusive range of the exported integers."""
        zero = int(self.zero_point)
        return self.lo - zero, self.hi - zero

    def ready(self, w: Tensor) -> None:
        """Choose the step from these values unless a step is there already."""
        if bool(torch.isnan(self.log2_step[0])):
            self.calibrate(w)

    def step(self, w: Tensor) -> Tensor:
        """The steps, powers of two, in a shape that broadcasts over the weights."""
        step = power_of_two(self.log2_step)
        return step.view(-1, *[1] * (w.dim() - 1)) if self.channels else step.view([])

    def forward(self, w: Tensor) -> Tensor:
        self.ready(w)
        lo, hi = self.bounds()
        return uniform(w, self.step(w), lo, hi, 1.0 / math.sqrt(w.numel() / self.log2_step.numel() * self.hi))

    @torch.no_grad()
    def integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(int64 weights, exponent (1,) or (channels,)): the forward pass is integers * 2^-exponent."""
        self.ready(w)
        lo, hi = self.bounds()
        return round_half_up(w.double() / self.step(w).double()).clamp(lo, hi).long(), -torch.round(
            self.log2_step
        ).long()

    def extra_repr(self) -> str:
        return (
            f"bits={self.bits}, {'per channel' if self.channels else 'per tensor'}, "
            f"{'symmetric' if self.symmetric else 'asymmetric'}"
        )


@torch.no_grad()
def fitting_step(x: Tensor, lo: int, hi: int) -> int:
    """k of the smallest step 2^k with which all but the largest 0.1 % of a batch fit integers of [lo, hi];
    with lo = 0 the rectified batch.

    Where nothing passes the rectifier the magnitudes before it decide, and where nothing arrives at all the
    step fits values up to 1.
    """
    flat = x.detach().float().flatten()
    flat = flat[:: max(1, flat.numel() // 100_000)]
    need = max(
        float(flat.quantile(0.999)) / hi if hi > 0 else 0.0,
        float(flat.quantile(0.001)) / lo if lo < 0 else 0.0,
    )
    if need < _SMALLEST:
        largest = float(flat.abs().max())
        need = (largest if largest >= _SMALLEST else 1.0) / max(hi, -lo)
    return math.ceil(math.log2(need) - 1e-4)


class Saturating:
    """Integers up to ``hi``, or up to where the rectifier saturates: floor(ceiling / step + 1/2) for a
    ``ceiling`` such as 6 of ReLU6.

    Rounding is monotone, so that round(min(x, ceiling)) = min(round(x), round(ceiling)): the integers' upper
    end is all there is to do.
    """

    ceiling: float | None = None
    hi: int
    log2_step: Tensor

    @property
    def top(self) -> int:
        """The largest integer that comes out."""
        if self.ceiling is None or bool(torch.isnan(self.log2_step.detach())):
            return self.hi
        return min(
            self.hi, max(1, math.floor(self.ceiling * 2.0 ** -round(float(self.log2_step.detach())) + 0.5))
        )


class UniformActivation(Saturating, nn.Module):
    """Activations as integers in [lo, hi] with one learned power-of-two step; the first training batch sets
    it.

    Asymmetric ranges keep the real zero at the integer zero (padding stays exact): ``lo`` = -z, ``hi`` =
    2^bits - 1 - z.
    """

    def __init__(self, bits: int = 8, *, signed: bool = True, zero_point: int = 0):
        super().__init__()
        # full precision: the range's sign only, while calibration looks on
        self.bits, self.full_precision = bits, False
        lo, hi = integer_range(bits, signed)
        if not lo <= zero_point <= hi:
            raise InputError(f"zero_point must lie in [{lo}, {hi}], not {zero_point}")
        self.lo, self.hi = lo - zero_point, hi - zero_point
        self.log2_step = nn.Parameter(torch.full((), float("nan")))

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """The smallest power of two with which all but the largest 0.1 % of a batch fit."""
        self.log2_step.fill_(
            fitting_step(x if self.ceiling is None else x.clamp(max=self.ceiling), self.lo, self.hi)
        )

    def ready(self, x: Tensor) -> None:
        """Choose the step from these values unless a step is there already."""
        if bool(torch.isnan(self.log2_step)):
            self.calibrate(x)

    def forward(self, x: Tensor) -> Tensor:
        if self.full_precision:
            return x.clamp(min=0, max=self.ceiling) if self.lo == 0 else x
        self.ready(x)
        return uniform(
            x,
            power_of_two(self.log2_step).to(x.dtype),
            self.lo,
            self.top,
            1.0 / math.sqrt(x.numel() * self.hi),
        ).float()

    def exponent(self) -> int:
        """k of the step 2^-k."""
        return -round(float(self.log2_step.detach()))

    def extra_repr(self) -> str:
        return f"bits={self.bits}, range=[{self.lo}, {self.hi}]"
