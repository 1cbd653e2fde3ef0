"""Layers of the twin that move values and change none: an order of channels, rows and columns, zeros among
them, pixel shuffle, another shape.

A tensor of the twin is (n, C, H, W) or (n, C). Every layer does the same to real numbers, to int64 tensors
and to piece indices (zero is index 0); `channels` does it to one number a channel, the exponents.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError

__all__ = ["Gather", "Insert", "Move", "PixelShuffle", "PixelUnshuffle", "Reshape"]


class Move(nn.Module):
    """One rearrangement."""

    def channels(self, exponent: Tensor) -> Tensor:
        """Numbers (C,) of the input's channels as those of the output's; InputError where channels that
        become one have different ones."""
        return exponent


class Gather(Move):
    """``y[c, i, j] = x[order[c], rows[i], columns[j]]``, zero where one of the three is -1: channel shuffle,
    chunk, slice, flip, padding of every mode, nearest upsampling.

    None stands for all in their order.
    """

    def __init__(
        self,
        order: Sequence[int] | None = None,
        rows: Sequence[int] | None = None,
        columns: Sequence[int] | None = None,
    ):
        super().__init__()
        self.places = tuple(None if one is None else tuple(map(int, one)) for one in (order, rows, columns))

    @property
    def zeros(self) -> bool:
        """Whether zeros come in that are no values of the input."""
        return any(one is not None and -1 in one for one in self.places)

    def forward(self, x: Tensor) -> Tensor:
        for axis, places in enumerate(self.places, 1):
            if places is None:
                continue
            index = torch.tensor(places, device=x.device)
            x = x.index_select(axis, index.clamp(min=0))
            if -1 in places:
                kept = (index >= 0).view(-1, *[1] * (x.dim() - axis - 1))
                x = torch.where(kept, x, torch.zeros((), dtype=x.dtype, device=x.device))
        return x

    def channels(self, exponent: Tensor) -> Tensor:
        order = self.places[0]
        return exponent if order is None else exponent[torch.tensor(order).clamp(min=0)]

    def extra_repr(self) -> str:
        names = ("channels", "rows", "columns")
        found = zip(names, self.places, strict=True)
        return ", ".join(f"{name} {_shown(one)}" for name, one in found if one is not None)


def _shown(places: tuple[int, ...]) -> str:
    text = " ".join(map(str, places))
    return text if len(text) <= 24 else f"{text[:20]} ..."


class Insert(Move):
    """Zeros after every pixel, so that each becomes ``factor`` = (rows, columns) pixels: what a transposed
    convolution slides over."""

    def __init__(self, factor: tuple[int, int]):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = self.factor
        n, channels, height, width = x.shape
        apart = x.reshape(n, channels, height, 1, width, 1)
        return functional.pad(apart, (0, columns - 1, 0, 0, 0, rows - 1)).reshape(
            n, channels, height * rows, width * columns
        )

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


class PixelShuffle(Move):
    """Channel ``c b^2 + i b + j`` becomes pixel (i, j) of each b x b block of channel c."""

    def __init__(self, block: int):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(*x.shape[:2], 1, 1) if x.dim() == 2 else x
        return functional.pixel_shuffle(x, self.block)

    def channels(self, exponent: Tensor) -> Tensor:
        rows = exponent.reshape(-1, self.block**2)
        if bool((rows != rows[:, :1]).any()):
            raise InputError("its input channels have different units; put a convolution or a norm before it")
        return rows[:, 0]

    def extra_repr(self) -> str:
        return f"block={self.block}"


class PixelUnshuffle(Move):
    """Pixel (i, j) of each b x b block of channel c becomes channel ``c b^2 + i b + j``."""

    def __init__(self, block: int):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_unshuffle(x, self.block)

    def channels(self, exponent: Tensor) -> Tensor:
        return exponent.repeat_interleave(self.block**2)

    def extra_repr(self) -> str:
        return f"block={self.block}"


class Reshape(Move):
    """The same values in the same order as (n, *dims): a flattened map, or a vector as a map of one pixel.

    ``area``: pixels of the input's channels that become channels of their own; 1 where none do.
    """

    def __init__(self, dims: tuple[int, ...], area: int = 1):
        super().__init__()
        self.dims, self.area = dims, area

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.dims)

    def channels(self, exponent: Tensor) -> Tensor:
        return exponent.repeat_interleave(self.area)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
