"""The networks of chapter 6 by name: REAF-ResNet, ResNeXt, REAF+-ResNeXt, MobileNetV2, REAF+-MobileNetV2."""

from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.binary import Sum
from fermatnet.model.zoo.reaf import REAFConv2d, REAFPlus, template
from fermatnet.model.zoo.residual import (
    BOTTLENECK,
    ConvFactory,
    ResidualNetwork,
    grouped_convolution,
    plain_convolution,
)
from fermatnet.model.zoo.stem import SMALL_IMAGE, Classifier, check_input

__all__ = ["MobileNetV2", "reaf_convolution", "reaf_resnet", "resnext"]


def reaf_convolution(scheme: str) -> ConvFactory:
    """A factory of REAF convolutions by template, ``"4-3-4"``."""
    groups_in, merged = template(scheme)

    def make(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
        return REAFConv2d(
            channels_in, channels_out, kernel, groups_in=groups_in, merged=merged, stride=stride
        )

    return make


def reaf_resnet(
    depth: int = 50,
    scheme: str = "4-3-4",
    inner: int = 72,
    middle: int | None = None,
    everywhere: bool = False,
    **options: Any,
) -> ResidualNetwork:
    """REAF in the 3x3 convolution of every block (table 6.3: C = inner, C' = middle); ``everywhere``: in the
    1x1 as well.

    In basic blocks both convolutions but the very first of the network, whose input has the stem's 64
    channels.
    """
    make = reaf_convolution(scheme)
    if depth in BOTTLENECK:
        return ResidualNetwork(
            depth,
            spatial=make,
            point=make if everywhere else plain_convolution,
            inner=inner,
            middle=middle,
            **options,
        )
    return ResidualNetwork(depth, spatial=make, inner=inner, **options)


def resnext(
    depth: int = 50,
    groups: int = 32,
    inner: int = 128,
    pairs: int = 1,
    everywhere: bool = False,
    **options: Any,
) -> ResidualNetwork:
    """ResNeXt (32x4d by default); ``pairs`` 2 is REAF+ on the last 1x1; ``everywhere``: all three
    convolutions in groups."""
    make = grouped_convolution(groups)
    last = (lambda middle, out: REAFPlus(middle, out, pairs=pairs)) if pairs > 1 else None
    options.setdefault("stride_in_point", False)
    return ResidualNetwork(
        depth,
        spatial=make,
        point=make if everywhere else plain_convolution,
        inner=inner,
        last=last,
        **options,
    )


INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of MobileNetV2: expansion, channels, blocks, stride of the first block."""
LAYOUTS = {"standard": None, "cifar100": (1, 2, 2, 2, 1, 1, 1)}
"""Of MobileNetV2: strides of the stages, if not those of `INVERTED`."""


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1; ``pairs`` > 1: REAF+ on the projection. ``bias``: convolutions
    have biases, and an expansion of 1 has its 1x1 too.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        expansion: int,
        pairs: int,
        bias: bool = False,
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1 or bias:
            layers += [nn.Conv2d(channels_in, hidden, 1, bias=bias), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers.append(nn.Conv2d(hidden, hidden, 3, stride=stride, padding=1, groups=hidden, bias=bias))
        layers.append(REAFPlus(hidden, channels_out, pairs=pairs, cap=6.0, bias=bias))
        layers.append(nn.BatchNorm2d(channels_out))
        self.layers = nn.Sequential(*layers)
        self.sum = Sum() if stride == 1 and channels_in == channels_out else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return y if self.sum is None else self.sum(y, x)


class MobileNetV2(nn.Module):
    """MobileNetV2; for small images the first convolution and the first two strides keep the map. ``pairs``
    as REAF+.

    ``layout`` "cifar100" is the network of table 6.7 on CIFAR-100, found by its counts: that of the public
    collection weiaicunzai/pytorch-cifar100. Its first convolution is 1x1 with a padding of one pixel (maps of
    34x34), all convolutions have biases, the first block has an expansion, stages 2, 3 and 4 have stride 2.
    """

    convention = "profiler"

    def __init__(
        self,
        width: float = 1.0,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        pairs: int = 1,
        layout: str = "standard",
    ) -> None:
        super().__init__()
        if width <= 0:
            raise InputError(f"width multiplier must be positive, not {width}")
        if layout not in LAYOUTS:
            raise InputError(f"layout of MobileNetV2 must be {' or '.join(LAYOUTS)}, not {layout!r}")
        shape = check_input(input_shape, classes)
        small = min(shape[1:]) <= SMALL_IMAGE
        strides = LAYOUTS[layout]
        bias = strides is not None

        def wide(channels: int) -> int:
            return max(pairs * 4, int(channels * width + 4) // 8 * 8)

        channels = wide(32)
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], channels, 1, padding=1)
            if bias
            else nn.Conv2d(shape[0], channels, 3, stride=1 if small else 2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
        ]
        for index, (expansion, base, count, usual) in enumerate(INVERTED):
            first = strides[index] if strides else 1 if small and index == 1 else usual
            for block in range(count):
                step = first if block == 0 else 1
                layers.append(InvertedResidual(channels, wide(base), step, expansion, pairs, bias))
                channels = wide(base)
        last = max(1280, wide(1280)) if width >= 1 else wide(1280)
        layers += [nn.Conv2d(channels, last, 1, bias=bias), nn.BatchNorm2d(last), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.classifier = Classifier(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def _plus_mobilenet(pairs: int = 2, **options: Any) -> MobileNetV2:
    return MobileNetV2(pairs=pairs, **options)


def _plus_resnext(depth: int = 50, pairs: int = 2, **options: Any) -> ResidualNetwork:
    return resnext(depth, pairs=pairs, **options)


register("resnext50", resnext, "ResNeXt 32x4d; options groups, inner", pattern=r"resnext(?P<depth>\d+)")
register(
    "reafplus-resnext50",
    _plus_resnext,
    "ResNeXt with REAF+ on the last 1x1 of a block",
    pattern=r"reafplus-resnext(?P<depth>\d+)",
)
register("mobilenetv2", MobileNetV2, "MobileNetV2; option layout = standard, cifar100 (table 6.7)")
register("reafplus-mobilenetv2", _plus_mobilenet, "MobileNetV2 with REAF+ on the projections")
