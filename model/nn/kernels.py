"""Elementwise kernels that the piecewise quantizers are made of: which cell a value lies in, a table read by
cell, sums by cell.

A *cell* is the interval between two neighbouring boundaries; boundaries are half-open on the right (a value
equal to a boundary belongs to the cell on its right). Only the cell number, one byte an element, is kept for
the backward pass.

On CPU tensors of float32 each kernel is one pass over memory, compiled by numba where it is installed;
elsewhere (other devices, other types, no numba) the same function is a few torch operators. Both give the
same numbers; the sums differ in rounding only (the compiled one adds up 4096 elements in float32 vectors,
those sums in float64).
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["cell_sums", "cells", "compiled", "look_up", "mask", "quantize", "round_clip", "scale_by_cell"]


@cache
def compiled() -> Any:
    """The module of compiled kernels, or None where numba is missing."""
    try:
        from fermatnet.model.nn import compiled as module
    except ImportError:
        return None
    return module


def _flat(x: Tensor) -> Tensor:
    """One-dimensional view of a dense tensor in the order of its memory (contiguous or channels-last)."""
    if x.is_contiguous():
        return x.view(-1)
    return x.permute(0, 2, 3, 1).reshape(-1)


def _dense(x: Tensor) -> Tensor:
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def _fast(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and compiled() is not None


def cells(x: Tensor, boundaries: Tensor) -> Tensor:
    """uint8 tensor like ``x``: the number of boundaries that are <= x. boundaries: ascending, at most 255,
    same type as x."""
    if _fast(x):
        x = _dense(x)
        out = torch.empty_like(x, dtype=torch.uint8)
        compiled().cells(_flat(x).numpy(), boundaries.detach().numpy(), _flat(out).numpy())
        return out
    return torch.bucketize(x.contiguous(), boundaries, right=True, out_int32=True).to(torch.uint8)


def quantize(x: Tensor, boundaries: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """(table[cell], cell) for every element: the forward pass, one read of ``x``."""
    if _fast(x):
        x = _dense(x)
        cell, out = torch.empty_like(x, dtype=torch.uint8), torch.empty_like(x)
        compiled().quantize(
            _flat(x).numpy(),
            boundaries.detach().numpy(),
            table.detach().numpy(),
            _flat(cell).numpy(),
            _flat(out).numpy(),
        )
        return out, cell
    index = torch.bucketize(x.contiguous(), boundaries, right=True, out_int32=True)
    return table[index], index.to(torch.uint8)


def cell_sums(g: Tensor, cell: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sum of ``g`` and number of elements in each of ``count`` cells, float64 both."""
    if _fast(g):
        g = g.contiguous(memory_format=torch.channels_last) if not cell.is_contiguous() else g.contiguous()
        sums, counts = compiled().cell_sums(_flat(g).numpy(), _flat(cell).numpy(), count)
        return torch.from_numpy(sums), torch.from_numpy(counts)
    index = cell.reshape(-1).long()  # the logical order, as g below
    return (
        torch.zeros(count, dtype=torch.float64, device=g.device).index_add_(0, index, g.reshape(-1).double()),
        torch.bincount(index, minlength=count).double(),
    )


def round_clip(x: Tensor, step: float, lo: int, hi: int) -> tuple[Tensor, Tensor]:
    """(clip(floor(x/step + 1/2), lo, hi) * step, whether x/step lies in [lo, hi]); step a power of two."""
    if _fast(x):
        x = _dense(x)
        out, inside = torch.empty_like(x), torch.empty_like(x, dtype=torch.bool)
        compiled().round_clip(_flat(x).numpy(), step, lo, hi, _flat(out).numpy(), _flat(inside).numpy())
        return out, inside
    ratio = x / step
    return torch.floor(ratio + 0.5).clamp(lo, hi) * step, (ratio >= lo) & (ratio <= hi)


def mask(g: Tensor, inside: Tensor) -> Tensor:
    """g where ``inside``, else 0."""
    if _fast(g):
        g = g.contiguous(memory_format=torch.channels_last) if not inside.is_contiguous() else g.contiguous()
        out = torch.empty_like(g)
        compiled().mask(_flat(g).numpy(), _flat(inside).numpy(), _flat(out).numpy())
        return out
    return g * inside


def look_up(cell: Tensor, table: Tensor) -> Tensor:
    """table[cell] for every element."""
    if cell.device.type == "cpu" and table.dtype == torch.float32 and compiled() is not None:
        out = torch.empty_like(cell, dtype=table.dtype)
        compiled().look_up(_flat(cell).numpy(), table.detach().numpy(), _flat(out).numpy())
        return out
    return table[cell.int()]


def scale_by_cell(g: Tensor, cell: Tensor, table: Tensor, sums: bool) -> tuple[Tensor, Tensor | None]:
    """(g * table[cell], sums of g by cell or None): the backward pass, one read of ``g``."""
    if _fast(g):
        g = g.contiguous(memory_format=torch.channels_last) if not cell.is_contiguous() else g.contiguous()
        out = torch.empty_like(g)
        total = compiled().scale_by_cell(
            _flat(g).numpy(), _flat(cell).numpy(), table.detach().numpy(), _flat(out).numpy(), sums
        )
        return out, torch.from_numpy(total) if sums else None
    out = g * table[cell.int()]
    return out, cell_sums(g, cell, len(table))[0] if sums else None
