"""Learned step size quantization (LSQ; Esser et al., ICLR 2020): the step is a parameter like a weight."""

import math

import torch
from torch import Tensor, nn

from fermatnet.model.nn.coded import CodedActivation, CodedWeight, checked, exact_step, feature_scale, no_step
from fermatnet.model.nn.rounding import round_half_up, uniform

__all__ = ["LsqActivation", "LsqWeight"]


class LsqWeight(CodedWeight):
    """Weights of 2 to 8 bits with a learned step: of the tensor, or (``channels`` > 0) of each output
    channel.

        forward   w^ = clip(round(w / s), -Q_N, Q_P) s,  Q_N = 2^(b-1), Q_P = 2^(b-1) - 1    (1, 2)
        backward  dw^/dw = 1 where -Q_N < w / s < Q_P, else 0    (5)
                  dw^/ds = round(w / s) - w / s there, else -Q_N or Q_P    (3)
                  times 1 / sqrt(N Q_P), N weights of that step    (section 2.2)
        start     s = 2 mean|w| / sqrt(Q_P)    (section 2.1)

    Here ``round`` is floor(x + 1/2), as hardware rounds; s has 6 significant bits (`exact_step`); and weights
    of 8 bits leave -128 out, as all 8-bit weights of a network file do.
    """

    def __init__(self, bits: int, *, channels: int = 0):
        super().__init__()
        self.bits, self.channels = checked(bits, 2, "LSQ"), channels
        self.hi = (1 << bits - 1) - 1
        self.lo = max(-self.hi - 1, -127)
        self.learned_step = nn.Parameter(torch.full((channels,) if channels else (), float("nan")))

    @torch.no_grad()
    def calibrate(self, w: Tensor) -> None:
        """Set the steps anew, from these weights."""
        rows = w.detach().abs().reshape(self.channels or 1, -1).mean(1)
        self.learned_step.copy_(
            (2 * rows / math.sqrt(self.hi)).clamp(min=1e-8).reshape(self.learned_step.shape)
        )

    def step(self, w: Tensor) -> Tensor:
        if no_step(self.learned_step):
            self.calibrate(w)
        step = exact_step(self.learned_step.abs().clamp(min=1e-10))
        return step.view(-1, *[1] * (w.dim() - 1)) if self.channels else step

    def forward(self, w: Tensor) -> Tensor:
        share = w.numel() / (self.channels or 1)
        return uniform(w, self.step(w), self.lo, self.hi, 1.0 / math.sqrt(share * self.hi))

    @torch.no_grad()
    def codes(self, w: Tensor) -> Tensor:
        # in the type and order of the forward pass
        return round_half_up(w / self.step(w)).clamp(self.lo, self.hi).long()

    def extra_repr(self) -> str:
        return f"bits={self.bits}, {'per channel' if self.channels else 'per tensor'}"


class LsqActivation(CodedActivation):
    """Rectified activations of 2 to 8 bits with a learned step: the formulas of `LsqWeight` with Q_N = 0 and
    Q_P = 2^b - 1, N the features of one sample, and the rectified numbers of the first batch to start from.
    """

    def __init__(self, bits: int):
        super().__init__(bits, "LSQ", 2)
        self.learned_step = nn.Parameter(torch.full((), float("nan")))

    def start(self, x: Tensor) -> None:
        mean = float(x.detach().clamp(min=0).mean())
        self.learned_step.data.fill_(max(2 * mean / math.sqrt(self.n), 1e-6))

    def step(self) -> Tensor:
        return exact_step(self.learned_step.abs().clamp(min=1e-10))

    def train_forward(self, x: Tensor) -> Tensor:
        if no_step(self.learned_step):
            self.start(x)
        return uniform(x, self.step(), 0, self.n, feature_scale(x, self.n))
