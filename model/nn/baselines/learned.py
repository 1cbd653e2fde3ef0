"""Levels learned from the data: LQ-Nets."""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.bits import checked_bits
from fermatnet.model.nn.rounding import straight_through

__all__ = ["LearnedActivation", "LearnedWeight"]


class _Learned(nn.Module):
    """Levels sum_k e_k v_k over binary codes e, the basis v fitted to the data by least squares as training
    goes on (LQ-Nets, Zhang et al. 2018): v <- 0.9 v + 0.1 argmin |x - B v|^2 in every training pass; straight
    through between
    the outer levels."""

    def __init__(self, bits: int, signed: bool):
        super().__init__()
        self.bits, self.signed = checked_bits(bits, "LQ"), signed
        if bits > 4:
            raise InputError(f"learned bases are made for up to 4 bits, not {bits}")
        codes = torch.tensor(
            [[(code >> k) & 1 for k in range(bits)] for code in range(1 << bits)], dtype=torch.float32
        )
        self.codes: Tensor
        self.basis: Tensor
        self.register_buffer("codes", codes * 2 - 1 if signed else codes)
        self.register_buffer("basis", torch.full((bits,), float("nan")))

    @torch.no_grad()
    def _levels(self) -> tuple[Tensor, Tensor]:
        values = self.codes @ self.basis
        order = values.argsort()
        return values[order], self.codes[order]

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        flat = x.detach().flatten()
        flat = flat[:: max(1, flat.numel() // 50_000)]
        if bool(torch.isnan(self.basis[0])):
            spread = flat.pow(2).mean().sqrt().clamp(min=1e-6) * 2.5
            self.basis.copy_(
                spread
                * 2.0 ** torch.arange(self.bits)
                / ((1 << self.bits) - 1)
                * (0.5 if self.signed else 1.0)
            )
        if not self.training:
            return
        levels, codes = self._levels()
        b = codes[torch.bucketize(flat.contiguous(), (levels[1:] + levels[:-1]) / 2)]
        gram = b.T @ b + 1e-3 * flat.numel() * torch.eye(self.bits, device=flat.device)
        self.basis.mul_(0.9).add_(
            torch.linalg.solve(gram, b.T @ flat + 1e-3 * flat.numel() * self.basis), alpha=0.1
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        self._fit(x)
        levels, _ = self._levels()
        value = levels[torch.bucketize(x.detach(), (levels[1:] + levels[:-1]) / 2)]
        return straight_through(x.clamp(float(levels[0]), float(levels[-1])), value)


class LearnedWeight(_Learned):
    """k-bit weights with a learned basis, codes of +-1."""

    def __init__(self, bits: int):
        super().__init__(bits, True)


class LearnedActivation(_Learned):
    """k-bit activations with a learned basis, codes of 0 and 1 (non-negative where the basis is)."""

    def __init__(self, bits: int):
        super().__init__(bits, False)
