"""Evenly spaced levels of k bits between fixed ends: DoReFa-Net."""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.signs import signs
from fermatnet.model.nn.rounding import straight_through

__all__ = ["DorefaActivation", "DorefaWeight", "checked_bits"]


def _steps(x: Tensor, bits: int) -> Tensor:
    """Round [0, 1] to 2^bits levels, straight through."""
    top = (1 << bits) - 1
    return straight_through(x, torch.round(x * top) / top)


def checked_bits(count: int, what: str) -> int:
    """The count itself, 1 to 16; else InputError about ``what``."""
    if not 1 <= count <= 16:
        raise InputError(f"{what} takes 1 to 16 bits, not {count}")
    return count


class DorefaWeight(nn.Module):
    """2 Q(tanh W / (2 max |tanh W|) + 1/2) - 1 with k bits; 1 bit: sign(W) mean |W|; straight through Q
    (DoReFa, Zhou et al. 2016)."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = checked_bits(bits, "DoReFa")

    def forward(self, w: Tensor) -> Tensor:
        if self.bits == 1:
            return straight_through(w, signs(w.detach()) * w.detach().abs().mean())
        t = torch.tanh(w)
        return 2 * _steps(t / (2 * t.detach().abs().max()) + 0.5, self.bits) - 1


class DorefaActivation(nn.Module):
    """Q(clip(x, 0, 1)) with k bits (DoReFa)."""

    def __init__(self, bits: int):
        super().__init__()
        self.bits = checked_bits(bits, "DoReFa")

    def forward(self, x: Tensor) -> Tensor:
        return _steps(x.float().clamp(0, 1), self.bits)
