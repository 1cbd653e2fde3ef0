"""More than twenty networks as users write them, each with the shape of its samples and their bits; small
enough to convert in seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.bench.users.blocks import Dense, Excited, Fire, Inverted, Residual, Shuffled, Split, unit

__all__ = ["NETWORKS", "User"]


@dataclass(frozen=True)
class User:
    """How to build a network, the shape of a sample (by name, where there are several inputs), the bits of
    its integers and whether they are signed."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] | dict[str, tuple[int, ...]]
    bits: int = 8
    signed: bool = False


def head(channels: int, classes: int = 10) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def resnet8() -> nn.Module:
    blocks = [Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 32, 2)]
    return nn.Sequential(unit(3, 8), *blocks, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(32, 10))


def resnet_a() -> nn.Module:
    return nn.Sequential(unit(3, 8), Residual(8, 8, 1), Residual(8, 16, 2, zeros=True), *head(16))


def keywords() -> nn.Module:
    """DS-CNN with TensorFlow's uneven padding."""
    layers: list[nn.Module] = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 16, (10, 4), 2), nn.BatchNorm2d(16)]
    for _ in range(2):
        layers += [nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU()]
        layers += [nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16)]
    last = [nn.ReLU(), nn.Dropout(0.4), nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(16, 12)]
    return nn.Sequential(*layers, *last)


def mobilenet() -> nn.Module:
    layers: list[nn.Module] = [unit(3, 8, 3, 2)]
    for inputs, outputs, stride in ((8, 16, 1), (16, 32, 2), (32, 32, 1)):
        layers += [unit(inputs, inputs, 3, stride, inputs), unit(inputs, outputs, 1)]
    return nn.Sequential(*layers, *head(32, 2))


def mobilenet_v2(gate: bool = False) -> nn.Module:
    act = nn.Hardswish if gate else nn.ReLU6
    blocks = [Inverted(8, 8, 1, 2, gate), Inverted(8, 12, 2, 3, gate), Inverted(12, 12, 1, 3, gate)]
    return nn.Sequential(unit(3, 8, 3, 2, act=act), *blocks, unit(12, 24, 1, act=act), *head(24))


def autoencoder() -> nn.Module:
    sizes, layers = [64, 32, 8, 32], list[nn.Module]()
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 64))


def lenet(act: type[nn.Module] = nn.ReLU, pool: type[nn.Module] = nn.MaxPool2d) -> nn.Module:
    features = [nn.Conv2d(1, 6, 5, padding=2), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2)]  # type: ignore[call-arg]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(400, 60), act(), nn.Linear(60, 10))


def cnv() -> nn.Module:
    def valid(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    features = [*valid(3, 8), *valid(8, 8), nn.MaxPool2d(2), *valid(8, 16), *valid(16, 16), nn.MaxPool2d(2)]
    dense = [nn.Flatten(), nn.Linear(400, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)]
    return nn.Sequential(*features, *dense)


def squeezenet() -> nn.Module:
    pools = [nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(2)]
    features = [nn.Conv2d(3, 16, 3, 2), nn.ReLU(), pools[0], Fire(16, 4, 8), pools[1], Fire(16, 8, 12)]
    last = [nn.Dropout(0.5), nn.Conv2d(24, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()]
    return nn.Sequential(*features, *last)


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one = unit(3, 8), unit(8, 4, 1)
        self.three, self.five = (
            nn.Sequential(unit(8, 4, 1), unit(4, 8)),
            nn.Sequential(unit(8, 4, 1), unit(4, 4, 5)),
        )
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), unit(8, 4, 1))
        self.last = nn.Linear(20, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)
        return self.last(x.mean((2, 3)))


