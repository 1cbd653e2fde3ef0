"""Training of one-bit networks in little memory (Wang, Davis, Moro, Zielinski, Coelho, Chatterjee, Cheung and
Constantinides, "Enabling Binary Neural Network Training on the Edge", 2021): no tensor of real numbers of a
feature map's size is kept for the backward pass, bits are.

`fermatnet.model.nn.low_memory` gives a network of scheme ``sign`` these layers in the place of its own, with
the same parameters under the same names, the same values in evaluation and the same export. For each element
are kept

* by the norm, the sign of u (1 bit);
* by the activation, in which third of [0, 1] |x| lies, or whether within its bound (2 bits, or 1);
* by the convolution or dense layer, its input (1 bit).

The norm, a channel of B elements y::

    forward   u = (y - m) / p,  m = mean y,  p = k mean |y - m|;  x = c u + b
    backward  du = c g,  db = sum g,  dc = sum g s / k,  s = sign(u), for mean |u| = 1 / k
              dy = (du - mean du - mean(du s) (s - mean s)) / p

which is the gradient of the l1 norm with s / k in the place of u where u is multiplied (the paper's step 3).
k = sqrt(pi / 2) makes p the standard deviation of a Gaussian, so that gains of a twin with batch norms fit.
Evaluation is that of a batch norm; its running variance follows p^2.

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
from fermatnet.model.nn.bits import pack, unpack
from fermatnet.model.nn.fixed_point import BatchNorm
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.sign import SignIndex

__all__ = ["BitConv2d", "BitLinear", "BitMaxPool2d", "BitNorm", "BitSign"]

_K = math.sqrt(math.pi / 2)  # standard deviation of a Gaussian over its mean absolute value
_PARTS = 16  # of a batch, in convolutions


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, y: Tensor, gain: Tensor, offset: Tensor, in_place: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        axes = (0, *range(2, y.dim()))
        shape = (1, -1) + (1,) * (y.dim() - 2)
        mean = y.mean(axes)
        x = y.sub_(mean.view(shape)) if in_place else y - mean.view(shape)
        if in_place:
            ctx.mark_dirty(y)
        size = (torch.linalg.vector_norm(x, 1, axes) * (_K * y.shape[1] / y.numel())).clamp(min=1e-5)
        ctx.save_for_backward(pack(x >= 0), gain, size)
        x.mul_((gain / size).view(shape)).add_(offset.view(shape))
        ctx.mark_non_differentiable(mean, size)
        return x, mean, size

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor, *_: Any):  # type: ignore[override]
        packed, gain, size = ctx.saved_tensors
        axes = (0, *range(2, g.dim()))
        shape = (1, -1) + (1,) * (g.dim() - 2)
        signs = unpack(packed, g.shape, g.dtype).mul_(2).sub_(1)
        count = g.numel() / g.shape[1]
        offset = g.sum(axes)
        slope = _dots(g, signs)
        middle = signs.mean(axes)
        # dy = (c / p) (g - mean g - mean(g u~) (u~ - mean u~)), in the memory of the signs
        signs.sub_(middle.view(shape)).mul_((-slope / count).view(shape)).add_(g)
        signs.sub_((offset / count).view(shape)).mul_((gain / size).view(shape))
        return signs, slope / _K, offset, None


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """(C,) sums of products a channel, without a tensor of their size."""
    if a.dim() == 2:
        return (a * b).sum(0)
    rows = [torch.einsum("cp,cp->c", x.flatten(1), y.flatten(1)) for x, y in zip(a, b, strict=True)]
    return torch.stack(rows).sum(0)


class BitNorm(BatchNorm):
    """Batch norm over (n, C) or (n, C, H, W) by the mean of absolute values; see the module.
    ``in_place``: it writes over its input, which nobody else may read."""

    in_place = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return self.exact(input)
        if input.numel() == input.shape[1]:
            raise ValueError(f"a norm in training needs more than one value a channel, not {input.shape}")
        # what backward hooks hand over is a view, which no function with several results may write over
        in_place = self.in_place and not input._is_view()
        x, mean, size = _Norm.apply(input, self.weight, self.bias, in_place)
        assert self.running_mean is not None and self.running_var is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
            self.running_var.lerp_((size * size).to(self.running_var.dtype), rate)
        return x


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:
        ctx.bound = bound
        if bound:
            ctx.save_for_backward(pack(_within(x, bound)))
        else:
            one, two, three = (_within(x, third / 3) for third in (1, 2, 3))
            ctx.save_for_backward(pack(one ^ two ^ three), pack(two))
        return (x >= 0).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        if ctx.bound:
            return unpack(ctx.saved_tensors[0], g.shape, g.dtype).mul_(g).mul_(0.5), None
        low, high = (unpack(bits, g.shape, torch.uint8) for bits in ctx.saved_tensors)
        thirds = high.mul_(2).add_(low)  # so many of them hold |x|
        table = torch.tensor([0, 1 / 6, 1 / 2, 5 / 6], dtype=g.dtype, device=g.device)
        return kernels.scale_by_cell(g, thirds, table, False)[0], None


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
        for part in _parts(len(x)):
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
        for part in _parts(len(g)):
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


def _parts(images: int) -> list[slice]:
    size = -(-images // _PARTS)
    return [slice(start, start + size) for start in range(0, images, size)]


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
        ctx.save_for_backward(pack(x > 0))
        ctx.window, ctx.shape = window, x.shape
        return functional.max_pool2d(x, *window)

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):  # type: ignore[override]
        x = unpack(ctx.saved_tensors[0], ctx.shape, g.dtype).requires_grad_()
        with torch.enable_grad():
            y = functional.max_pool2d(x, *ctx.window)
        return torch.autograd.grad(y, x, g)[0], None


class BitMaxPool2d(nn.MaxPool2d):
    """Max-pooling of bits; backward to the first largest of each window, found again."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        window = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return _MaxPool.apply(input, window)
