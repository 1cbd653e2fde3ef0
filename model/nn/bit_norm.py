"""Batch norm that keeps four bits an element for the backward pass.

A channel of B elements y::

    forward   u = (y - m) / s,  m = mean y,  s^2 = mean (y - m)^2 + eps;  x = c u + b
    backward  du = c g,  db = sum g,  dc = sum g u~
              dy = (du - mean du - u~ mean(du u~)) / s

which is batch norm with u~, one of the 16 levels (k + 1/2) D, -8 <= k < 8, in the place of u where the
backward pass reads it; D = 0.3352 has the least squared error on a unit Gaussian (Max, "Quantizing for
minimum distortion", 1960). Wang et al. (2021; `fermatnet.model.nn.bit_layers`) keep the sign of u and norm by
the mean of |y - m|: a quarter of these bits, and other values than those of the plain network.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fermatnet.model.nn.bits import pack, parts, unpack
from fermatnet.model.nn.fixed_point import BatchNorm

__all__ = ["STEP", "BitNorm"]

STEP, BITS = 0.3352, 4
_HALF = 1 << BITS - 1


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, y: Tensor, gain: Tensor, offset: Tensor, eps: float, in_place: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        axes, shape = _axes(y)
        mean = y.mean(axes)
        x = y.sub_(mean.view(shape)) if in_place else y - mean.view(shape)
        if in_place:
            ctx.mark_dirty(y)
        variance = torch.linalg.vector_norm(x, 2, axes).square() * (y.shape[1] / y.numel())
        deviation = (variance + eps).sqrt()
        x.div_(deviation.view(shape))
        kept = [pack(_codes(x[part]), BITS) for part in parts(x)]
        ctx.save_for_backward(gain, deviation, *kept)
        x.mul_(gain.view(shape)).add_(offset.view(shape))
        ctx.mark_non_differentiable(mean, variance)
        return x, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor, *_: Any):  # type: ignore[override]
        gain, deviation, *kept = ctx.saved_tensors
        axes, shape = _axes(g)
        count = g.numel() / g.shape[1]
        offset, slope, u = g.sum(axes), torch.zeros_like(gain), torch.empty_like(g)
        for part, packed in zip(parts(g), kept, strict=True):
            codes = unpack(packed, g[part].shape, g.dtype, BITS)
            u[part] = codes.sub_(_HALF - 0.5).mul_(STEP)
            slope = slope + _dots(g[part], u[part])
        # dy = (c / s) (g - mean g - u~ mean(g u~)), in the memory of u~
        u.mul_((-slope / count).view(shape)).add_(g)
        u.sub_((offset / count).view(shape)).mul_((gain / deviation).view(shape))
        return u, slope, offset, None, None


def _axes(y: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """All axes but that of the channels, and the shape of one number a channel."""
    return (0, *range(2, y.dim())), (1, -1) + (1,) * (y.dim() - 2)


def _codes(u: Tensor) -> Tensor:
    return (u / STEP).floor_().add_(_HALF).clamp_(0, 2 * _HALF - 1).to(torch.uint8)


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """(C,) sums of products a channel, without a tensor of their size."""
    if a.dim() == 2:
        return (a * b).sum(0)
    rows = [torch.einsum("cp,cp->c", x.flatten(1), y.flatten(1)) for x, y in zip(a, b, strict=True)]
    return torch.stack(rows).sum(0)


class BitNorm(BatchNorm):
    """Batch norm over (n, C) or (n, C, H, W), see the module. ``in_place``: it writes over its input, which
    nobody else may read."""

    in_place = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return self.exact(input)
        count = input.numel() // max(1, input.shape[1])
        if count < 2:
            raise ValueError(f"a norm in training needs more than one value a channel, not {input.shape}")
        # what backward hooks hand over is a view, which no function with several results may write over
        in_place = self.in_place and not input._is_view()
        x, mean, variance = _Norm.apply(input, self.weight, self.bias, self.eps, in_place)
        assert self.running_mean is not None and self.running_var is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
            self.running_var.lerp_(variance.to(self.running_var.dtype) * (count / (count - 1)), rate)
        return x
