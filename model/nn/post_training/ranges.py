"""The step with the least mean square error: between rounding, which wants small steps, and clipping, which
wants large ones."""

import math

import torch
from torch import Tensor

from fermatnet.model.nn.rounding import round_half_up

__all__ = ["FRACTIONS", "best_exponent", "best_steps"]

FRACTIONS = 8  # steps tried an octave: 2^(1/8) apart, so that the best is missed by 4.4 per cent at most
_OCTAVES = 4  # how far below the largest value clipping may go: to 1/16
_NOTHING = 2.0**-60


def best_steps(rows: Tensor, lo: int, hi: int) -> Tensor:
    """(C,) step of least square error for each row of values (C, n) as integers of [lo, hi]; 0 for a row of
    zeros."""
    need = rows.amax(1) / hi
    if lo < 0:
        need = torch.maximum(need, rows.amin(1) / lo)
    best, least = torch.zeros_like(need), torch.full_like(need, math.inf)
    for number in range(_OCTAVES * FRACTIONS):
        step = need * 2.0 ** (-number / FRACTIONS)
        wrong = _error(rows, step.clamp(min=_NOTHING).unsqueeze(1), lo, hi)
        best, least = torch.where(wrong < least, step, best), torch.minimum(wrong, least)
    return torch.where(need > _NOTHING, best, torch.zeros_like(best))


def best_exponent(x: Tensor, lo: int, hi: int, factor: float = 1.0) -> tuple[int, float]:
    """(k, mean square error) of the best step ``factor`` * 2^k for values x (any shape) as integers of [lo,
    hi].

    Where all of x is zero: the k with which values up to 1 fit.
    """
    need = max(float(x.max()) / hi, float(x.min()) / lo if lo < 0 else 0.0)
    if need < _NOTHING:
        return math.ceil(math.log2(1.0 / max(hi, -lo))), 0.0
    top = math.ceil(math.log2(need / factor) - 1e-4)
    flat = x.reshape(1, -1)
    tried = [
        (float(_error(flat, torch.tensor(factor * 2.0**k), lo, hi)) / x.numel(), k)
        for k in range(top, top - _OCTAVES, -1)
    ]
    least, k = min(tried)
    return k, least


def _error(rows: Tensor, step: Tensor, lo: int, hi: int) -> Tensor:
    """(C,) sum of squares of x - clip(floor(x / step + 1/2), lo, hi) step."""
    return (round_half_up(rows / step).clamp_(lo, hi).mul_(step).sub_(rows)).square_().sum(1)
