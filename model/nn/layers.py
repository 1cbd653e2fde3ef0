"""Layers a network for the hardware is made of. Each is the torch layer of the same name with a place for a
quantizer.

In evaluation mode the layers compute what the hardware computes: convolutions on integers times powers of two
(exact in float32, or float64 where a sum could pass 2^24), batch norm in float64 by four separately rounded
operations, fixed-point norms by integer multiplier, offset and shift.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.rounding import round_half_up, straight_through

__all__ = ["AvgPool2d", "Constant", "Conv2d", "Linear", "PixelScale", "Positions", "SumPool"]

EXACT_FLOAT32 = 1 << 24


class PixelScale(nn.Module):
    """Raw integers to [0, 1), or to [-1/2, 1/2) where they are signed: times 2^-bits, so that the hardware
    has nothing to do for it.

    dims: of one sample as its owner has it, (n,), (c, n) or (C, H, W); (c, n) becomes one row, (c, 1, n).
    """

    def __init__(self, bits: int = 8, *, signed: bool = False, dims: tuple[int, ...] | None = None):
        super().__init__()
        self.bits, self.signed, self.dims = bits, signed, dims

    @property
    def range(self) -> tuple[int, int]:
        """Inclusive range of the integers that come in."""
        return (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if self.signed else (0, (1 << self.bits) - 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.arranged(x).float() * 2.0**-self.bits

    def arranged(self, x: Tensor) -> Tensor:
        """The samples in the shape that the layers take."""
        if self.dims is None or len(self.dims) != 2:
            return x
        return x.reshape(len(x), self.dims[0], 1, self.dims[1])

    def extra_repr(self) -> str:
        return f"bits={self.bits}{', signed' * self.signed}"


class _Quantized:
    """What convolution and dense layer share: the quantized weight and the type in which its sums are
    exact."""

    weight: Tensor
    quantizer: Any
    input_bits: int
    training: bool

    def quantized(self) -> Tensor:
        return self.weight if self.quantizer is None else self.quantizer(self.weight)

    def exact_type(self) -> torch.dtype:
        """float32 if no sum of integer products can pass 2^24, else float64."""
        if not hasattr(self.quantizer, "integers"):
            return self.weight.dtype
        integers = self.quantizer.integers(self.weight)[0]
        largest = int(integers.abs().reshape(integers.shape[0], -1).sum(1).max())
        return torch.float64 if largest << self.input_bits > EXACT_FLOAT32 else torch.float32

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        w = self.quantized()
        if self.training:
            return x.to(w.dtype), w
        # what comes to integer weights in float64 needs it: codes times a step of several significant bits
        coded = x.dtype == torch.float64 and hasattr(self.quantizer, "integers")
        kind = torch.float64 if coded else self.exact_type()
        return x.to(kind), w.to(kind)


class Conv2d(_Quantized, nn.Conv2d):
    """Convolution with zero padding and a weight quantizer (None: full precision).

    input_bits: width of the integers that arrive, 8 for pixels and levels; decides which float type is exact
    in evaluation.
    """

    def __init__(self, *args, quantizer: nn.Module | None = None, input_bits: int = 8, **kwargs):
        super().__init__(*args, **kwargs)
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            raise InputError(
                f"a convolution for the hardware pads with zeros by numbers, not {self.padding_mode!r}, "
                f"{self.padding!r}"
            )
        self.quantizer, self.input_bits = quantizer, input_bits

    def forward(self, x: Tensor) -> Tensor:
        x, w = self.parts(x)
        y = functional.conv2d(x, w, None, self.stride, self.padding, self.dilation, self.groups)
        if self.bias is None:
            return y
        bias = self.bias.view(1, -1, 1, 1)
        return y + bias if self.training else y.double() + bias.double()


class Linear(_Quantized, nn.Linear):
    """Dense layer with a weight quantizer. The bias is rounded to 2^-(k + bias_bits), k the weights'
    exponent: a multiple of the accumulator's unit.

    ``bias_bits``, a buffer: -4, which inputs of nearly any unit allow, until calibration knows the unit of
    the inputs.
    """

    bias_bits: Tensor

    def __init__(self, *args, quantizer: nn.Module | None = None, input_bits: int = 8, **kwargs):
        super().__init__(*args, **kwargs)
        self.quantizer, self.input_bits = quantizer, input_bits
        self.register_buffer("bias_bits", torch.tensor(-4))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(f"{prefix}bias_bits", torch.tensor(-4))  # older state dicts lack it
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def bias_exponent(self) -> int:
        """Power of two of the bias's unit: ``bias_bits`` above the least unit of the weights."""
        return int(self.quantizer.integers(self.weight)[1].min()) + int(self.bias_bits)

    def forward(self, x: Tensor) -> Tensor:
        x, w = self.parts(x)
        y = functional.linear(x, w)
        if self.bias is None:
            return y
        if not hasattr(self.quantizer, "integers"):
            return y + self.bias
        unit = 2.0 ** self.bias_exponent()
        if not self.training:  # a bias may be larger than float32's 24 bits of the accumulator's unit
            return y.double() + round_half_up(self.bias.detach().double() * unit) / unit
        return y + straight_through(self.bias, round_half_up(self.bias.double() * unit) / unit)


class SumPool(nn.Module):
    """Sum over windows; kernel 0: over the whole map. (An average is this and a gain in the next fixed-point
    layer.)

    stride: None: the kernel's size, disjoint windows;  padding: zeros (vertical, horizontal) around the map.
    """

    def __init__(
        self,
        kernel: int | tuple[int, int] = 0,
        stride: int | tuple[int, int] | None = None,
        padding: tuple[int, int] = (0, 0),
    ):
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.training else x.double()  # sums of fixed-point numbers can pass float32's 24 bits
        if not self.kernel:
            return x.sum((2, 3), keepdim=True)
        vertical, horizontal = self.padding
        if vertical or horizontal:  # torch's own padding is at most half a window
            x = functional.pad(x, (horizontal, horizontal, vertical, vertical))
        return functional.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)

    def extra_repr(self) -> str:
        others = f", stride={self.stride}, padding={self.padding}" if self.stride is not None else ""
        return f"kernel={self.kernel}{others}"


class Positions(nn.Module):
    """Places of the ``k`` largest of each vector (n, K), the largest first, of equal ones the lower place:
    int64 (n, k), or (n,) where ``k`` is 0 (one).

    In training the values themselves pass, so that a loss can be taken of them. ``dims``: of one sample's
    result.
    """

    def __init__(self, k: int = 0, dims: tuple[int, ...] = ()):
        super().__init__()
        self.k, self.dims = k, dims

    def forward(self, x: Tensor) -> Tensor:
        return x if self.training else self.places(x.flatten(1)).reshape(len(x), *self.dims)

    def places(self, x: Tensor) -> Tensor:
        """int64 (n, max(k, 1)) of values (n, K)."""
        return torch.sort(x, dim=1, descending=True, stable=True).indices[:, : max(self.k, 1)]

    def extra_repr(self) -> str:
        return f"k={self.k}"


class Constant(nn.Module):
    """gain x + offset with constants, (1,) or (C,): what a model's arithmetic with numbers becomes, before it
    is converted to fixed point."""

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: Tensor, offset: Tensor):
        super().__init__()
        self.register_buffer("gain", gain)
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * self.gain.view(shape) + self.offset.view(shape)


class AvgPool2d(nn.AvgPool2d):
    """Average over windows, in float64 in evaluation: exact where the window's area is a power of two."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.training else input.double())
