"""Training of one-bit networks in little memory (Wang, Davis, Moro, Zielinski, Coelho, Chatterjee, Cheung and
Constantinides, "Enabling Binary Neural Network Training on the Edge", 2021): no tensor of real numbers of a
feature map's size is kept for the backward pass, bits are.

`fermatnet.model.nn.low_memory` gives a network of scheme ``sign`` these layers in the place of its own, with
the same parameters under the same names, the same values in evaluation and the same export. For each element
are kept

* by the norm (`fermatnet.model.nn.bit_norm`), its output before the gain (4 bits);
* by the activation, in which third of [0, 1] |x| lies, or whether within its bound (2 bits, or 1);
* by the convolution or dense layer, its input (1 bit).

A map is read a part of the batch at a time, so that no second one stands beside it for as long as it is
packed.

The activation: forward 1 where x >= 0, else 0; backward g times 5/6, 1/2, 1/6 for the thirds of |x| up to 1,
else 0: half the polynomial of (4.2), which plain training has, in steps. One with a bound has g / 2 in it.

Weights: forward sign(w), formed again in the backward pass; backward straight through, or with
``gradient_bits=1`` sign(dw) / sqrt(fan-in), as the paper keeps weight gradients.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fermatnet.model.nn import kernels
from fermatnet.model.nn.bits import pack, parts, unpack
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.sign import SignIndex

__all__ = ["BitConv2d", "BitLinear", "BitMaxPool2d", "BitSign"]


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:
        ctx.bound, kept, out = bound, [], torch.empty_like(x)
        for part in parts(x):
            mine = x[part]
            codes = _within(mine, bound) if bound else _thirds(mine)
            kept.append(pack(codes, 1 if bound else 2))
            out[part] = mine >= 0
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        slopes = [0.0, 0.5] if ctx.bound else [0.0, 1 / 6, 1 / 2, 5 / 6]
        table = torch.tensor(slopes, dtype=g.dtype, device=g.device)
        out = torch.empty_like(g)
        for part, packed in zip(parts(g), ctx.saved_tensors, strict=True):
            codes = unpack(packed, g[part].shape, torch.uint8, 1 if ctx.bound else 2)
            out[part] = kernels.scale_by_cell(g[part], codes, table, False)[0]
        return out, None


def _thirds(x: Tensor) -> Tensor:
    """How many of 1/3, 2/3 and 1 are at least |x|."""
    return sum(_within(x, third / 3).to(torch.uint8) for third in (1, 2, 3))  # type: ignore[return-value]


def _within(x: Tensor, bound: float) -> Tensor:
    return (x <= bound) & (x >= -bound)


class BitSign(SignIndex):
    """Activation i = 1 where x >= 0, else 0; see the module."""

    def forward(self, x: Tensor) -> Tensor:
        return _Sign.apply(x, self.bound).float()


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(pack(x > 0), w)
        ctx.shape, ctx.bits = x.shape, bits
        return x @ _signs(w, x.dtype).T

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        packed, w = ctx.saved_tensors
        dw = g.T @ unpack(packed, ctx.shape, g.dtype)
        return g @ _signs(w, g.dtype) if ctx.needs_input_grad[0] else None, _kept(dw, w, ctx.bits), None


class _Convolution(torch.autograd.Function):
    """A part of the batch at a time, so that what a convolution needs beside its tensors is that of a
    part."""

    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, window: tuple[Any, ...], bits: int) -> Tensor:
        ctx.save_for_backward(pack(x > 0), w)
        ctx.window, ctx.shape, ctx.bits = window, x.shape, bits
        signs, y = _signs(w, x.dtype), None
        for part in parts(x):
            piece = functional.conv2d(x[part], signs, None, *window)
            y = _whole(piece, len(x), x) if y is None else y
            y[part] = piece
        assert y is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        packed, w = ctx.saved_tensors
        bits, signs, dw = _images(packed, ctx.shape), _signs(w, g.dtype), torch.zeros_like(w, dtype=g.dtype)
        stride, padding, dilation, groups = ctx.window
        needed, dx = ctx.needs_input_grad[0], None
        for part in parts(g):
            piece, gradient, _ = torch.ops.aten.convolution_backward(
                *(
                    g[part],
                    bits(part, g.dtype),
                    signs,
                    None,
                    stride,
                    padding,
                    dilation,
                    False,
                    [0, 0],
                    groups,
                ),
                [needed, True, False],
            )
            dw += gradient
            if needed:
                dx = _whole(piece, len(g), g) if dx is None else dx
                dx[part] = piece
        return dx, _kept(dw, w, ctx.bits), None, None


def _images(packed: Tensor, shape: torch.Size) -> Callable[[slice, torch.dtype], Tensor]:
    """What unpacks a part of the images: of whole bytes each, or (rarely) all at once before."""
    each = shape[1:].numel()
    if each % 8:
        whole = unpack(packed, shape)
        return lambda part, dtype: whole[part].to(dtype)
    rows = packed.view(shape[0], each // 8)

    def images(part: slice, dtype: torch.dtype) -> Tensor:
        mine = rows[part]
        return unpack(mine.reshape(-1), torch.Size((len(mine), *shape[1:])), dtype)

    return images


def _whole(piece: Tensor, images: int, like: Tensor) -> Tensor:
    """Room for all images, in the order of memory of ``like``."""
    last = (
        like.dim() == 4 and not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last)
    )
    order = torch.channels_last if last else torch.contiguous_format
    return torch.empty(
        (images, *piece.shape[1:]), dtype=piece.dtype, device=piece.device, memory_format=order
    )


def _signs(w: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(w >= 0, 1.0, -1.0).to(dtype)


def _kept(dw: Tensor, w: Tensor, bits: int) -> Tensor:
    """The weights' gradient as it is kept."""
    return (dw.sign() / math.sqrt(w[0].numel()) if bits == 1 else dw).to(w.dtype)


class _Bits:
    """What the two layers with weights share."""

    gradient_bits = 32


class BitConv2d(_Bits, Conv2d):
    """Convolution of bits with weights -1 and +1, without bias."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        window = (self.stride, self.padding, self.dilation, self.groups)
        return _Convolution.apply(x, self.weight, window, self.gradient_bits)


class BitLinear(_Bits, Linear):
    """Dense layer of bits (n, K) with weights -1 and +1, without bias."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return _Product.apply(x, self.weight, self.gradient_bits)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, window: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(*(pack(x[part] > 0) for part in parts(x)))
        ctx.window, ctx.shape = window, x.shape
        return functional.max_pool2d(x, *window)

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        dx = _whole(g[:0].new_empty((0, *ctx.shape[1:])), len(g), g)
        for part, packed in zip(parts(g), ctx.saved_tensors, strict=True):
            x = unpack(packed, dx[part].shape, g.dtype).requires_grad_()
            with torch.enable_grad():
                y = functional.max_pool2d(x, *ctx.window)
            dx[part] = torch.autograd.grad(y, x, g[part])[0]
        return dx, None


class BitMaxPool2d(nn.MaxPool2d):
    """Max-pooling of bits; backward to the first largest of each window, found again."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        window = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return _MaxPool.apply(input, window)
