"""Evenly spaced levels of k bits: DoReFa-Net, PACT, SAWB."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.signs import signs
from fermatnet.model.nn.rounding import straight_through

__all__ = ["DorefaActivation", "DorefaWeight", "PactActivation", "SawbWeight", "checked_bits"]


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


class PactActivation(nn.Module):
    """clip(x, 0, a) in k bits, a learned: da = sum of g where x >= a (PACT, Choi et al. 2018)."""

    def __init__(self, bits: int, start: float = 3.0):
        super().__init__()
        self.bits = checked_bits(bits, "PACT")
        self.clip = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        top = self.clip.abs().clamp(min=1e-3)
        return _steps(torch.minimum(x.float().clamp(min=0), top) / top, self.bits) * top


class SawbWeight(nn.Module):
    """Uniform in [-a, a] with 2^k levels (no zero at k = 2), a = c1 sqrt(E W^2) + c2 E |W|; straight through
    inside (SAWB, Choi et al. 2019)."""

    COEFFICIENTS: ClassVar = {2: (3.12, -2.064), 3: (7.509, -6.892), 4: (12.68, -12.80)}

    def __init__(self, bits: int):
        super().__init__()
        if bits not in self.COEFFICIENTS:
            raise InputError(f"SAWB has coefficients for 2, 3 and 4 bits, not {bits}")
        self.bits = bits

    def forward(self, w: Tensor) -> Tensor:
        c1, c2 = self.COEFFICIENTS[self.bits]
        data = w.detach()
        a = (c1 * data.pow(2).mean().sqrt() + c2 * data.abs().mean()).clamp(min=1e-8)
        inside = torch.minimum(torch.maximum(w, -a), a)
        return (2 * _steps(inside / (2 * a) + 0.5, self.bits) - 1) * a
