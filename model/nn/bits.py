"""Eight values of one bit in a byte: what low-memory training keeps for the backward pass."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["pack", "unpack"]


def pack(bits: Tensor) -> Tensor:
    """bool tensor of any shape -> uint8 (ceil(n / 8),), its elements in their logical order."""
    flat = bits.reshape(-1)
    if flat.device.type == "cpu":
        # cloned, so that torch's allocator owns it and memory profiles see it
        return torch.from_numpy(np.packbits(flat.numpy())).clone()
    rest = -len(flat) % 8
    padded = torch.nn.functional.pad(flat.to(torch.uint8), (0, rest)).view(-1, 8)
    return (padded << _places(flat.device)).sum(1, dtype=torch.uint8)


def unpack(packed: Tensor, shape: torch.Size, dtype: torch.dtype = torch.bool) -> Tensor:
    """The tensor of that shape again: True and False, or 1 and 0 of another type."""
    if packed.device.type == "cpu":
        flat = torch.from_numpy(np.unpackbits(packed.numpy(), count=shape.numel()))
    else:
        flat = (packed[:, None] >> _places(packed.device) & 1).view(-1)[: shape.numel()]
    return flat.view(shape).to(dtype)


def _places(device: torch.device) -> Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
