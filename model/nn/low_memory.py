"""Training of one-bit networks in little memory (Wang, Davis, Moro, Zielinski, Coelho, Chatterjee, Cheung and
Constantinides, "Enabling Binary Neural Network Training on the Edge", 2021): no tensor of real numbers of a
feature map's size is kept for the backward pass, bits are.

`low_memory` gives a network of scheme ``sign`` other layers in the place of its own, with the same parameters
under the same names, the same values in evaluation and the same export. For each element are kept

* by the norm, the sign of u (1 bit);
* by the activation, whether |x| <= 1 (1 bit);
* by the convolution or dense layer, its input (1 bit).

The norm, a channel of B elements y::

    forward   u = (y - m) / p,  m = mean y,  p = mean |y - m|;  x = c u + b
    backward  du = c g,  db = sum g,  dc = sum g u~,  u~ = sign(u), for mean |u| = 1
              dy = (du - mean du - mean(du u~) (u~ - mean u~)) / p

which is the gradient of the l1 norm with u~ in the place of u where u is multiplied (the paper's step 3).
Evaluation is that of a batch norm; its running variance follows p^2.

The activation: forward 1 where x >= 0, else 0; backward g / 2 where |x| <= 1 or its bound, else 0 (clipped
straight-through gradient, in units of a = 2 i - 1, where plain training has half the polynomial of (4.2)).

Weights: forward sign(w), formed again in the backward pass; backward straight through, or with
``gradient_bits=1`` sign(dw) / sqrt(fan-in), as the paper keeps weight gradients.
"""

import math
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.bits import pack, unpack
from fermatnet.model.nn.fixed_point import BatchNorm
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.logic import LogicJoin
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.nn.walk import trace

__all__ = ["BitConv2d", "BitLinear", "BitMaxPool2d", "BitNorm", "BitSign", "low_memory"]


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor, gain: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        axes = (0, *range(2, y.dim()))
        shape = (1, -1) + (1,) * (y.dim() - 2)
        mean = y.mean(axes)
        x = y - mean.view(shape)
        size = (torch.linalg.vector_norm(x, 1, axes) / (y.numel() / y.shape[1])).clamp(min=1e-5)
        ctx.save_for_backward(pack(x >= 0), gain, size)
        x.mul_((gain / size).view(shape)).add_(offset.view(shape))
        ctx.mark_non_differentiable(mean, size)
        return x, mean, size

    @staticmethod
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
        return signs, slope, offset


def _dots(a: Tensor, b: Tensor) -> Tensor:
    """(C,) sums of products a channel, without a tensor of their size."""
    if a.dim() == 2:
        return (a * b).sum(0)
    rows = [torch.einsum("cp,cp->c", x.flatten(1), y.flatten(1)) for x, y in zip(a, b, strict=True)]
    return torch.stack(rows).sum(0)


