"""Codes of 1, 2 or 4 bits, eight, four or two in a byte: what low-memory training keeps for the backward
pass."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["pack", "parts", "unpack"]

_PARTS = 16  # of a batch


def pack(codes: Tensor, bits: int = 1) -> Tensor:
    """uint8 codes below 2^bits (bool ones for one bit) of any shape -> uint8 (ceil(n bits / 8),), in their
    logical order. bits: 1, 2 or 4."""
    flat = codes.reshape(-1)
    if flat.device.type == "cpu" and bits == 1:
        # cloned, so that torch's allocator owns it and memory profiles see it
        return torch.from_numpy(np.packbits(flat.numpy())).clone()
    shifts = _shifts(bits, flat.device)
    rest = -len(flat) % len(shifts)
    padded = torch.nn.functional.pad(flat.to(torch.uint8), (0, rest)).view(-1, len(shifts))
    return (padded << shifts).sum(1, dtype=torch.uint8)


def unpack(packed: Tensor, shape: torch.Size, dtype: torch.dtype = torch.bool, bits: int = 1) -> Tensor:
    """The tensor of that shape again: codes (of one bit: True and False, or 1 and 0) of type ``dtype``."""
    if packed.device.type == "cpu" and bits == 1:
        flat = torch.from_numpy(np.unpackbits(packed.numpy(), count=shape.numel()))
    else:
        codes = packed[:, None] >> _shifts(bits, packed.device) & (1 << bits) - 1
        flat = codes.view(-1)[: shape.numel()]
    return flat.view(shape).to(dtype)


def parts(x: Tensor) -> list[slice]:
    """Of the batch of ``x``, at most 16."""
    size = max(1, -(-len(x) // _PARTS))
    return [slice(start, start + size) for start in range(0, len(x), size)]


def _shifts(bits: int, device: torch.device) -> Tensor:
    return torch.arange(8 - bits, -1, -bits, dtype=torch.uint8, device=device)
