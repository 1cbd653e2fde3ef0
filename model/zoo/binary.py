"""One-bit (and few-bit) convolution with the gradients of chapter 4, and the joins that add tensors up.

Every architecture of chapters 4 and 5 is made of these: a *unit* (activation quantizer, convolution, batch
norm), and `Sum`, `Join`, `Concat`. The joins are modules, not operators, so that `complexity` can see them in
the real network.
"""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fermatnet.model.errors import InputError

__all__ = [
    "BinaryConv2d",
    "Concat",
    "ConvUnit",
    "Join",
    "Sum",
    "check_bits",
    "quantize_unit",
    "refuse_tracing",
    "sign_activation",
    "sign_weight",
]


class _SignActivation(torch.autograd.Function):
    """Forward: +1 where x >= 0, else -1.  Backward (4.2): 2 + 2x on [-1, 0), 2 - 2x on [0, 1), else 0."""

    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return gradient * (2 - 2 * x.abs()).clamp_min(0)


class _SignWeight(torch.autograd.Function):
    """Forward (4.1): s * sign(w), s = mean |w| of each output channel.  Backward: s times the gradient."""

    @staticmethod
    def forward(context, weight: Tensor) -> Tensor:
        scale = weight.abs().mean(dim=(1, 2, 3), keepdim=True)
        context.save_for_backward(scale)
        return torch.where(weight >= 0, scale, -scale)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        (scale,) = context.saved_tensors
        return gradient * scale


class _RoundUnit(torch.autograd.Function):
    """Forward: x in [0, 1] to the nearest of 2^bits steps.  Backward: straight through (DoReFa-Net)."""

    @staticmethod
    def forward(context, x: Tensor, bits: int) -> Tensor:
        steps = 2**bits - 1
        return torch.round(x * steps) / steps

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def sign_activation(x: Tensor) -> Tensor:
    """+1 or -1, with the piecewise-linear gradient (4.2)."""
    return _SignActivation.apply(x)


def sign_weight(weight: Tensor) -> Tensor:
    """Binary weights with one scale an output channel (4.1); weight (O, I, kh, kw)."""
    return _SignWeight.apply(weight)


def quantize_unit(x: Tensor, bits: int) -> Tensor:
    """x in [0, 1] rounded to 2^bits levels, straight-through gradient."""
    return _RoundUnit.apply(x, bits)


def refuse_tracing(x: Any, module: nn.Module, reason: str) -> None:
    """`InputError` with the module's name where an export follows the graph through a layer that has no
    hardware."""
    if isinstance(x, fx.Proxy):
        try:
            name = x.tracer.path_of_module(module)  # type: ignore[attr-defined]
        except (NameError, AttributeError):
            name = type(module).__name__
        raise InputError(f"layer {name!r} ({type(module).__name__}) cannot be exported: {reason}")


def check_bits(bits: int) -> int:
    """The bits themselves, 1 to 8 or 32; else InputError."""
    if bits != 32 and not 1 <= bits <= 8:
        raise InputError(f"bits must be 1 to 8, or 32 for full precision, not {bits}")
    return bits


class BinaryConv2d(nn.Conv2d):
    """Convolution whose input and weights have ``bits`` bits: 1 = signs (4.1, 4.2), 2..8 = DoReFa-Net, 32 =
    real with ReLU.

    Takes the real activations and quantizes them itself. ``padding_value`` is what the border holds after the
    sign:
    0 as PyTorch pads (the border adds nothing) or -1, which stays within one bit and so maps to the
    AND-popcount array.
    No bias: a batch norm always follows. Shapes as `torch.nn.Conv2d`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        if padding_value not in (0, -1):
            raise InputError(f"padding_value must be 0 or -1, not {padding_value}")
        super().__init__(
            channels_in,
            channels_out,
            kernel,
            stride=stride,
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
            bias=False,
        )
        self.bits = check_bits(bits)
        self.border = dilation * (kernel - 1) // 2
        self.padding_value = padding_value

    def activation(self, x: Tensor) -> Tensor:
        """The quantized input: signs, a rectifier (32 bits), or uniform levels of 0 to 1."""
        if self.bits == 1:
            return sign_activation(x)
        if self.bits == 32:
            return functional.relu(x)
        return quantize_unit(x.clamp(0, 1), self.bits)

    def quantized_weight(self) -> Tensor:
        """The quantized weight: signs, itself (32 bits), or uniform levels of -1 to 1 (DoReFa-Net,
        equation 9)."""
        if self.bits == 1:
            return sign_weight(self.weight)
        if self.bits == 32:
            return self.weight
        bounded = torch.tanh(self.weight)
        bounded = bounded / bounded.abs().max().clamp_min(1e-8)
        return 2 * quantize_unit(bounded / 2 + 0.5, self.bits) - 1

    def forward(self, x: Tensor) -> Tensor:
        refuse_tracing(
            x, self, "its batch norm and shortcuts are real-valued; build the network with how=scheme('sign')"
        )
        x = self.activation(x)
        border = self.border
        if self.bits == 1 and self.padding_value == -1 and border:
            x = functional.pad(x, (border, border, border, border), value=-1.0)
            border = 0
        return functional.conv2d(x, self.quantized_weight(), None, self.stride, border, self.dilation, 1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bits={self.bits}, padding_value={self.padding_value}"


class Sum(nn.Module):
    """Element-wise sum of tensors of one shape: a shortcut (the circled plus of figure 5.1)."""

    def forward(self, *tensors: Tensor) -> Tensor:
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        return total


class Join(nn.Module):
    """Where the columns of a fractal block meet: their mean (as FractalNet does) or their sum."""

    def __init__(self, kind: str = "mean") -> None:
        super().__init__()
        if kind not in ("mean", "sum"):
            raise InputError(f"join must be 'mean' or 'sum', not {kind!r}")
        self.kind = kind

    def forward(self, *tensors: Tensor) -> Tensor:
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        return total / len(tensors) if self.kind == "mean" else total


class Concat(nn.Module):
    """Channels of all inputs one after the other: a dense connection."""

    def forward(self, *tensors: Tensor) -> Tensor:
        return torch.cat(tensors, dim=1)


class ConvUnit(nn.Module):
    """Quantize, convolve, normalise, and where asked add the input back: ``y = BN(conv(q(x))) [+ x]``.

    The residual form is F_1^R of (5.1); without it, F_1^D of (5.3). ``order="preactivation"`` puts the batch
    norm in front, as dense blocks do: ``y = conv(q(BN(x)))``.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        bits: int = 1,
        padding_value: int = 0,
        residual: bool = False,
        order: str = "postnorm",
    ) -> None:
        super().__init__()
        if residual and (channels_in != channels_out or stride != 1):
            raise InputError(
                f"a residual needs equal shapes, not {channels_in} -> {channels_out} channels at stride "
                f"{stride}"
            )
        if order not in ("postnorm", "preactivation"):
            raise InputError(f"order must be 'postnorm' or 'preactivation', not {order!r}")
        self.order = order
        self.conv = BinaryConv2d(
            channels_in,
            channels_out,
            kernel,
            stride=stride,
            dilation=dilation,
            bits=bits,
            padding_value=padding_value,
        )
        self.norm = nn.BatchNorm2d(channels_in if order == "preactivation" else channels_out)
        self.sum = Sum() if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.norm(x)) if self.order == "preactivation" else self.norm(self.conv(x))
        return self.sum(y, x) if self.sum is not None else y
