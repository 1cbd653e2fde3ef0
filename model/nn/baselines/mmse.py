"""Steps of least squared error for weights and activations, without training (Choukroun, Kravchik, Yang and
Kisilev, "Low-bit Quantization of Neural Networks for Efficient Inference", 2019), and, where one tensor of
few bits is too coarse, two; beside them steps that the largest value fills, as plain post-training tools set
them.

For values x of one step (an output channel of weights; a tensor of activations), codes in lo .. hi::

    forward   x^ = q s,  q = clip(round(x / s), lo, hi)
              s  = argmin sum (x - x^)^2 over all steps of 6 significant bits, from the one with which the
                   largest value fits down to 1/16 of it
    backward  dx^/dx = 1 where lo <= x / s <= hi, else 0; s is not learned

``round`` is floor(x + 1/2); the 6 bits are those of `fermatnet.model.nn.coded`. The steps are those of the
first weights and the first batch; :meth:`MmseWeight.calibrate` and :meth:`MmseActivation.calibrate` set them
anew.

Fixed-point layers between them (norms before a residual sum) get the power of two by the same rule, least
squared error or the largest value (`fit_fixed_points`).

Dual: a layer whose relative error sum (x - x^)^2 / sum x^2 is above ``dual`` takes two tensors of b bits, the
second for what the first leaves. The paper gives each a step; here the first one's is the second's times r =
2^b - 1 (weights) or 2^b (activations), so that r q1 + q2 is one integer: the hardware has a single product of
codes of 2 b bits.
"""

import math

import torch
from torch import Tensor, nn

from fermatnet.model.nn.coded import MANTISSA_BITS, CodedActivation, CodedWeight, checked, exact_step, no_step
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.post_training.ranges import best_exponent
from fermatnet.model.nn.rounding import round_half_up, uniform

__all__ = ["MmseActivation", "MmseWeight", "fit_fixed_points", "relative_error", "step_of"]

_OCTAVES = 5  # the first holds what fits, four more lie below
_SAMPLE = 1 << 17  # values that a step of activations is chosen by


def _codes(rows: Tensor, steps: Tensor, lo: int, hi: int) -> Tensor:
    return round_half_up(rows / steps.unsqueeze(1)).clamp_(lo, hi)


@torch.no_grad()
def step_of(rows: Tensor, lo: int, hi: int, *, largest: bool = False) -> Tensor:
    """(C,) exact step of each row of (C, n): of least squared error, or (``largest``) the one with which all
    values just fit; some small one for a row of zeros."""
    rows = rows.float()
    need = rows.amax(1) / hi
    need = exact_step((torch.maximum(need, rows.amin(1) / lo) if lo < 0 else need).clamp(min=2.0**-35))
    if largest:
        return need
    best, least = need, torch.full_like(need, float("inf"))
    _, power = torch.frexp(need)
    for number in range(_OCTAVES << MANTISSA_BITS - 1):
        octave, place = divmod(number, 1 << MANTISSA_BITS - 1)
        mantissa = torch.full_like(need, (1 << MANTISSA_BITS) - place)
        steps = torch.ldexp(mantissa, power - MANTISSA_BITS - octave)
        wrong = (_codes(rows, steps, lo, hi).mul_(steps.unsqueeze(1)).sub_(rows)).square_().sum(1)
        best, least = torch.where(wrong < least, steps, best), torch.minimum(wrong, least)
    return best


@torch.no_grad()
def relative_error(rows: Tensor, steps: Tensor, lo: int, hi: int) -> float:
    """sum (x - x^)^2 / sum x^2 of (C, n) values with one step a row."""
    wrong = _codes(rows.float(), steps, lo, hi) * steps.unsqueeze(1) - rows
    return float(wrong.square().sum() / rows.square().sum().clamp(min=1e-30))