class UNet(nn.Module):
    def __init__(self, turned: bool, mode: str = "nearest") -> None:
        super().__init__()
        self.down, self.deep = unit(1, 4), unit(4, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2) if turned else nn.Upsample(scale_factor=2, mode=mode)
        self.join, self.last = unit(8 if turned else 12, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down(x)
        deep = self.deep(functional.max_pool2d(first, 2))
        return self.last(self.join(torch.cat([first, self.up(deep)], dim=1)))


class Fused(nn.Module):
    """A camera's image and a vector of readings; slopes a channel, averages of what a window meets."""

    def __init__(self) -> None:
        super().__init__()
        pool = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.camera = nn.Sequential(nn.Conv2d(3, 8, 3), nn.PReLU(8), pool, unit(8, 8))
        self.readings = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
        self.last = nn.Linear(16, 4)

    def forward(self, camera: Tensor, readings: Tensor) -> Tensor:
        return self.last(torch.cat([self.camera(camera).mean((2, 3)), self.readings(readings)], 1))


class Detector(nn.Module):
    """Two heads of two scales, the confidence through a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(3, 8), nn.MaxPool2d(2), unit(8, 12), nn.MaxPool2d(2))
        self.deep = nn.Sequential(unit(12, 16, act=nn.LeakyReLU), nn.MaxPool2d(2))
        self.fine, self.coarse = nn.Conv2d(28, 16, 1), nn.Conv2d(16, 16, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        near = self.stem(x)
        far = self.deep(near)
        up = functional.interpolate(far, scale_factor=2.0, mode="nearest")
        return {"fine": self.fine(torch.cat([near, up], 1)), "coarse": torch.sigmoid(self.coarse(far))}


class Heart(nn.Module):
    """An ECG in 1-d convolutions."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, kernel, stride in ((1, 8, 7, 2), (8, 16, 5, 2)):
            layers += [
                nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
                nn.BatchNorm1d(outputs),
            ]
            layers.append(nn.ReLU())
        layers += [nn.MaxPool1d(2), nn.Conv1d(16, 16, 3, padding="same"), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Table(nn.Module):
    """A dense network of tabular data; the class itself leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(16, 32), nn.ELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).argmax(1)


def densenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), Dense(6, 4), Dense(10, 4), nn.AvgPool2d(2), unit(14, 8, 1), *head(8)
    )


def resolution() -> nn.Module:
    """Super-resolution by a pixel shuffle."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2, padding_mode="reflect"),
        nn.Tanh(),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.PixelShuffle(2),
    )


NETWORKS: dict[str, User] = {
    "resnet8": User(resnet8, (3, 16, 16)),
    "resnet, zero channels": User(resnet_a, (3, 16, 16)),
    "ds-cnn, uneven padding": User(keywords, (1, 49, 10)),
    "mobilenet": User(mobilenet, (3, 24, 24)),
    "mobilenet v2": User(mobilenet_v2, (3, 24, 24)),
    "mobilenet v3": User(lambda: mobilenet_v2(gate=True), (3, 16, 16)),
    "autoencoder": User(autoencoder, (64,)),
    "lenet": User(lenet, (1, 28, 28)),
    "lenet, tanh": User(lambda: lenet(nn.Tanh, nn.AvgPool2d), (1, 28, 28)),
    "cnv": User(cnv, (3, 32, 32)),
    "squeezenet, ceil_mode": User(squeezenet, (3, 32, 32)),
    "shufflenet": User(lambda: nn.Sequential(unit(3, 16, 3, 2), Shuffled(16, 4), *head(16)), (3, 16, 16)),
    "shufflenet v2": User(
        lambda: nn.Sequential(unit(3, 16, 3, 2), Split(16), Split(16), *head(16)), (3, 16, 16)
    ),
    "inception": User(Inception, (3, 12, 12)),
    "u-net, nearest": User(lambda: UNet(turned=False), (1, 16, 16)),
    "u-net, transposed": User(lambda: UNet(turned=True), (1, 16, 16)),
    "u-net, bilinear": User(lambda: UNet(turned=False, mode="bilinear"), (1, 16, 16)),
    "camera and readings": User(Fused, {"camera": (3, 14, 14), "readings": (6,)}),
    "detector, two heads": User(Detector, (3, 24, 24)),
    "ecg, signed 12 bits": User(Heart, (1, 128), 12, signed=True),
    "table, argmax": User(Table, (16,)),
    "squeeze-excitation": User(lambda: nn.Sequential(unit(3, 16), Excited(16), *head(16)), (3, 12, 12)),
    "densenet": User(densenet, (3, 12, 12)),
    "super-resolution": User(resolution, (1, 12, 12)),
}
