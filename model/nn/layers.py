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

__all__ = ["AvgPool2d", "Conv2d", "Linear", "PixelScale", "SumPool"]

EXACT_FLOAT32 = 1 << 24


class PixelScale(nn.Module):
    """Raw pixels 0..2^bits-1 to [0, 1): a power of two, so that the hardware has nothing to do for it."""

    def __init__(self, bits: int = 8):
        super().__init__()
        self.bits = bits

    def forward(self, x: Tensor) -> Tensor:
        return x.float() * 2.0**-self.bits

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


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
        kind = self.exact_type()
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
        return int(self.quantizer.integers(self.weight)[1].min()) + int(self.bias_bits)

    def forward(self, x: Tensor) -> Tensor:
        x, w = self.parts(x)
        y = functional.linear(x, w)
        if self.bias is None:
            return y
        if not hasattr(self.quantizer, "integers"):
            return y + self.bias
        unit = 2.0 ** self.bias_exponent()
        return y + straight_through(self.bias, round_half_up(self.bias.double() * unit) / unit)


class SumPool(nn.Module):
    """Sum over disjoint windows; kernel 0: over the whole map. (An average is this and a gain in the next
    fixed-point layer.)"""

    def __init__(self, kernel: int | tuple[int, int] = 0):
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.training else x.double()  # sums of fixed-point numbers can pass float32's 24 bits
        if not self.kernel:
            return x.sum((2, 3), keepdim=True)
        return functional.avg_pool2d(x, self.kernel, divisor_override=1)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}"


class AvgPool2d(nn.AvgPool2d):
    """Average over windows, in float64 in evaluation: exact where the window's area is a power of two."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.training else input.double())
