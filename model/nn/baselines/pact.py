"""PACT activations (Choi et al. 2018) with SAWB weights (Choi et al. 2019): k bits each, both exportable."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.coded import CodedActivation, CodedWeight, exact_step
from fermatnet.model.nn.rounding import round_half_up, straight_through

__all__ = ["PactActivation", "SawbWeight"]


class _Pact(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, clip: Tensor, step: Tensor, top: int) -> Tensor:
        ctx.save_for_backward(x >= clip, x < 0)
        return round_half_up(x / step).clamp(0, top) * step

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        above, below = ctx.saved_tensors
        return g * ~(above | below), (g * above).sum(), None, None


class PactActivation(CodedActivation):
    """Activations of 1 to 8 bits between 0 and a learned clipping level.

        forward   y = round(clip(x, 0, a) (2^k - 1) / a) a / (2^k - 1)    (equations 1, 2)
        backward  dy/dx = 1 for 0 <= x < a, else 0;  dy/da = 1 for x >= a, else 0    (3)

    Here ``round`` is floor(x + 1/2), and a / (2^k - 1) has 6 significant bits
    (`fermatnet.model.nn.coded`): a is that step times 2^k - 1. Unlike the paper's, a does not decay.
    """

    def __init__(self, bits: int, start: float = 3.0):
        super().__init__(bits, "PACT")
        self.clip = nn.Parameter(torch.tensor(start))

    def start(self, x: Tensor) -> None:
        # three standard deviations of a unit Gaussian, as it starts after a norm
        self.clip.data.fill_(max(3.0 * float(x.detach().pow(2).mean().sqrt()), 1e-3))

    def step(self) -> Tensor:
        return exact_step(self.clip.abs().clamp(min=1e-3) / self.n)

    def train_forward(self, x: Tensor) -> Tensor:
        step = self.step()
        return _Pact.apply(x, step * self.n, step.detach(), self.n)


class SawbWeight(CodedWeight):
    """Weights of 2, 3 or 4 bits, 2^k evenly spaced levels between -a and a; none of them is 0.

        forward   w^ = (2 j - T) a / T, j = round((w T / a + T) / 2) in 0 .. T = 2^k - 1
                  a = c1 sqrt(E w^2) + c2 E|w|: statistics-aware, no parameter
        backward  dw^/dw = 1 where |w| <= a, else 0

    The codes 2 j - T are odd integers; a / T has 6 significant bits (`fermatnet.model.nn.coded`).
    """

    COEFFICIENTS: ClassVar = {2: (3.12, -2.064), 3: (7.509, -6.892), 4: (12.68, -12.80)}

    def __init__(self, bits: int):
        super().__init__()
        if bits not in self.COEFFICIENTS:
            raise InputError(f"SAWB has coefficients for 2, 3 and 4 bits, not {bits}")
        self.bits, self.top = bits, (1 << bits) - 1

    @torch.no_grad()
    def step(self, w: Tensor) -> Tensor:
        c1, c2 = self.COEFFICIENTS[self.bits]
        a = c1 * w.pow(2).mean().sqrt() + c2 * w.abs().mean()
        # far from the distributions that the coefficients were fitted to, a may be negative
        return exact_step(a.clamp(min=1e-8) / self.top)

    @torch.no_grad()
    def codes(self, w: Tensor) -> Tensor:
        return self._odd(w, self.step(w)).long()

    def _odd(self, w: Tensor, step: Tensor) -> Tensor:
        return 2 * round_half_up((w / step + self.top) / 2).clamp(0, self.top) - self.top

    def forward(self, w: Tensor) -> Tensor:
        step = self.step(w)
        limit = float(self.top * step)
        return straight_through(w.clamp(-limit, limit), self._odd(w.detach(), step) * step)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"
