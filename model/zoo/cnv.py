"""The published convolutional topology for CIFAR-10 (CNV; Umuroglu et al. 2017): six unpadded 3x3
convolutions and three dense layers.

64-64, pool, 128-128, pool, 256-256, then dense 512-512-classes. Every convolution and hidden dense layer but
the first convolution is quantized by the scheme; the first and the last layer are 8-bit integers. 59 million
multiply-accumulates a 32x32 image, 1.5 million weights.
"""

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register

__all__ = ["CNV"]


class CNV(nn.Module):
    """pixels -> stem, then (norm, activation, conv) with max pooling of activations after every second
    convolution -> dense x 3.

    Input uint8 (n, C, H, W), H and W at least 32; output (n, classes). ``width``: channels of the first
    stage.
    """

    def __init__(
        self,
        how: Scheme,
        classes: int = 10,
        shape: tuple[int, int, int] = (3, 32, 32),
        bits: int = 8,
        width: int = 64,
    ):
        super().__init__()
        channels, *sides = shape
        ends = [((side - 4) // 2 - 4) // 2 - 4 for side in sides]
        if min(ends) < 1:
            raise InputError(f"CNV needs images of at least 32x32, not {sides[0]}x{sides[1]}")
        self.pixels = PixelScale(bits)
        self.body = nn.Sequential()
        self.body.add_module("conv0", how.stem(channels, width, 3, padding=0, bits=bits))
        for number, (inputs, outputs) in enumerate([(1, 1), (1, 2), (2, 2), (2, 4), (4, 4)], start=1):
            self.body.add_module(f"act{number - 1}", how.norm_activation(width * inputs))
            if number in (2, 4):
                self.body.add_module(f"pool{number}", nn.MaxPool2d(2))
            self.body.add_module(f"conv{number}", how.conv(width * inputs, width * outputs, 3, padding=0))
        self.body.add_module("act5", how.norm_activation(4 * width))
        self.body.add_module("flatten", nn.Flatten())
        for number, inputs in enumerate([4 * width * ends[0] * ends[1], 8 * width]):
            self.body.add_module(f"dense{number}", how.linear(inputs, 8 * width))
            self.body.add_module(f"act{6 + number}", how.norm_activation(8 * width))
        self.dense = how.dense(8 * width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.dense(self.body(self.pixels(image)))


def build_cnv(
    how: Scheme | None = None,
    classes: int = 10,
    shape: tuple[int, int, int] = (3, 32, 32),
    bits: int = 8,
    width: int = 64,
) -> CNV:
    """``how`` None: PA with M = 4, N = 3."""
    return CNV(scheme("pa", weights=4, activations=3) if how is None else how, classes, shape, bits, width)


register("cnv", build_cnv, "six 3x3 convolutions and three dense layers for CIFAR-10 (CNV)")
