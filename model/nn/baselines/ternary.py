"""Three levels: ternary weights, with fixed and with trained scales."""

import torch
from torch import Tensor, nn

from fermatnet.model.nn.rounding import straight_through

__all__ = ["TernaryWeight", "TrainedTernaryWeight"]


class TernaryWeight(nn.Module):
    """alpha {-1, 0, 1}: threshold 0.7 mean |W|, alpha the mean of what is above; straight through (TWN, Li &
    Liu 2016; thesis 3.3)."""

    def forward(self, w: Tensor) -> Tensor:
        size = w.detach().abs()
        kept = size > 0.7 * size.mean()
        alpha = (size * kept).sum() / kept.sum().clamp(min=1)
        return straight_through(w, alpha * kept * w.detach().sign())


class TrainedTernaryWeight(nn.Module):
    """{-n, 0, p} with both levels learned, threshold 0.05 max |W|; dp = sum of g above, dn = -sum of g below,
    dW = g scaled by p, 1, n on the three pieces (TTQ, Zhu et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((2,), float("nan")))

    def forward(self, w: Tensor) -> Tensor:
        limit = 0.05 * w.detach().abs().max()
        up, down = w.detach() > limit, w.detach() < -limit
        if bool(torch.isnan(self.alpha[0])):
            with torch.no_grad():
                self.alpha.copy_(torch.stack([w[up].mean(), -w[down].mean()]))
        p, n = self.alpha
        with torch.no_grad():
            slope = torch.where(up, p, torch.where(down, n, torch.ones_like(n)))
        levels = torch.where(up, p, torch.where(down, -n, torch.zeros_like(n)))
        return levels + straight_through(w * slope, torch.zeros_like(w))
