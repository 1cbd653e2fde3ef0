"""Full-precision residual networks with two open places: the 3x3 convolution and an attention module at a
block's end.

Chapters 6 and 7 fill them: REAF convolutions, AW-convolutions, SE, CBAM. Empty, they are ResNet18 to
ResNet152 (stride in the first 1x1 of a bottleneck, which gives the 3.86 G of the thesis) and Wide-ResNet50.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.binary import Sum
from fermatnet.model.zoo.stem import Classifier, check_input, stem

__all__ = ["BLOCKS", "BasicBlock", "Bottleneck", "ConvFactory", "ResidualNetwork", "plain_convolution"]

BLOCKS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    20: (3, 3, 3),
    32: (5, 5, 5),
    56: (9, 9, 9),
}
"""Depth -> blocks a stage. 26 is the bottleneck network with two blocks a stage, small enough for a CPU.
20, 32 and 56 are He et al.'s three-stage networks for CIFAR, whose width is 16 and whose stem is as wide."""
BOTTLENECK = (26, 50, 101, 152)
ConvFactory = Callable[..., nn.Module]
"""(channels_in, channels_out, kernel, stride) -> a convolution with the same map at stride 1."""


def plain_convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
    """An ordinary convolution that keeps the size at stride 1, without bias."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False)


def grouped_convolution(groups: int) -> ConvFactory:
    """Group convolution in every place: ResNeXt's middle convolution."""

    def make(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
        if channels_in % groups or channels_out % groups:
            raise InputError(
                f"{groups} groups must divide {channels_in} input and {channels_out} output channels"
            )
        return nn.Conv2d(
            channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )

    return make


def _shortcut(
    channels_in: int, channels_out: int, stride: int, convolution: ConvFactory = plain_convolution
) -> nn.Module | None:
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(convolution(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))


class BasicBlock(nn.Module):
    """3x3, 3x3 and a shortcut (ResNet18/34). ``first`` and ``second`` make its convolutions, ``attention``
    its last module."""

    def __init__(
        self,
        channels_in: int,
        middle: int,
        channels_out: int,
        stride: int,
        first: ConvFactory,
        second: ConvFactory,
        attention: Callable[[int], nn.Module] | None,
    ) -> None:
        super().__init__()
        self.conv1 = first(channels_in, middle, 3, stride)
        self.norm1 = nn.BatchNorm2d(middle)
        self.conv2 = second(middle, channels_out, 3)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.attention = attention(channels_out) if attention else nn.Identity()
        self.shortcut = _shortcut(channels_in, channels_out, stride)
        self.relu, self.sum = nn.ReLU(), Sum()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.attention(self.norm2(self.conv2(y)))
        return self.relu(self.sum(y, x if self.shortcut is None else self.shortcut(x)))


class Bottleneck(nn.Module):
    """1x1 to ``inner``, 3x3 to ``middle``, 1x1 to ``channels_out`` and a shortcut; stride in the first 1x1 or
    the 3x3.

    ``point`` makes the 1x1 convolutions, ``spatial`` the 3x3 one. ``split`` > 1 is REAF+ on the last
    convolution.
    """

    def __init__(
        self,
        channels_in: int,
        inner: int,
        middle: int,
        channels_out: int,
        stride: int,
        spatial: ConvFactory,
        point: ConvFactory,
        attention: Callable[[int], nn.Module] | None,
        stride_in_point: bool,
        last: Callable[[int, int], nn.Module] | None,
    ) -> None:
        super().__init__()
        self.conv1 = point(channels_in, inner, 1, stride if stride_in_point else 1)
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv2 = spatial(inner, middle, 3, 1 if stride_in_point else stride)
        self.last = (
            nn.Sequential(nn.BatchNorm2d(middle), nn.ReLU(), point(middle, channels_out, 1))
            if last is None
            else last(middle, channels_out)
        )
        self.norm3 = nn.BatchNorm2d(channels_out)
        self.attention = attention(channels_out) if attention else nn.Identity()
        self.shortcut = _shortcut(channels_in, channels_out, stride, point)
        self.relu, self.sum = nn.ReLU(), Sum()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.attention(self.norm3(self.last(self.conv2(y))))
        return self.relu(self.sum(y, x if self.shortcut is None else self.shortcut(x)))


class ResidualNetwork(nn.Module):
    """Stem, three or four stages by depth, classifier.

    Parameters: depth; inner and middle: channels before and after the 3x3 convolution in the first stage (C
    and C' of table 6.3; a basic block uses ``inner`` alone), doubled every stage; outer: a bottleneck's
    output in the first stage (256, fixed by the network that is imitated); first, spatial, point: convolution
    factories;
    attention:
    factory by channels; stride_in_point: where a bottleneck strides; last: REAF+ factory.
    Input (n, C, H, W) float, output (n, classes).
    """

    convention = "plain"

    def __init__(
        self,
        depth: int = 50,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        inner: int = 64,
        middle: int | None = None,
        outer: int | None = None,
        stem_width: int | None = None,
        spatial: ConvFactory = plain_convolution,
        first: ConvFactory | None = None,
        point: ConvFactory = plain_convolution,
        attention: Callable[[int], nn.Module] | None = None,
        stride_in_point: bool = True,
        last: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise InputError(
                f"depth of a residual network must be one of {', '.join(map(str, sorted(BLOCKS)))}, not "
                f"{depth}"
            )
        middle = inner if middle is None else middle
        if inner < 1 or middle < 1:
            raise InputError(f"widths must be positive, not {inner} and {middle}")
        bottleneck = depth in BOTTLENECK
        outer = (256 if bottleneck else inner) if outer is None else outer
        channels = min(64, outer) if stem_width is None else stem_width  # 64: ImageNet's stem
        self.stem = stem(check_input(input_shape, classes), channels)
        stages = []
        for stage, count in enumerate(BLOCKS[depth]):
            blocks: list[nn.Module] = []
            for index in range(count):
                stride = 2 if stage and index == 0 else 1
                sizes = (inner << stage, middle << stage, outer << stage)
                if bottleneck:
                    blocks.append(
                        Bottleneck(channels, *sizes, stride, spatial, point, attention, stride_in_point, last)
                    )
                else:
                    blocks.append(
                        BasicBlock(channels, sizes[0], sizes[2], stride, first or spatial, spatial, attention)
                    )
                channels = sizes[2]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = (*stages, nn.Identity())[:4]
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x))))))


def _plain(depth: int = 50, width: int = 64, **options: Any) -> ResidualNetwork:
    return ResidualNetwork(depth, inner=width, outer=width * (4 if depth in BOTTLENECK else 1), **options)


register(
    "plain-resnet50",
    _plain,
    "full-precision ResNet, the baseline of chapters 6 and 7",
    pattern=r"plain-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
)
