"""One bit: the sign, its gradients, and the scale of XNOR-Net."""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = ["SignActivation", "SignWeight", "approximate_sign", "clipped_sign", "signs"]


def signs(x: Tensor) -> Tensor:
    """-1 or +1 in the type of x, no gradient."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class _ClippedSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return g * (ctx.saved_tensors[0].abs() <= 1)


class _ApproximateSign(_ClippedSign):
    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return g * (2 - 2 * ctx.saved_tensors[0].abs()).clamp(min=0)


def clipped_sign(x: Tensor) -> Tensor:
    """sign(x), gradient 1 on |x| <= 1 (Courbariaux et al. 2016)."""
    return _ClippedSign.apply(x)


def approximate_sign(x: Tensor) -> Tensor:
    """sign(x), gradient 2 - 2|x| on |x| <= 1: the piecewise polynomial of Bi-Real Net (Liu et al. 2018, eq.
    7)."""
    return _ApproximateSign.apply(x)


class SignWeight(nn.Module):
    """alpha sign(W), alpha = mean |W| of the output channel; gradient g * (1/n + alpha on |W| <= 1)
    (XNOR-Net, Rastegari et al. 2016)."""

    def forward(self, w: Tensor) -> Tensor:
        axes = tuple(range(1, w.dim()))
        return w.abs().mean(axes, keepdim=True) * clipped_sign(w)


class SignActivation(nn.Module):
    """sign(x) with the clipped gradient, or Bi-Real Net's (``polynomial``). The input scale K of XNOR-Net is
    left out, as in its own code."""

    def __init__(self, count: int = 1, *, polynomial: bool = False):
        super().__init__()
        if count != 1:
            raise InputError(f"a single-binary method has 1 activation base, not {count}")
        self.polynomial = polynomial

    def forward(self, x: Tensor) -> Tensor:
        return approximate_sign(x) if self.polynomial else clipped_sign(x)
