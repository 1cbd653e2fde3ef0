"""One-bit layers for the hardware: scheme ``sign`` (thesis chapters 4 and 5).

Weights -1, +1 and activations a = 2i - 1 with i in {0, 1}. Conv(w, 2i - 1) = 2 Conv(w, i) - sum(w) when the
border holds a = -1, that is i = 0: an affine change which the batch norm after the convolution takes up. So
the hardware's AND-popcount array with weight levels (-1, 0, 1) and activation levels (0, 1) is the XNOR
network with a border of -1. (A border of 0 is no sign; it would take a second plane.)
"""

import torch
from torch import Tensor

from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight

__all__ = ["SignIndex", "SignWeight"]


class _Sign(torch.autograd.Function):
    """Forward -1 or +1; backward straight through (the scale of (4.1) is left to the batch norm)."""

    @staticmethod
    def forward(context, weight: Tensor) -> Tensor:
        return torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return gradient


class _Step(torch.autograd.Function):
    """Forward 1 where x >= 0, else 0; backward half of (4.2): 1 - |x| inside (-1, 1). With a ``bound`` B half
    the gradient of clip(x, -B, B): 1/2 inside."""

    @staticmethod
    def forward(context, x: Tensor, bound: float) -> Tensor:
        context.save_for_backward(x.abs() <= bound if bound else x)
        context.bound = bound
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(context, gradient: Tensor):
        (x,) = context.saved_tensors
        if context.bound:
            return 0.5 * gradient * x, None
        return gradient * (1 - x.abs()).clamp_min(0).to(gradient.dtype), None


class SignWeight(PiecewiseWeight):
    """Weights -1 and +1: two pieces split at zero, the middle level unused."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, w: Tensor) -> Tensor:
        return _Sign.apply(w)

    @torch.no_grad()
    def pieces(self, w: Tensor) -> tuple[Tensor, Tensor, int]:
        return 2 * (w >= 0).to(torch.uint8), torch.tensor([-1, 0, 1]), 0


class SignIndex(PiecewiseActivation):
    """Activation i = 1 where x >= 0, else 0, with the gradient of the sign; so where it stands for a
    ``function`` that is never negative, too, whose values alone would all be 1. ``bound``: of the clipped
    gradient, 0: the polynomial."""

    bound = 0.0

    def __init__(self) -> None:
        super().__init__(1)
        self.v.requires_grad_(False).zero_()
        self.beta.requires_grad_(False).fill_(1.0)

    def levels(self) -> tuple[Tensor, Tensor]:
        return torch.tensor([0.0, 1.0]), torch.tensor(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return _Step.apply(x, self.bound).float()

    def _saturated(self, x: Tensor) -> Tensor:
        return x
