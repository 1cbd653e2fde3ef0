"""The network of the demonstration, and its full-precision twin: 8x8 grey images, ten classes.

INT8 5x5 convolution -> norm -> activation -> 3x3 convolution to 32 channels -> norm -> activation -> 2x2
max-pool -> residual block of two 3x3 convolutions at 32 channels -> sum over the map -> INT8 dense layer.
"""

from torch import Tensor, nn

from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register
from fermatnet.model.zoo.summed import SummedClassifier

__all__ = ["Digits", "Residual"]


class Residual(nn.Module):
    """conv, norm, activation, conv, norm in fixed point, added to the input (piece indices read as fixed
    point)."""

    def __init__(self, channels: int, how: Scheme):
        super().__init__()
        self.conv1 = how.conv(channels, channels, 3)
        self.act1 = how.norm_activation(channels)
        self.conv2 = how.conv(channels, channels, 3)
        self.norm2 = how.fixed_norm(channels, bits=10, fraction=5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(self.act1(self.conv1(x))))


class Digits(SummedClassifier):
    """The network; ``how`` quantizes it, ``bits`` is the width of the pixels (scikit-learn's digits: 0..16, 5
    bits)."""

    def __init__(
        self, how: Scheme, classes: int = 10, shape: tuple[int, int, int] = (1, 8, 8), bits: int = 5
    ):
        super().__init__()
        self.pixels = PixelScale(bits)
        self.conv0 = how.stem(shape[0], 16, 5, bits=bits)
        self.act0 = how.norm_activation(16)
        self.conv1 = how.conv(16, 32, 3)
        self.act1 = how.norm_activation(32)
        self.pool = nn.MaxPool2d(2)
        self.block = Residual(32, how)
        self.end(how, 32, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.act0(self.conv0(self.pixels(image)))
        x = self.pool(self.act1(self.conv1(x)))
        return self.classify(self.block(x))


def build_digits(
    how: Scheme | None = None, classes: int = 10, shape: tuple[int, int, int] = (1, 8, 8), bits: int = 5
) -> Digits:
    """``how`` None: PA with M = 4, N = 5."""
    return Digits(scheme("pa") if how is None else how, classes, shape, bits)


register(
    "digits",
    build_digits,
    "INT8 stem, piecewise convolutions with one residual block; 8x8 digits (the demonstration)",
)
