"""The joins of table 7.6: AW-convolutions in the place of every head's convolution, with one attention map an
input channel (r_C1 = 1, r_C2 = C2), and SE or CBAM before the heads of every map (section 7.4.6)."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from fermatnet.model.detect.networks.heads import Convolution
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.attention import CBAM, SqueezeExcitation
from fermatnet.model.zoo.awconv import AWConv2d

__all__ = ["KINDS", "attention", "aw_dense", "aw_separable"]

KINDS: dict[str, Callable[[int], nn.Module] | None] = {"": None, "se": SqueezeExcitation, "cbam": CBAM}


def attention(kind: str) -> Callable[[int], nn.Module] | None:
    """What makes the module for so many channels: "se", "cbam", or None for ""."""
    if kind not in KINDS:
        raise InputError(f"attention must be se or cbam, or left out, not {kind!r}")
    return KINDS[kind]


def _aw(channels: int, outputs: int, kernel: int) -> nn.Module:
    """One attention map an input channel. Biases as the convolution that it replaces has one, and in the
    pointwise convolutions of the attention too: without them table 7.6 would print 26.74 and 3.99 M."""
    made = AWConv2d(channels, outputs, kernel, expand_in=1, expand_out=outputs, pointwise_bias=True)
    return Biased(made, outputs)


class Biased(nn.Module):
    """A convolution without bias, and the bias: (n, C, H, W)."""

    def __init__(self, convolution: nn.Module, channels: int):
        super().__init__()
        self.convolution = convolution
        self.bias = nn.Parameter(Tensor(channels, 1, 1))
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x) + self.bias


aw_dense: Convolution = partial(_aw, kernel=3)
"""AW in the place of SSD's 3x3 convolution."""


def aw_separable(channels: int, outputs: int) -> nn.Module:
    """SSDLite's head with AW in its pointwise convolution, as MobileNet has it (section 7.4.3)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        _aw(channels, outputs, 1),
    )
