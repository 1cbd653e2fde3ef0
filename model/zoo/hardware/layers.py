"""Layers that chapters 4 to 6 need beyond those of `fermatnet.model.nn`, in forms that export bit for bit."""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.coded import CodedWeight
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.piecewise import PiecewiseWeight
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.zoo.reaf import combinations

__all__ = ["MaskedWeight", "MeanWindow", "convolution", "reaf_hardware"]


class MaskedWeight(nn.Module):
    """A quantizer for a kernel of which only the weights in ``mask`` exist; the others are exactly zero.

    The base quantizer sees the existing weights alone, so its statistics are theirs.
    """

    mask: Tensor

    def __init__(self, base: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.base = base
        self.register_buffer("mask", mask, persistent=False)
        if isinstance(base, PiecewiseWeight):
            self.pieces = self._pieces
        if hasattr(base, "integers"):  # those without stay in full precision, here too
            self.integers = self._integers
        if isinstance(base, CodedWeight):
            self.parts = self._parts

    def forward(self, w: Tensor) -> Tensor:
        return torch.zeros_like(w).masked_scatter(self.mask, self.base(w[self.mask]))

    @torch.no_grad()
    def _pieces(self, w: Tensor) -> tuple[Tensor, Tensor, int]:
        codes, levels, exponent = self.base.pieces(w[self.mask])  # type: ignore[operator]
        full = torch.full(w.shape, (len(levels) - 1) // 2, dtype=torch.uint8)
        return full.masked_scatter(self.mask, codes), levels, exponent

    @torch.no_grad()
    def _parts(self, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        codes, factor, exponent = self.base.parts(w[self.mask])  # type: ignore[operator]
        return torch.zeros(w.shape, dtype=torch.int64).masked_scatter(self.mask, codes), factor, exponent

    @torch.no_grad()
    def _integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        values, exponent = self.base.integers(w[self.mask])  # type: ignore[operator]
        return torch.zeros(w.shape, dtype=torch.int64).masked_scatter(self.mask, values), exponent


class _Ones(nn.Module):
    """Quantizer of a kernel that is all ones."""

    def forward(self, w: Tensor) -> Tensor:
        return torch.ones_like(w)

    def integers(self, w: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(w.shape, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)


class MeanWindow(Conv2d):
    """Sum over overlapping k x k windows, stride 1, border 0: average pooling up to 1/k^2, which the norm
    after it absorbs.

    A depthwise convolution of ones, since the hardware's sum pool takes disjoint windows.
    """

    def __init__(self, channels: int, kernel: int = 3, *, input_bits: int = 12) -> None:
        super().__init__(
            channels,
            channels,
            kernel,
            1,
            kernel // 2,
            groups=channels,
            bias=False,
            quantizer=_Ones(),
            input_bits=input_bits,
        )
        self.weight.requires_grad_(False).fill_(1.0)


def convolution(
    how: Scheme,
    channels_in: int,
    channels_out: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> Conv2d:
    """An inner convolution of a scheme, with dilation."""
    shape = (channels_out, channels_in // groups, kernel, kernel)
    return Conv2d(
        channels_in,
        channels_out,
        kernel,
        stride,
        dilation * (kernel - 1) // 2,
        dilation=dilation,
        groups=groups,
        bias=False,
        quantizer=how.weight(shape),
    )


def reaf_hardware(
    how: Scheme,
    channels_in: int,
    channels_out: int,
    kernel: int,
    groups_in: int,
    merged: int,
    *,
    stride: int = 1,
) -> Conv2d:
    """REAF for the hardware: a group convolution for G_M = 1, else an ordinary one whose absent weights are
    zero."""
    chosen = combinations(groups_in, merged)
    if channels_in % groups_in or channels_out % len(chosen):
        raise InputError(
            f"REAF {groups_in}-{merged}-{len(chosen)} does not divide {channels_in} input and "
            f"{channels_out} output channels"
        )
    if merged == 1:
        return convolution(how, channels_in, channels_out, kernel, stride=stride, groups=groups_in)
    masked = convolution(how, channels_in, channels_out, kernel, stride=stride)
    mask = torch.zeros(masked.weight.shape, dtype=torch.bool)
    rows, size = channels_out // len(chosen), channels_in // groups_in
    for group, combination in enumerate(chosen):
        for part in combination:
            mask[group * rows : (group + 1) * rows, part * size : (part + 1) * size] = True
    if masked.quantizer is not None:
        masked.quantizer = MaskedWeight(masked.quantizer, mask)
    else:
        masked.quantizer = MaskedWeight(nn.Identity(), mask)
    return masked
