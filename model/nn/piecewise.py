"""Piecewise approximation of weights and activations (thesis 3.3, equations 3.6-3.14) with integer levels in
the loop.

Weights, M even, end-points u_i = mean(W) + k_i std(W), half-open pieces (a value equal to an end-point lies
on its right)::

    forward   W~ = alpha_i on piece i, 0 between u_{M/2} and u_{M/2+1};
              alpha_i = mean of the piece    (3.6, 3.7)
    backward  dW~/dW = lambda_W (step between neighbouring levels), the regions split at
              s_i = (u_i + u_{i+1})/2    (3.8, 3.9)

Activations, N end-points v_i and levels beta_i, both learned::

    forward   A~ = 0 below v_1, beta_i on [v_i, v_{i+1}), beta_N from v_N on    (3.10)
    backward  dA~/dA = lambda_A (beta_i - beta_{i-1}) on [t_{i-1}, t_i), 0 outside [t_0, t_N)    (3.11)
              t_i = (v_i + v_{i+1})/2, t_0 = 2 v_1 - t_1, t_N = v_N + lambda_Delta    (3.12)
              lambda_Delta = d/2; one piece: `fermatnet.model.nn.one_piece`
              dC/dbeta_i = sum of dC/dA~ over piece i    (3.13)
              dC/dv_i = -lambda_A (beta_i - beta_{i-1}) * sum of dC/dA~ over [t_{i-1}, t_i)    (3.14)

(3.14) is printed without the minus sign; raising an end-point lowers the mean output, so the sign is there.

Levels are integers in [-127, 127] times a power of two, chosen anew in every forward pass, so the network
that is trained is the network that is exported. With smaller limits ("pa-short") the arrays are smaller.
Nothing of size M x N, and no one-hot tensor, exists: the backward pass keeps one byte an element.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn import kernels
from fermatnet.model.nn.levels import (
    LEVEL_LIMIT,
    activation_step,
    check_limit,
    fixed_levels,
    weight_endpoints,
)
from fermatnet.model.nn.one_piece import REACH, tapered_step
from fermatnet.model.nn.rounding import straight_through

__all__ = [
    "PiecewiseActivation",
    "PiecewiseWeight",
    "piecewise_activation",
    "piecewise_weight",
    "weight_pieces",
]


def weight_pieces(w: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(cell, levels, endpoints): cells of the merged end-points u and s (uint8), the M+1 real levels (3.7),
    the end-points u.

    piece = (cell + 1) // 2, region of the backward pass = cell // 2. An empty piece takes its end-point
    nearest to zero.
    """
    if w.device.type == "cpu" and w.dtype == torch.float32 and kernels.compiled() is not None:
        flat = w.detach().contiguous()
        cell = torch.empty_like(flat, dtype=torch.uint8)
        levels, u = kernels.compiled().weight_pieces(flat.view(-1).numpy(), k.numpy(), cell.view(-1).numpy())
        return cell, torch.from_numpy(levels), torch.from_numpy(u)
    std, mean = torch.std_mean(w.detach(), correction=0)
    u = mean + k * std
    merged = torch.empty(2 * u.numel() - 1, dtype=w.dtype, device=w.device)
    merged[0::2] = u
    merged[1::2] = (u[1:] + u[:-1]) / 2
    cell = kernels.cells(w.detach(), merged)
    sums, counts = kernels.cell_sums(w.detach(), cell, merged.numel() + 1)
    sums, counts = _pairs(sums), _pairs(counts)
    half = u.numel() // 2
    nearest = torch.cat([u[:half], u.new_zeros(1), u[half:]])
    levels = torch.where(counts > 0, (sums / counts.clamp(min=1)).to(w.dtype), nearest)
    levels = torch.cat(
        [levels[:half].clamp(max=-1e-30), levels.new_zeros(1), levels[half + 1 :].clamp(min=1e-30)]
    )
    return cell, levels, u


def _ascending(x: Tensor) -> Tensor:
    """``x`` sorted; a handful of numbers on a CPU is looked at first: sorting and the way back cost more."""
    if x.device.type == "cpu" and all(a <= b for a, b in pairwise(x.tolist())):
        return x
    return x.sort().values