class MmseWeight(CodedWeight):
    """Weights of 2 to 8 bits, one step for each of ``channels`` output channels (0: for the tensor), found by
    least squared error or (``largest``) by the largest weight; ``dual``: relative error above which there are
    two tensors (of at most 4 bits each), None: never."""

    fixed_step: Tensor
    tensors: Tensor

    def __init__(self, bits: int, *, channels: int = 0, dual: float | None = None, largest: bool = False):
        super().__init__()
        self.width = checked(bits, 2, "an MMSE weight")
        self.channels, self.largest = channels, largest
        self.dual = dual if bits <= 4 else None
        self.register_buffer("fixed_step", torch.full((channels,) if channels else (), float("nan")))
        self.register_buffer("tensors", torch.ones((), dtype=torch.int64))

    @property
    def bits(self) -> int:  # type: ignore[override]
        """Of a code: of both tensors together."""
        return self.width * int(self.tensors)

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest code."""
        top = (1 << self.width - 1) - 1
        if int(self.tensors) == 1:
            return max(-top - 1, -127), top
        ratio = (1 << self.width) - 1
        return max(-(top + 1) * (ratio + 1), -127), top * (ratio + 1)

    @torch.no_grad()
    def calibrate(self, w: Tensor) -> None:
        """Set steps, and the number of tensors, from these weights."""
        rows = w.detach().reshape(self.channels or 1, -1)
        self.tensors.fill_(1)
        steps = step_of(rows, *self.limits, largest=self.largest)
        if self.dual is not None and relative_error(rows, steps, *self.limits) > self.dual:
            self.tensors.fill_(2)
            steps = step_of(rows, *self.limits, largest=self.largest)
        self.fixed_step.copy_(steps.reshape(self.fixed_step.shape))

    def step(self, w: Tensor) -> Tensor:
        if no_step(self.fixed_step):
            self.calibrate(w)
        step = exact_step(self.fixed_step)
        return step.view(-1, *[1] * (w.dim() - 1)) if self.channels else step

    def forward(self, w: Tensor) -> Tensor:
        return uniform(w, self.step(w), *self.limits)

    @torch.no_grad()
    def codes(self, w: Tensor) -> Tensor:
        return round_half_up(w / self.step(w)).clamp(*self.limits).long()

    def extra_repr(self) -> str:
        how = "largest" if self.largest else "least squares"
        where = "per channel" if self.channels else "per tensor"
        return f"bits={self.width}, {where}, {how}{', two tensors' * (int(self.tensors) > 1)}"


class MmseActivation(CodedActivation):
    """Rectified activations of 2 to 8 bits with one step a tensor, found as that of `MmseWeight`; dual ones
    have codes 0 .. 2^2b - 1."""

    fixed_step: Tensor
    tensors: Tensor

    def __init__(self, bits: int, *, dual: float | None = None, largest: bool = False):
        super().__init__(bits, "an MMSE activation", 2)
        self.largest, self.dual = largest, dual if bits <= 4 else None
        self.register_buffer("fixed_step", torch.full((), float("nan")))
        self.register_buffer("tensors", torch.ones((), dtype=torch.int64))

    @property
    def n(self) -> int:
        return (1 << self.bits * int(self.tensors)) - 1

    def start(self, x: Tensor) -> None:
        rows = x.detach().clamp(min=0).reshape(1, -1)
        if not self.largest:  # evenly spread values, and the largest
            rows = torch.cat([rows[:, :: -(-rows.shape[1] // _SAMPLE)], rows.amax(1, keepdim=True)], 1)
        self.tensors.fill_(1)
        step = step_of(rows, 0, self.n, largest=self.largest)
        if self.dual is not None and relative_error(rows, step, 0, self.n) > self.dual:
            self.tensors.fill_(2)
            step = step_of(rows, 0, self.n, largest=self.largest)
        self.fixed_step.copy_(step[0])

    def step(self) -> Tensor:
        return exact_step(self.fixed_step)

    def train_forward(self, x: Tensor) -> Tensor:
        if no_step(self.fixed_step):
            self.start(x)
        return uniform(x, self.step(), 0, self.n)


def fit_fixed_points(model: nn.Module) -> None:
    """Let fixed-point layers whose step is not set yet choose it as the quantizers of this module do that the
    model holds; nothing where it holds none."""
    found = [m.largest for m in model.modules() if isinstance(m, MmseWeight | MmseActivation)]
    for layer in model.modules() if found else ():
        if isinstance(layer, FixedNorm | FixedBias | Rescale):
            layer.fitting = _fits_all if all(found) else _fits_best


def _spread(x: Tensor) -> Tensor:
    """At most `_SAMPLE` values, the largest and the smallest among them."""
    flat = x.detach().float().flatten()
    return torch.cat([flat[:: -(-len(flat) // _SAMPLE)], flat.amax().view(1), flat.amin().view(1)])


def _fits_best(x: Tensor, lo: int, hi: int) -> int:
    values = _spread(x)
    return best_exponent(values if lo < 0 else values.clamp(min=0), lo, hi)[0]


def _fits_all(x: Tensor, lo: int, hi: int) -> int:
    need = max(float(x.amax()) / hi, float(x.amin()) / lo if lo < 0 else 0.0, 2.0**-24)
    return math.ceil(math.log2(need) - 1e-4)
