"""Activations of one piece, which are one bit: the thesis' (3.10), with a gradient that falls off on both
sides of the end-point.

(3.11) lets gradients through at full height between t_0 and t_N, and not at all beyond. With one piece that
is one step for a whole curve, which a triangle serves better, as in Bi-Real Net (Z. Liu et al., ECCV 2018,
eq. 7). Here it is a staircase of `TAPER` steps on each side, so that the backward pass keeps one byte an
element like all others.
"""

import torch
from torch import Tensor

from fermatnet.model.nn import kernels

__all__ = ["REACH", "TAPER", "tapered_step"]

TAPER = 4
"""Steps in which the gradient falls off."""

REACH = 1.5
"""From the end-point to where it is 0, in standard deviations of what a batch norm gives."""


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x: Tensor, v: Tensor, beta: Tensor, lambda_a: float | Tensor, reach: float | Tensor
    ) -> Tensor:
        places = torch.linspace(-1.0, 1.0, 2 * TAPER + 1, dtype=v.dtype, device=v.device)
        boundaries = v + reach * places
        # compared in float64, exactly: a float32 end-point is a float64 number too
        if x.dtype == torch.float64:
            boundaries = boundaries.double()
        table = torch.cat([beta.new_zeros(TAPER + 1), beta.expand(TAPER + 1)])
        out, cell = kernels.quantize(x, boundaries, table)
        ctx.save_for_backward(cell, lambda_a * beta * _heights(beta))
        return out

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        cell, slopes = ctx.saved_tensors
        gx, sums = kernels.scale_by_cell(g, cell, slopes, True)
        assert sums is not None
        gv = -(slopes * sums.to(slopes.dtype)).sum()
        gbeta = sums[TAPER + 1 :].sum().to(slopes.dtype)
        return gx, gv.reshape(1), gbeta.reshape(1), None, None


def _heights(like: Tensor) -> Tensor:
    """Of the gradient in each cell: the triangle's in the cell's middle, 0 outside."""
    rise = (torch.arange(TAPER, dtype=like.dtype, device=like.device) + 0.5) / TAPER
    return torch.cat([like.new_zeros(1), rise, rise.flip(0), like.new_zeros(1)])


def tapered_step(
    x: Tensor, v: Tensor, beta: Tensor, *, lambda_a: float | Tensor, reach: float | Tensor
) -> Tensor:
    """A~ of (3.10): 0 below v, beta from v on; v and beta (1,), x of any shape.

    dA~/dA is about lambda_a beta at v and falls to 0 ``reach`` away from it. dC/dbeta as in (3.13); dC/dv as
    in (3.14), minus the sum of dC/dA.
    """
    return _Step.apply(x, v, beta, lambda_a, reach)