def _pairs(x: Tensor) -> Tensor:
    """Sums over the cells of each piece: cells 2i-1 and 2i make piece i."""
    return torch.cat([x[:1], x[1:-1].reshape(-1, 2).sum(1), x[-1:]])


class _Weight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w: Tensor, k: Tensor, lambda_w: float, limit: int) -> Tensor:
        cell, levels, u = weight_pieces(w, k)
        if limit:
            integers, exponent = fixed_levels(levels, k.numel() // 2, limit)
            levels = integers * torch.exp2(-exponent)
        std = (u[-1] - u[0]) / (k[-1] - k[0])
        slope = lambda_w / std.clamp(min=1e-30) * (levels[1:] - levels[:-1])
        ctx.save_for_backward(cell, slope.repeat_interleave(2))
        return kernels.look_up(cell, levels.repeat_interleave(2)[1:-1].contiguous())

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        cell, slope = ctx.saved_tensors
        return kernels.scale_by_cell(g, cell, slope, False)[0], None, None, None


def piecewise_weight(w: Tensor, k: Tensor, *, lambda_w: float = 2.0, limit: int = LEVEL_LIMIT) -> Tensor:
    """W~ of (3.6) with gradient (3.8).

    w: any shape; k: (M,) end-points in units of std(W); lambda_w: lambda_W in units of 1/std(W);
    limit: largest integer level, 0 for real levels.
    """
    return _Weight.apply(w, k, lambda_w, limit)


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x: Tensor, v: Tensor, beta: Tensor, lambda_a: float | Tensor, lambda_delta: float | Tensor
    ) -> Tensor:
        n = v.numel()
        levels = torch.cat([beta.new_zeros(1), beta])
        merged = torch.empty(2 * n + 1, dtype=v.dtype, device=v.device)
        merged[1::2] = v
        merged[2:-1:2] = (v[1:] + v[:-1]) / 2
        merged[-1] = v[-1] + lambda_delta
        merged[0] = 2 * v[0] - merged[2]
        # compared in float64, exactly: a float32 end-point is a float64 number too
        if x.dtype == torch.float64:
            merged = merged.double()
        out, cell = kernels.quantize(x, merged, levels.repeat_interleave(2))
        slope = lambda_a * (levels[1:] - levels[:-1])
        ctx.save_for_backward(cell, slope)
        return out

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        cell, slope = ctx.saved_tensors
        outside = slope.new_zeros(1)
        table = torch.cat([outside, slope.repeat_interleave(2), outside])
        gx, sums = kernels.scale_by_cell(g, cell, table, True)
        assert sums is not None
        gv = -slope * sums[1:-1].reshape(-1, 2).sum(1).to(slope.dtype)
        gbeta = sums.reshape(-1, 2).sum(1)[1:].to(slope.dtype)
        return gx, gv, gbeta, None, None


def piecewise_activation(
    x: Tensor, v: Tensor, beta: Tensor, *, lambda_a: float | Tensor, lambda_delta: float | Tensor
) -> Tensor:
    """A~ of (3.10) with gradients (3.11)-(3.14). x: any shape; v, beta: (N,) ascending, of the type of the
    result."""
    return _Activation.apply(x, v, beta, lambda_a, lambda_delta)


