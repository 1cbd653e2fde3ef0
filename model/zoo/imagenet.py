"""The networks of chapter 3 at their published sizes: ResNet 18/34/50, DenseNet121, MobileNet v1; plain, or
converted by a scheme.

``build("resnet18")`` is full precision; ``build("pa-resnet18")`` is ``convert(resnet18, scheme("pa"))``, 1x1
shortcuts quantized too.
Images below 64 pixels get a 3x3 stem without pooling. The stride of a bottleneck sits in its first 1x1, as
the thesis' counts have it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register

__all__ = ["DenseNet", "MobileNet", "ResNet"]

RESNETS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def _stem(channels: int, width: int, shape: tuple[int, int, int]) -> nn.Sequential:
    """Large images: 7x7 stride 2, norm, rectifier, 3x3 max-pool stride 2. Small ones: 3x3."""
    large = min(shape[1:]) >= 64
    conv = (
        nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        if large
        else nn.Conv2d(channels, width, 3, 1, 1, bias=False)
    )
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(), *([nn.MaxPool2d(3, 2, 1)] if large else []))


class Unit(nn.Module):
    """Basic block (two 3x3) or bottleneck (1x1 with the stride, 3x3, 1x1), rectified after the sum."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes = (
            [(inputs, width, 1, stride), (width, width, 3, 1), (width, outputs, 1, 1)]
            if bottleneck
            else [(inputs, width, 3, stride), (width, outputs, 3, 1)]
        )
        layers: list[nn.Module] = []
        for a, b, kernel, step in sizes:
            layers += [nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.body = nn.Sequential(*layers[:-1])
        changed = stride != 1 or inputs != outputs
        self.down = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if changed
            else None
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.body(x) + (x if self.down is None else self.down(x)))


class ResNet(nn.Module):
    """He et al. 2016: stem, four stages of units, average, dense."""

    def __init__(self, depth: int, classes: int, shape: tuple[int, int, int], width: int = 64):
        super().__init__()
        if depth not in RESNETS:
            raise InputError(f"depth must be 18, 34 or 50, not {depth}")
        bottleneck = depth == 50
        self.stem = _stem(shape[0], width, shape)
        units: list[nn.Module] = []
        inputs = width
        for stage, count in enumerate(RESNETS[depth]):
            for number in range(count):
                units.append(Unit(inputs, width << stage, 2 if stage and not number else 1, bottleneck))
                inputs = (width << stage) * (4 if bottleneck else 1)
        self.stages = nn.Sequential(*units)
        self.pool, self.dense = nn.AdaptiveAvgPool2d(1), nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(torch.flatten(self.pool(self.stages(self.stem(x))), 1))


class Dense(nn.Module):
    """norm, rectifier, 1x1, norm, rectifier, 3x3; its output joins the input's channels."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


class DenseNet(nn.Module):
    """Huang et al. 2017, DenseNet-BC: ``blocks`` dense layers a stage, transitions that halve channels and
    map."""

    def __init__(
        self,
        classes: int,
        shape: tuple[int, int, int],
        blocks: tuple[int, ...] = (6, 12, 24, 16),
        growth: int = 32,
    ):
        super().__init__()
        self.stem = _stem(shape[0], 2 * growth, shape)
        layers: list[nn.Module] = []
        channels = 2 * growth
        for stage, count in enumerate(blocks):
            for _ in range(count):
                layers.append(Dense(channels, growth))
                channels += growth
            if stage < len(blocks) - 1:
                layers.append(
                    nn.Sequential(
                        nn.BatchNorm2d(channels),
                        nn.ReLU(),
                        nn.Conv2d(channels, channels // 2, 1, bias=False),
                        nn.AvgPool2d(2),
                    )
                )
                channels //= 2
        self.stages = nn.Sequential(*layers)
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.pool, self.dense = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(torch.flatten(self.pool(self.last(self.stages(self.stem(x)))), 1))


class MobileNet(nn.Module):
    """Howard et al. 2017 (v1): depthwise 3x3 and pointwise 1x1, each with norm and rectifier."""

    PLAN = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))

    def __init__(self, classes: int, shape: tuple[int, int, int], width: float = 1.0):
        super().__init__()
        large = min(shape[1:]) >= 64
        channels = round(32 * width)
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], channels, 3, 2 if large else 1, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        for wide, stride in self.PLAN:
            out = round(wide * width)
            layers += [
                nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.Conv2d(channels, out, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
            ]
            channels = out
        self.features = nn.Sequential(*layers)
        self.pool, self.dense = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(torch.flatten(self.pool(self.features(x)), 1))


def _made(
    model: Callable[..., nn.Module],
    usual: str,
    how: Scheme | None,
    classes: int,
    shape: tuple[int, int, int],
    bits: int,
    **options: Any,
) -> nn.Module:
    chosen = scheme(usual) if how is None else how
    plain = model(classes=classes, shape=shape, **options)
    if chosen.full_precision and usual == "float" and how is None:
        return plain
    # these architectures pass the comparisons, which take seconds at full size
    # (tests/model/nn/test_convert.py)
    return convert(plain, chosen, shape, bits=bits, check=False)[0]


def _resnet(
    usual: str,
    depth: int = 18,
    how: Scheme | None = None,
    classes: int = 1000,
    shape: tuple[int, int, int] = (3, 224, 224),
    bits: int = 8,
    width: int = 64,
) -> nn.Module:
    return _made(ResNet, usual, how, classes, shape, bits, depth=depth, width=width)


def _densenet(
    usual: str,
    how: Scheme | None = None,
    classes: int = 1000,
    shape: tuple[int, int, int] = (3, 224, 224),
    bits: int = 8,
    blocks: tuple[int, ...] = (6, 12, 24, 16),
    growth: int = 32,
) -> nn.Module:
    return _made(DenseNet, usual, how, classes, shape, bits, blocks=blocks, growth=growth)


def _mobilenet(
    usual: str,
    how: Scheme | None = None,
    classes: int = 1000,
    shape: tuple[int, int, int] = (3, 224, 224),
    bits: int = 8,
    width: float = 1.0,
) -> nn.Module:
    return _made(MobileNet, usual, how, classes, shape, bits, width=width)


for _prefix, _usual, _text in (
    ("", "float", "full precision unless `how` says otherwise"),
    ("pa-", "pa", "piecewise-approximated, M = 4, N = 5"),
):
    register(
        f"{_prefix}resnet18",
        partial(_resnet, _usual),
        f"ResNet 18, 34, 50 of chapter 3; {_text}",
        pattern=rf"{_prefix}resnet(?P<depth>\d+)",
    )
    register(f"{_prefix}densenet121", partial(_densenet, _usual), f"DenseNet121; {_text}")
    register(f"{_prefix}mobilenetv1", partial(_mobilenet, _usual), f"MobileNet v1; {_text}")
