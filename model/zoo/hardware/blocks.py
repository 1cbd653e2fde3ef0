"""What the networks of the thesis have in common when their layers come from a quantization scheme."""

from collections.abc import Sequence

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import Rescale
from fermatnet.model.nn.layers import Conv2d, PixelScale, SumPool
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.zoo.hardware.layers import convolution
from fermatnet.model.zoo.stem import SMALL_IMAGE
from fermatnet.model.zoo.summed import SummedClassifier

__all__ = ["BITS", "FRACTION", "Down", "Mean", "StagedNetwork", "Unit"]

FRACTION = 5
BITS = 10


class Unit(nn.Module):
    """norm, activation, convolution, norm in fixed point, and for ``residual`` the input on top."""

    def __init__(
        self,
        how: Scheme,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.act = how.norm_activation(channels_in)
        self.conv = convolution(how, channels_in, channels_out, kernel, stride=stride, dilation=dilation)
        self.norm = how.fixed_norm(channels_out, bits=BITS, fraction=FRACTION)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(self.act(x)))
        return y + x if self.residual else y


class Mean(nn.Module):
    """Mean of several fixed-point tensors, back in 12 bits."""

    def __init__(self, how: Scheme, count: int) -> None:
        super().__init__()
        self.scale = Rescale(1 / count, bits=12, fraction=FRACTION, full_precision=not how.method.exportable)

    def forward(self, tensors: Sequence[Tensor]) -> Tensor:
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total + tensor
        return self.scale(total)


class Down(nn.Module):
    """2x2 mean in 8 bits, 1x1 convolution with 8-bit weights, norm in fixed point."""

    def __init__(self, how: Scheme, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.sum = SumPool(2)
        self.scale = how.rescale(0.25, bits=8)
        self.conv = Conv2d(channels_in, channels_out, 1, bias=False, quantizer=how.edge_weight(channels_out))
        self.norm = how.fixed_norm(channels_out, bits=BITS, fraction=FRACTION)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.scale(self.sum(x))))


class StagedNetwork(SummedClassifier):
    """8-bit stem, body, norm and activation of the scheme are in the subclasses' bodies; sum over the map,
    8-bit dense layer.

    ``stride`` None: the stem of the thesis, 3x3 for small images and 7x7 at stride 2 with a 3x3 maximum
    pooling for images of more than 64 pixels; else a 3x3 stem of that stride.
    """

    def __init__(
        self,
        how: Scheme,
        body: Sequence[nn.Module],
        channels: int,
        width: int,
        classes: int,
        shape: tuple[int, int, int],
        bits: int,
        stride: int | None,
    ) -> None:
        super().__init__()
        if min(shape) < 1 or classes < 2 or width < 1:
            raise InputError(
                f"shape {'x'.join(map(str, shape))}, {classes} classes and width {width} make no network"
            )
        self.pixels = PixelScale(bits)
        large = stride is None and min(shape[1:]) > SMALL_IMAGE
        kernel, step = (7, 2) if large else (3, stride or 1)
        self.conv0 = how.stem(shape[0], width, kernel, stride=step, bits=bits)
        self.norm0 = how.fixed_norm(width, bits=BITS, fraction=FRACTION)
        self.pool0 = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.body = nn.Sequential(*body)
        self.end(how, channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.body(self.pool0(self.norm0(self.conv0(self.pixels(image)))))
        return self.classify(x)
