"""Residual networks of about 80,000 weights for comparisons on small images: 16-32-64 channels, one block a
stage. ``small-resnet`` begins with a 5x5 convolution at stride 2 (3.4 million multiplications at 32x32),
``resnet8`` with a 3x3 convolution at stride 1, the convolutions of MLPerf Tiny's ResNet8 (12.5 million).

Pre-activation: norm, activation, conv, norm, activation, conv, norm in fixed point, added to a shortcut of
fixed-point numbers, so that every method finds a batch norm on both sides of its convolutions and the
residual sums export with stated bits.
"""

import torch
from torch import Tensor, nn

from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register
from fermatnet.model.zoo.summed import SummedClassifier

__all__ = ["Block", "Branch", "SmallResNet"]


class Branch(nn.Module):
    """conv, norm, activation, conv, norm in fixed point."""

    def __init__(self, inputs: int, outputs: int, stride: int, how: Scheme):
        super().__init__()
        self.conv1 = how.conv(inputs, outputs, 3, stride=stride)
        self.act1 = how.norm_activation(outputs)
        self.conv2 = how.conv(outputs, outputs, 3)
        self.norm2 = how.fixed_norm(outputs, bits=10, fraction=5)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm2(self.conv2(self.act1(self.conv1(x))))


class Block(nn.Module):
    """shortcut + sum of branches (one; several with a method of several branches). The 1x1 shortcut is
    quantized like any inner layer."""

    def __init__(self, inputs: int, outputs: int, stride: int, how: Scheme):
        super().__init__()
        self.act0 = how.norm_activation(inputs)
        self.branches = nn.ModuleList(Branch(inputs, outputs, stride, how) for _ in range(how.branches))
        self.gain = (
            nn.Parameter(torch.full((how.branches,), 1.0 / how.branches)) if how.branches > 1 else None
        )
        changed = stride != 1 or inputs != outputs
        self.down = (
            nn.Sequential(
                how.conv(inputs, outputs, 1, stride=stride), how.fixed_norm(outputs, bits=10, fraction=5)
            )
            if changed
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        a = self.act0(x)
        y = x if self.down is None else self.down(a)
        for i, branch in enumerate(self.branches):
            y = y + (branch(a) if self.gain is None else branch(a) * self.gain[i])
        return y


class SmallResNet(SummedClassifier):
    """Stem (by default 5x5 at stride 2), three blocks, norm and activation, sum over the map, 8-bit rescale,
    dense layer."""

    def __init__(
        self,
        how: Scheme,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        width: int = 16,
        stem: tuple[int, int] = (5, 2),
    ):
        super().__init__()
        self.pixels = PixelScale(bits)
        self.conv0 = how.stem(shape[0], width, stem[0], stride=stem[1], bits=bits)
        self.norm0 = how.fixed_norm(width, bits=10, fraction=5)
        self.block1 = Block(width, width, 1, how)
        self.block2 = Block(width, 2 * width, 2, how)
        self.block3 = Block(2 * width, 4 * width, 2, how)
        self.act = how.norm_activation(4 * width)
        self.end(how, 4 * width, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm0(self.conv0(self.pixels(image)))
        x = self.act(self.block3(self.block2(self.block1(x))))
        return self.classify(x)


def build_small_resnet(
    how: Scheme | None = None,
    classes: int = 10,
    shape: tuple[int, int, int] = (1, 28, 28),
    bits: int = 8,
    width: int = 16,
) -> SmallResNet:
    """``how`` None: PA with M = 4, N = 5."""
    return SmallResNet(scheme("pa") if how is None else how, classes, shape, bits, width)


register(
    "small-resnet",
    build_small_resnet,
    "pre-activation residual network 16-32-64 of 77k weights for 28x28 or 32x32 images",
)


def build_resnet8(
    how: Scheme | None = None,
    classes: int = 10,
    shape: tuple[int, int, int] = (3, 32, 32),
    bits: int = 8,
    width: int = 16,
) -> SmallResNet:
    """``how`` None: PA with M = 4, N = 5."""
    return SmallResNet(scheme("pa") if how is None else how, classes, shape, bits, width, (3, 1))


register(
    "resnet8", build_resnet8, "the convolutions of MLPerf Tiny's ResNet8, pre-activation, for 32x32 images"
)