class PiecewiseWeight(nn.Module):
    """Quantizer of a weight tensor into M+1 levels. ``k``: M end-points in units of std(W); see
    :func:`piecewise_weight`."""

    def __init__(
        self, m: int, *, k: tuple[float, ...] | None = None, lambda_w: float = 2.0, limit: int = LEVEL_LIMIT
    ):
        super().__init__()
        points = weight_endpoints(m) if k is None else tuple(float(value) for value in k)
        if len(points) != m or any(a >= b for a, b in pairwise(points)):
            raise InputError(f"k must be {m} ascending end-points, not {points}")
        check_limit(limit, m // 2, f"weights of {m} pieces")
        if not math.isfinite(lambda_w) or lambda_w <= 0:
            raise InputError(f"lambda_w must be positive, not {lambda_w}")
        self.m, self.lambda_w, self.limit = m, lambda_w, limit
        self.k: Tensor
        self.register_buffer("k", torch.tensor(points))

    def forward(self, w: Tensor) -> Tensor:
        return piecewise_weight(w, self.k.to(w.dtype), lambda_w=self.lambda_w, limit=self.limit)

    @torch.no_grad()
    def pieces(self, w: Tensor) -> tuple[Tensor, Tensor, int]:
        """(codes uint8 like w, M+1 integer levels int64, exponent): W~ = levels[codes] * 2^-exponent."""
        cell, levels, _ = weight_pieces(w, self.k.to(w.dtype))
        integers, exponent = fixed_levels(levels, self.m // 2, self.limit or LEVEL_LIMIT)
        return ((cell.int() + 1) // 2).to(torch.uint8), integers.long(), int(exponent)

    def integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(int64 weights, exponent (1,)): W~ = integers * 2^-exponent."""
        codes, levels, exponent = self.pieces(w)
        return levels[codes.long()], torch.tensor([exponent])

    def extra_repr(self) -> str:
        return f"M={self.m}"


class PiecewiseActivation(nn.Module):
    """Activation into N+1 levels with learned end-points and levels; made to follow a batch norm (unit
    Gaussian).

    Members
    -------
    v, beta : parameters (N,), in units of ``scale``; scale : what :meth:`calibrate` measured, 1 after a batch
    norm.
    ceiling : where the rectifier before it saturates (6 for ReLU6); None: nowhere.
    function : an activation that never falls and is never negative, whose values the pieces are of (a
        sigmoid); None: the rectifier.
    """

    ceiling: float | None = None
    function: nn.Module | None

    def __init__(
        self,
        n: int,
        *,
        lambda_a: float | None = None,
        lambda_delta: float | None = None,
        limit: int = LEVEL_LIMIT,
    ):
        super().__init__()
        d = activation_step(n)
        check_limit(limit, n, f"activations of {n} pieces")
        self.n, self.limit, self.function = n, limit, None
        self.lambda_a = 1.0 / d if lambda_a is None else lambda_a
        reach = REACH if n == 1 else d / 2
        self.lambda_delta = reach if lambda_delta is None else lambda_delta
        self.v = nn.Parameter((torch.arange(1, n + 1) - 0.5) * d)
        self.beta = nn.Parameter(torch.arange(1, n + 1) * d)
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def calibrate(self, x: Tensor) -> None:
        """Set ``scale`` to the root mean square of a batch of inputs (1 for a unit Gaussian)."""
        x = x.float() if self.function is None else self.function(x.float())
        self.scale.copy_(x.pow(2).mean().sqrt().clamp(min=1e-6))

    def _saturated(self, x: Tensor) -> Tensor:
        if self.function is not None:  # in evaluation as export bisects it
            x = self.function(x if self.training else x.double())
        return x if self.ceiling is None else x.clamp(max=self.ceiling)

    def points(self) -> Tensor:
        """End-points v (N,), ascending."""
        return _ascending(self.v) * self.scale

    def levels(self) -> tuple[Tensor, Tensor]:
        """(integer levels (N+1,) from 0, exponent) of the beta as they are now."""
        beta = _ascending(self.beta.detach()) * self.scale
        return fixed_levels(torch.cat([beta.new_zeros(1), beta]), 0, self.limit or LEVEL_LIMIT)

    def forward(self, x: Tensor) -> Tensor:
        beta = _ascending(self.beta) * self.scale
        if self.limit:
            integers, exponent = self.levels()
            beta = straight_through(beta, integers[1:] * torch.exp2(-exponent))
        values, points, slope = self._saturated(x), self.points(), self.lambda_a / self.scale
        if self.n == 1:
            return tapered_step(values, points, beta, lambda_a=slope, reach=self.lambda_delta * self.scale)
        return piecewise_activation(
            values, points, beta, lambda_a=slope, lambda_delta=self.lambda_delta * self.scale
        )

    def index(self, x: Tensor) -> Tensor:
        """Piece index 0..N (int64) of every element, compared as the forward pass compares."""
        return torch.bucketize(
            self._saturated(x.double()).contiguous(), self.points().detach().double(), right=True
        )

    def extra_repr(self) -> str:
        return f"N={self.n}"
