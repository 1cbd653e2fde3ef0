"""The torch operator: exact integer convolution, both of its gradients, and a module.

torch does not differentiate integer tensors. So there are two ways in, and no third:

* integer tensors: `conv2d`, `conv2d_input_grad` and `conv2d_weight_grad` take and return them, for training
  loops written in integers;
* float64 tensors whose values are integers: `conv2d_carried` (and `Conv2dFermat`) is an autograd function
  with float64 as the carrier. Values and gradients are checked to be integers below 2^53, where float64 is
  exact, and refused otherwise, so nothing is ever rounded.

Tensors on a CPU go to the compiled backend without a copy; tensors on a GPU to the array backend in torch
(`software_generic`).
"""

from typing import Any

import numpy as np
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import checks as software_checks
from fermatnet.model.fermat.software import convolution as software_convolution
from fermatnet.model.fermat.software import generic as software_generic
from fermatnet.model.fermat.software import gradient as software_gradient
from fermatnet.model.fermat.software import phases as software_phases
from fermatnet.model.fermat.software.plan import choose
from fermatnet.model.fermat.software.weights import Weights

__all__ = ["Conv2dFermat", "conv2d", "conv2d_carried", "conv2d_input_grad", "conv2d_weight_grad", "explain"]

EXACT = 1 << 53
Size = int | tuple[int, int]


def _array(name: str, t: Any) -> np.ndarray:
    if not isinstance(t, torch.Tensor):
        raise InputError(f"{name} must be a torch tensor, not {type(t).__name__}")
    if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
        raise InputError(
            f"{name} must hold integers, not {t.dtype}: quantise it first (conv2d_carried takes float64 "
            "that carries integers)"
        )
    return t.detach().cpu().numpy()


def _padding(padding: Any, w: Any, stride: Any) -> Any:
    if padding == "valid":
        return 0
    if padding == "same":
        sides = (w.shape[2], w.shape[3])
        if stride not in (1, (1, 1)) or not (sides[0] % 2 and sides[1] % 2):
            raise InputError('padding="same" needs stride 1 and odd kernels')
        return sides[0] // 2, sides[1] // 2
    return padding


def conv2d(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size = 1,
    padding: Size | str = 0,
    groups: int = 1,
    *,
    dtype: torch.dtype = torch.int64,
    backend: str = "auto",
    **options: Any,
) -> torch.Tensor:
    """Cross-correlation (2.1) of integer tensors, exact: x (n, C, H, W), w (O, C / groups, kh, kw) -> (n, O,
    OH, OW).

    stride, padding: an int or two; padding may be "same" (stride 1, odd kernels) or "valid". dtype:
    torch.int64, or torch.int32 where the bound allows.
    backend: "auto", "compiled", "numpy" or "torch" (the tensors' own device). Other options (threads, memory,
    moduli, length, method, x_range, cache, profile) as in `convolution.convolve`. InputError for
    anything that is not exact or does not fit together.
    """
    if dtype not in (torch.int64, torch.int32):
        raise InputError(f"dtype must be torch.int64 or torch.int32, not {dtype}")
    on_device = isinstance(x, torch.Tensor) and x.device.type != "cpu"
    if backend == "torch" or (backend == "auto" and on_device):
        return _on_device(x, w, stride, _padding(padding, w, stride), groups, **options).to(dtype)
    options.setdefault("threads", torch.get_num_threads())
    out = software_convolution.convolve(
        _array("x", x), _array("w", w), stride, _padding(padding, w, stride), groups,
        backend=backend, dtype=np.int64 if dtype == torch.int64 else np.int32, **options,
    )  # fmt: skip
    return torch.from_numpy(out).to(x.device)


def _on_device(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size,
    padding: Size,
    groups: int,
    *,
    memory: int = software_convolution.DEFAULT_MEMORY,
    x_range: tuple[int, int] | None = None,
    **options: Any,
) -> torch.Tensor:
    """The array backend on the tensors' device; shapes are checked, and the bound is taken, as on the CPU."""
    for name, tensor in (("x", x), ("w", w)):
        if not isinstance(tensor, torch.Tensor):
            raise InputError(f"{name} must be a torch tensor, not {type(tensor).__name__}")
    sides, pads, out_size = software_checks.check_convolution(x, w, stride, padding, groups)
    low, high = int(x.min()), int(x.max())
    bounds = x_range or (min(low, 0), max(high, 0))
    if low < bounds[0] or high > bounds[1]:
        raise InputError(f"x lies in [{low}, {high}], outside x_range {tuple(bounds)}")
    kernel = (w.shape[2], w.shape[3])
    if sides != (1, 1):
        x, w = (
            software_phases.space_to_depth(x, kernel, sides, pads, out_size),
            software_phases.taps_to_depth(w, sides),
        )
        pads, kernel = (0, 0), (w.shape[2], w.shape[3])
    ins, outs = x.shape[1] // groups, w.shape[0] // groups
    parts = []
    for g in range(groups):
        part = w[g * outs : (g + 1) * outs]
        interval = Weights(part.cpu().numpy()).interval(*bounds)
        settings = {k: v for k, v in options.items() if k in ("moduli", "length")}
        plan = choose((x.shape[0], ins, outs, *kernel, *out_size), *interval, method="fermat", **settings)
        parts.append(
            software_generic.convolve(x[:, g * ins : (g + 1) * ins], part, pads, plan, memory, torch)
        )
    return torch.cat(parts, dim=1)


def explain(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size = 1,
    padding: Size | str = 0,
    groups: int = 1,
    **options: Any,
) -> str:
    """Why `conv2d` would do these tensors the way it does: bound, modulus, transform, tile, expected time,
    runners-up. Computes no convolution."""
    return software_convolution.explain(
        _array("x", x), _array("w", w), stride, _padding(padding, w, stride), groups, **options
    )


def conv2d_input_grad(
    x_shape: tuple[int, ...],
    w: torch.Tensor,
    grad: torch.Tensor,
    stride: Size = 1,
    padding: Size = 0,
    groups: int = 1,
    **options: Any,
) -> torch.Tensor:
    """(2.2): gradient with respect to the input, int64, from the output's integer gradient; exact."""
    options.setdefault("threads", torch.get_num_threads())
    found = software_gradient.input_gradient(
        tuple(x_shape), _array("w", w), _array("grad", grad), stride, padding, groups, **options
    )
    return torch.from_numpy(found).to(grad.device)


def conv2d_weight_grad(
    x: torch.Tensor,
    w_shape: tuple[int, ...],
    grad: torch.Tensor,
    stride: Size = 1,
    padding: Size = 0,
    groups: int = 1,
    **options: Any,
) -> torch.Tensor:
    """(2.3): gradient with respect to the weights, int64, from the output's integer gradient; exact."""
    options.setdefault("threads", torch.get_num_threads())
    found = software_gradient.weight_gradient(
        _array("x", x), tuple(w_shape), _array("grad", grad), stride, padding, groups, **options
    )
    return torch.from_numpy(found).to(grad.device)


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
    return _Carried.apply(x, w, stride, _padding(padding, w, stride), groups, options)


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
