"""The blocks that users' networks are made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dense", "Excited", "Fire", "Inverted", "Residual", "Shuffled", "Split", "unit"]


def unit(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Convolution, norm, activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), act())


class Residual(nn.Module):
    """Two convolutions around a skip. ``zeros``: where the channels grow, every second pixel and channels of
    zeros (option A of ResNet for CIFAR); else a convolution without a norm."""

    def __init__(self, inputs: int, outputs: int, stride: int, zeros: bool = False):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.more = (outputs - inputs) // 2 if zeros else 0
        changes = stride != 1 and not zeros
        self.skip = nn.Conv2d(inputs, outputs, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.second_norm(self.second(functional.relu(self.first_norm(self.first(x)))))
        if self.more:
            y += functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
        else:
            y += self.skip(x)
        return torch.relu(y)


class Inverted(nn.Module):
    """MobileNetV2's block; ``gate``: MobileNetV3's hard-swish and squeeze-excitation."""

    def __init__(self, inputs: int, outputs: int, stride: int, times: int, gate: bool = False):
        super().__init__()
        inner, act = inputs * times, nn.Hardswish if gate else nn.ReLU6
        self.wide = unit(inputs, inner, 1, act=act)
        self.deep = unit(inner, inner, 3, stride, inner, act=act)
        self.gate = Excited(inner, nn.Hardsigmoid) if gate else nn.Identity()
        self.narrow = nn.Sequential(nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(self.gate(self.deep(self.wide(x))))
        return x + y if self.adds else y


class Excited(nn.Module):
    """Squeeze and excitation: a factor a channel from the means of all."""

    def __init__(self, channels: int, act: type[nn.Module] = nn.Sigmoid):
        super().__init__()
        self.down, self.up, self.act = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1), act()

    def forward(self, x: Tensor) -> Tensor:
        y = functional.adaptive_avg_pool2d(x, 1)
        return x * self.act(self.up(functional.relu(self.down(y))))


class Fire(nn.Module):
    """SqueezeNet's module."""

    def __init__(self, inputs: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.small, self.large = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x), inplace=True)
        return torch.cat([functional.relu(self.small(x)), functional.relu(self.large(x))], 1)


class Shuffled(nn.Module):
    """ShuffleNet's unit, its shuffle written with views."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.groups = groups
        self.first, self.last = unit(channels, channels, 1, groups=groups), nn.Conv2d(channels, channels, 1)
        self.deep = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        n, c, h, w = y.shape
        y = y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        return functional.relu(x + self.last(self.deep(y)))


class Split(nn.Module):
    """ShuffleNetV2's unit: half of the channels pass, the halves are mixed after it."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(unit(half, half, 1), unit(half, half, 3, groups=half), unit(half, half, 1))
        self.mix = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        kept, worked = x.chunk(2, dim=1)
        return self.mix(torch.cat([kept, self.body(worked)], 1))


class Dense(nn.Module):
    """DenseNet's layer: norm first, its channels joined to what came in."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, growth, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)