class BitNorm(BatchNorm):
    """Batch norm over (n, C) or (n, C, H, W) by the mean of absolute values; see the module."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return self.exact(input)
        x, mean, size = _Norm.apply(input, self.weight, self.bias)
        assert self.running_mean is not None and self.running_var is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore
        with torch.no_grad():
            self.running_mean.lerp_(mean, rate)
            self.running_var.lerp_(size * size, rate)
        return x


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(pack(x.abs() <= bound))
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        return unpack(ctx.saved_tensors[0], g.shape, g.dtype).mul_(g).mul_(0.5), None


class BitSign(SignIndex):
    """Activation i = 1 where x >= 0, else 0; see the module."""

    def forward(self, x: Tensor) -> Tensor:
        return _Sign.apply(x, self.bound or 1.0).float()


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, w: Tensor, window: tuple[Any, ...] | None, bits: int) -> Tensor:
        ctx.save_for_backward(pack(x > 0), w)
        ctx.window, ctx.shape, ctx.bits = window, x.shape, bits
        signs = torch.where(w >= 0, 1.0, -1.0).to(x.dtype)
        return x @ signs.T if window is None else functional.conv2d(x, signs, None, *window)

    @staticmethod
    def backward(ctx, g: Tensor):  # type: ignore[override]
        packed, w = ctx.saved_tensors
        x, signs = unpack(packed, ctx.shape, g.dtype), torch.where(w >= 0, 1.0, -1.0).to(g.dtype)
        needed = ctx.needs_input_grad
        if ctx.window is None:
            dx, dw = g @ signs if needed[0] else None, g.T @ x
        else:
            stride, padding, dilation, groups = ctx.window
            dx, dw, _ = torch.ops.aten.convolution_backward(
                g, x, signs, None, stride, padding, dilation, False, [0, 0], groups, [needed[0], True, False]
            )
        if ctx.bits == 1:
            dw = dw.sign() / math.sqrt(w[0].numel())
        return dx, dw.to(w.dtype), None, None


class _Bits:
    """What the two layers with weights share."""

    gradient_bits = 32

    def product(self, x: Tensor, window: tuple[Any, ...] | None) -> Tensor:
        return _Product.apply(x, self.weight, window, self.gradient_bits)  # type: ignore[attr-defined]


class BitConv2d(_Bits, Conv2d):
    """Convolution of bits with weights -1 and +1, without bias."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return self.product(x, (self.stride, self.padding, self.dilation, self.groups))


class BitLinear(_Bits, Linear):
    """Dense layer of bits (n, K) with weights -1 and +1, without bias."""

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, None) if self.training else super().forward(x)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, window: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(pack(x > 0))
        ctx.window, ctx.shape = window, x.shape
        return functional.max_pool2d(x, *window)

    @staticmethod
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


_TWINS: dict[type[nn.Module], type[nn.Module]] = {
    SignIndex: BitSign,
    Conv2d: BitConv2d,
    Linear: BitLinear,
    nn.MaxPool2d: BitMaxPool2d,
}


def low_memory(model: nn.Module, *, gradient_bits: int = 32) -> nn.Module:
    """``model``, its layers changed in place to those of this module wherever the function is the same: norms
    before a sign, signs, convolutions, dense layers and max-pools of bits.

    gradient_bits : of the weights' gradients, 32 or 1 (their signs)

    Raises InputError for other bits, and for a network without one layer of bits.
    """
    if gradient_bits not in (1, 32):
        raise InputError(f"gradient_bits must be 1 or 32, not {gradient_bits!r}")
    graph, bits, changed = trace(model), set[fx.Node](), 0
    modules = dict(model.named_modules())
    for node in graph.nodes:
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        read = all(source in bits for source in node.all_input_nodes)
        if isinstance(layer, SignIndex | LogicJoin) or (read and _moves(node, layer)):
            bits.add(node)
        if _fits(layer, read, node, modules):
            assert layer is not None
            layer.__class__ = BitNorm if type(layer) is BatchNorm else _TWINS[type(layer)]
            changed += not isinstance(layer, nn.MaxPool2d)
        if isinstance(layer, _Bits):
            layer.gradient_bits = gradient_bits
    if not changed:
        raise InputError(
            f"{type(model).__name__} has no layer of bits, low-memory training is of the scheme sign: build "
            "it with that scheme"
        )
    return model


def _moves(node: fx.Node, layer: nn.Module | None) -> bool:
    """Whether a step hands bits on as bits."""
    if node.op == "call_module":
        return isinstance(layer, Move | nn.MaxPool2d | nn.Identity | nn.Flatten)
    return node.target in (torch.cat, torch.flatten, "flatten")


def _fits(layer: nn.Module | None, read: bool, node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a layer has a twin here that computes the same."""
    if type(layer) is BatchNorm:
        readers = [modules.get(str(user.target)) for user in node.users]
        return layer.affine and layer.track_running_stats and all(isinstance(r, SignIndex) for r in readers)
    if isinstance(layer, Conv2d | Linear):
        return read and type(layer) in _TWINS and layer.bias is None and type(layer.quantizer) is SignWeight
    return type(layer) is SignIndex or (type(layer) is nn.MaxPool2d and read)
