"""Rounding and scales with gradients: the small pure functions all quantizers share.

Every scale of a network that is exported is a power of two, so that a product of an integer and its scale is
exact in float32 and the fake-quantised forward pass *is* the integer one. Steps are learned in the log domain
(Jain et al., trained thresholds, 2020) with the step gradient of Esser et al. (LSQ, 2020).
"""

import torch
from torch import Tensor

from fermatnet.model.nn import kernels

__all__ = ["fixed", "power_of_two", "round_half_up", "straight_through", "uniform"]


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor) -> Tensor:
        return value.to(x.dtype).clone()

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return g, None


def straight_through(x: Tensor, value: Tensor) -> Tensor:
    """Exactly ``value``, with the gradient of ``x``."""
    return _StraightThrough.apply(x, value)


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 1/2), as a fixed-point unit that adds half and shifts rounds."""
    return torch.floor(x + 0.5)


def power_of_two(log2_step: Tensor) -> Tensor:
    """2^round(log2_step), with d/dlog2_step = step * ln 2 (rounding passed straight through)."""
    return torch.exp2(straight_through(log2_step, torch.round(log2_step)))


class _Uniform(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, lo: int, hi: int, gradient_scale: float) -> Tensor:
        ratio = x / step
        integer = round_half_up(ratio)
        clipped = integer.clamp(lo, hi)
        ctx.save_for_backward(ratio, step)
        ctx.range = lo, hi, gradient_scale
        return clipped * step

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        ratio, step = ctx.saved_tensors
        lo, hi, gradient_scale = ctx.range
        inside = (ratio >= lo) & (ratio <= hi)
        slope = torch.where(inside, round_half_up(ratio) - ratio, ratio.clamp(lo, hi))
        return g * inside, (g * slope).sum_to_size(step.shape) * gradient_scale, None, None, None


class _Fixed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, step: float, lo: int, hi: int) -> Tensor:
        out, inside = kernels.round_clip(x, step, lo, hi)
        ctx.save_for_backward(inside)
        return out

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return kernels.mask(g, ctx.saved_tensors[0]), None, None, None


def fixed(x: Tensor, step: float, lo: int, hi: int) -> Tensor:
    """:func:`uniform` with a step that is not learned: keeps one byte an element for the backward pass. step:
    a power of two."""
    return _Fixed.apply(x, step, lo, hi)


def uniform(x: Tensor, step: Tensor, lo: int, hi: int, gradient_scale: float = 1.0) -> Tensor:
    """clip(floor(x/step + 1/2), lo, hi) * step.

    Gradients: dx = g inside [lo step, hi step], else 0; dstep = sum g * (round(x/step) - x/step inside, lo or
    hi outside), times ``gradient_scale``. step: broadcastable to x (a scalar, or one a channel). Symmetric:
    lo = -hi;
    asymmetric: any lo <= 0 <= hi.
    """
    return _Uniform.apply(x, step, lo, hi, gradient_scale)
