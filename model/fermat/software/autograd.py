"""The exact convolution as an autograd function with float64 as the carrier of integers, and a module."""

from typing import Any

import torch

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import checks as software_checks
from fermatnet.model.fermat.software.torch_ops import (
    Size,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    padding_pair,
)

__all__ = ["Conv2dFermat", "conv2d_carried"]

EXACT = 1 << 53


def _integers(name: str, t: torch.Tensor) -> torch.Tensor:
    if t.dtype != torch.float64:
        raise InputError(f"{name} must be float64 (it carries integers exactly up to 2^53), not {t.dtype}")
    if not bool((t.detach() == t.detach().round()).all()) or not bool((t.detach().abs() <= EXACT).all()):
        raise InputError(f"{name} carries a value that is not an integer within 2^53")
    return t.detach().to(torch.int64)


def _carried(name: str, t: torch.Tensor) -> torch.Tensor:
    largest = max(int(t.max()), -int(t.min()))
    if largest > EXACT:
        raise InputError(
            f"{name} reaches {largest}: float64 carries integers exactly only up to 2^53; use the integer "
            "functions"
        )
    return t.to(torch.float64)


def _short(t: torch.Tensor) -> torch.Tensor:
    """The narrowest dtype that holds the values: less to read, and a proof that they are short."""
    low, high = int(t.min()), int(t.max())
    for kind in (torch.int8, torch.int16, torch.int32):
        if torch.iinfo(kind).min <= low and high <= torch.iinfo(kind).max:
            return t.to(kind)
    return t


class _Carried(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        w: torch.Tensor,
        stride: Size,
        padding: Size,
        groups: int,
        options: dict[str, Any],
    ) -> torch.Tensor:
        xi, wi = _short(_integers("x", x)), _short(_integers("w", w))
        ctx.save_for_backward(xi, wi)
        ctx.call = (stride, padding, groups)
        ctx.options = {k: v for k, v in options.items() if k in ("threads", "memory", "backend", "method")}
        return _carried("the result", conv2d(xi, wi, stride, padding, groups, **options))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        x, w = ctx.saved_tensors
        g = _short(_integers("the output's gradient", gradients[0]))
        for_x = for_w = None
        if ctx.needs_input_grad[0]:
            for_x = _carried(
                "the input's gradient", conv2d_input_grad(tuple(x.shape), w, g, *ctx.call, **ctx.options)
            )
        if ctx.needs_input_grad[1]:
            for_w = _carried(
                "the weights' gradient", conv2d_weight_grad(x, tuple(w.shape), g, *ctx.call, **ctx.options)
            )
        return for_x, for_w, None, None, None, None


def conv2d_carried(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size = 1,
    padding: Size | str = 0,
    groups: int = 1,
    **options: Any,
) -> torch.Tensor:
    """`conv2d` with autograd: float64 tensors that carry integers in, float64 that carries the exact result
    and exact gradients out.

    InputError when a value is not an integer, or when a result or gradient passes 2^53.
    """
    return _Carried.apply(x, w, stride, padding_pair(padding, w, stride), groups, options)


class _Round(torch.autograd.Function):
    """Rounds and clamps; the gradient passes where nothing was clamped (straight through)."""

    @staticmethod
    def forward(ctx: Any, w: torch.Tensor, low: int, high: int) -> torch.Tensor:
        ctx.save_for_backward((w >= low - 0.5) & (w <= high + 0.5))
        return w.round().clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return gradients[0] * ctx.saved_tensors[0], None, None


class Conv2dFermat(torch.nn.Module):
    """2-D convolution with integer weights, exact forward and backward, no bias.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, groups: as in torch.nn.Conv2d (kernel_size,
    stride and padding an int or two).
    bits: weights are rounded and clamped to signed integers of this many bits (2 to 16); gradients pass
    straight through the rounding.
    options: threads, memory, method, backend for `conv2d`.

    `weight` is a float64 parameter (O, C / groups, kh, kw). Integer input gives an int64 result without
    gradients; float64 input that carries integers gives a float64 result that does, with exact gradients
    (2.2) and (2.3).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        groups: int = 1,
        *,
        bits: int = 8,
        **options: Any,
    ) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise InputError(f"bits must be 2 to 16, not {bits}")
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a positive integer, not {value!r}")
        if in_channels % groups or out_channels % groups:
            raise InputError(f"groups={groups} must divide {in_channels} and {out_channels} channels")
        self.kernel_size = software_checks.pair(kernel_size, "kernel_size", 1)
        self.in_channels, self.out_channels, self.groups, self.bits = in_channels, out_channels, groups, bits
        self.stride, self.padding, self.options = stride, padding, options
        limit = 1 << (bits - 1)
        weight = torch.randint(1 - limit, limit, (out_channels, in_channels // groups, *self.kernel_size))
        self.weight = torch.nn.Parameter(weight.to(torch.float64))

    def integer_weight(self) -> torch.Tensor:
        """The weights the forward pass uses, in float64, differentiable."""
        limit = 1 << (self.bits - 1)
        return _Round.apply(self.weight, -limit, limit - 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_floating_point():
            return conv2d_carried(
                x, self.integer_weight(), self.stride, self.padding, self.groups, **self.options
            )
        with torch.no_grad():
            w = self.integer_weight().to(torch.int8 if self.bits <= 8 else torch.int16)
        return conv2d(x, w, self.stride, self.padding, self.groups, **self.options)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, "
            f"groups={self.groups}, bits={self.bits}"
        )
