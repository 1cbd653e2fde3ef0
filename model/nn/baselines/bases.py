"""Several one-bit bases: ABC-Net."""

import torch
from torch import Tensor, nn

from fermatnet.model.nn.baselines.signs import signs
from fermatnet.model.nn.rounding import straight_through

__all__ = ["AbcActivation", "AbcWeight"]


class AbcWeight(nn.Module):
    """sum_i alpha_i B_i, B_i = sign(W - mean + u_i std), u_i = -1 + 2(i-1)/(M-1), alpha by least squares; dW
    = g sum alpha_i (ABC-Net, Lin et al. 2017, eq. 2-5)."""

    def __init__(self, bases: int):
        super().__init__()
        self.u: Tensor
        self.register_buffer("u", torch.linspace(-1, 1, bases) if bases > 1 else torch.zeros(1))

    @torch.no_grad()
    def bases(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(B (M, size) of +-1, alpha (M,))."""
        flat = w.detach().flatten()
        std, mean = torch.std_mean(flat, correction=0)
        b = signs(flat - mean + self.u[:, None] * std)
        gram = b @ b.T + 1e-4 * flat.numel() * torch.eye(len(b), device=w.device)
        return b, torch.linalg.solve(gram, b @ flat)

    def forward(self, w: Tensor) -> Tensor:
        b, alpha = self.bases(w)
        return straight_through(w * alpha.sum(), (alpha @ b).view_as(w))


class _AbcActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, v: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(x, v, beta)
        out = torch.zeros_like(x)
        for n in range(v.numel()):
            out.add_(torch.where(x + v[n] >= 0.5, beta[n], -beta[n]))
        return out

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        x, v, beta = ctx.saved_tensors
        gx, gv, gbeta = torch.zeros_like(x), torch.zeros_like(v), torch.zeros_like(beta)
        for n in range(v.numel()):
            shifted = x + v[n]
            through = g * ((shifted >= 0) & (shifted <= 1)) * beta[n]
            gx.add_(through)
            gv[n] = through.sum()
            gbeta[n] = (g * signs(shifted - 0.5)).sum()
        return gx, gv, gbeta


class AbcActivation(nn.Module):
    """sum_n beta_n H(x + v_n), H(r) = sign(clip(r, 0, 1) - 1/2), v and beta learned; gradient beta_n on 0 <=
    x + v_n <= 1 (ABC-Net, eq. 8-11).

    Initial switching points spread over [-1, 1] of the normalised input, beta = 1.5/N.
    """

    def __init__(self, bases: int):
        super().__init__()
        self.v = nn.Parameter(0.5 + (torch.linspace(-1, 1, bases) if bases > 1 else torch.zeros(1)))
        self.beta = nn.Parameter(torch.full((bases,), 1.5 / bases))

    def forward(self, x: Tensor) -> Tensor:
        return _AbcActivation.apply(x.float(), self.v, self.beta)
