"""Random torch models, as users write them: modules, functions and methods mixed, with and without norms and
biases, residuals, concatenations, depthwise layers, pools, all ways to the dense layer. `check_model`
converts one, trains two steps, exports, and compares.
"""

import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.nn.scheme import Scheme, scheme

__all__ = ["Step", "random_model"]

SCHEMES = [
    ("pa", 4, 5),
    ("pa", 2, 1),
    ("pa", 8, 7),
    ("pa-short", 4, 5),
    ("int8", None, None),
    ("int16", None, None),
    ("lsq", 4, 4),
    ("sign", None, None),
    ("pact", 4, 4),
    ("minmax-tensor", 6, 8),
    ("mmse", 4, 4),
    ("mmse-dual", 4, 4),
    ("minmax", 3, 5),
]

RECTIFIERS = {
    "relu": functional.relu,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "inplace": lambda x: functional.relu(x, inplace=True),
    "six": functional.relu6,
}
POOLS = {
    "max": lambda x: functional.max_pool2d(x, 2),
    "max3": lambda x: functional.max_pool2d(x, kernel_size=3, stride=2, padding=1),
    "average": lambda x: functional.avg_pool2d(x, 2),
    "average3": lambda x: functional.avg_pool2d(x, kernel_size=3),
    "dropout": lambda x: functional.dropout(x, 0.1, training=False),
    "dropout2d": lambda x: functional.dropout2d(x, p=0.1, training=False),
}
FLATTENS = {
    "flatten": lambda x: torch.flatten(x, 1),
    "size": lambda x: x.view(x.size(0), -1),
    "method": lambda x: x.flatten(1),
    "shape": lambda x: x.reshape(x.shape[0], -1),
    "keyword": lambda x: x.flatten(start_dim=1),
    "guess": lambda x: x.view(-1, x.size(1) * x.size(2) * x.size(3)),
}
AVERAGES = {
    "mean": lambda x: x.mean((2, 3)),
    "list": lambda x: torch.mean(x, [-1, -2]),
    "kept": lambda x: torch.mean(x, dim=[2, 3], keepdim=True).flatten(1),
    "squeezed": lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    "viewed": lambda x: functional.adaptive_avg_pool2d(x, (1, 1)).view(x.shape[0], -1),
}


class Step(nn.Module):
    """A function of one of the tables, as a step of a model."""

    def __init__(self, table: dict[str, Any], name: str):
        super().__init__()
        self.function, self.name = table[name], name

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name


def _rectifier(draw: random.Random) -> nn.Module:
    return draw.choice(
        [nn.ReLU(), nn.ReLU6(), nn.ReLU(inplace=True), Step(RECTIFIERS, draw.choice(list(RECTIFIERS)))]
    )


class _Residual(nn.Module):
    def __init__(self, draw: random.Random, channels: int, out: int, stride: int):
        super().__init__()
        kernel = draw.choice([1, 3])
        main: list[nn.Module] = [
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out),
        ]
        if draw.random() < 0.6:
            main += [
                _rectifier(draw),
                nn.Conv2d(out, out, 3, 1, 1, bias=draw.random() < 0.3),
                nn.BatchNorm2d(out),
            ]
        self.main, self.add = nn.Sequential(*main), draw.choice(["+", "+=", "torch"])
        projection = [
            nn.Conv2d(channels, out, 1, stride, bias=False),
            *([nn.BatchNorm2d(out)] if draw.random() < 0.8 else []),
        ]
        self.side = (
            nn.Identity()
            if channels == out and stride == 1 and draw.random() < 0.8
            else nn.Sequential(*projection)
        )
        self.last = _rectifier(draw) if draw.random() < 0.8 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.main(x)
        if self.add == "+=":
            y += self.side(x)
        else:
            y = y + self.side(x) if self.add == "+" else torch.add(y, self.side(x))
        return self.last(y)


class _Inverted(nn.Module):
    """MobileNet v2's block: nothing rectifies what leaves it."""

    def __init__(self, draw: random.Random, channels: int, out: int):
        super().__init__()
        inner = channels * draw.choice([1, 2, 3])
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, inner, 3, 1, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.same = channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.same else self.body(x)


class _Dense(nn.Module):
    def __init__(self, draw: random.Random, channels: int, growth: int):
        super().__init__()
        before = [nn.BatchNorm2d(channels), _rectifier(draw)] if draw.random() < 0.4 else []
        self.body = nn.Sequential(
            *before,
            nn.Conv2d(channels, growth, 3, 1, 1, bias=False),
            nn.BatchNorm2d(growth),
            _rectifier(draw),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


class _Growing:
    """A model under construction: its layers, and the shape of what leaves the last one."""

    def __init__(self, draw: random.Random, shape: tuple[int, int, int]):
        self.draw, (self.channels, *self.size) = draw, shape
        self.layers: list[nn.Module] = []

    def add(self, *layers: nn.Module) -> None:
        self.layers += layers

    def convolution(self) -> None:
        draw = self.draw
        kernel, stride = draw.choice([1, 2, 3, 3, 5]), draw.choice([1, 1, 2])
        dilation = draw.choice([1, 1, 1, 2]) if kernel > 1 else 1
        padding = draw.choice([0, kernel // 2, kernel // 2]) * dilation
        if min(self.size) + 2 * padding < dilation * (kernel - 1) + 1:
            kernel, stride, dilation, padding = 1, 1, 1, 0
        out, groups = draw.choice([4, 6, 8, 12]), 1
        if draw.random() < 0.2:
            out, groups = self.channels * draw.choice([1, 1, 2]), self.channels
        elif draw.random() < 0.2 and self.channels % 2 == 0:
            groups = 2
        self.add(
            nn.Conv2d(self.channels, out, kernel, stride, padding, dilation, groups, bias=draw.random() < 0.4)
        )
        self.channels = out
        self.size = [(side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in self.size]
        if draw.random() < 0.85:
            self.add(nn.BatchNorm2d(out, affine=draw.random() < 0.9))
        if draw.random() < 0.85:
            self.add(_rectifier(draw))
        if draw.random() < 0.1:
            self.add(nn.Dropout2d(0.1))

    def block(self) -> None:
        kind, out = (
            self.draw.choice(["residual", "residual", "inverted", "dense"]),
            self.draw.choice([self.channels, 8]),
        )
        if kind == "residual":
            stride = self.draw.choice([1, 2])
            self.add(_Residual(self.draw, self.channels, out, stride))
            self.size, self.channels = [(side - 1) // stride + 1 for side in self.size], out
        elif kind == "inverted":
            self.add(_Inverted(self.draw, self.channels, out))
            self.channels = out
        else:
            growth = self.draw.choice([2, 4])
            self.add(_Dense(self.draw, self.channels, growth))
            self.channels += growth

    def pool(self) -> None:
        kind = self.draw.choice(list(POOLS))
        side = {"average": 2, "average3": 3}.get(kind, 1)
        if min(self.size) < 3 or any(length % side for length in self.size):
            return
        modules = {
            "max": nn.MaxPool2d(2),
            "max3": nn.MaxPool2d(3, 2, 1),
            "average": nn.AvgPool2d(2),
            "average3": nn.AvgPool2d(3),
        }
        self.add(modules[kind] if kind in modules and self.draw.random() < 0.5 else Step(POOLS, kind))
        self.size = [{"max": n // 2, "max3": (n - 1) // 2 + 1}.get(kind, n // side) for n in self.size]

    def head(self, classes: int) -> None:
        draw, features = self.draw, self.channels
        if draw.random() < 0.6:
            self.add(
                *draw.choice(
                    [(nn.AdaptiveAvgPool2d(1), nn.Flatten()), (Step(AVERAGES, draw.choice(list(AVERAGES))),)]
                )
            )
        else:
            self.add(Step(FLATTENS, draw.choice(list(FLATTENS))))
            features *= self.size[0] * self.size[1]
        if draw.random() < 0.3:
            norm = [nn.BatchNorm1d(8)] if draw.random() < 0.5 else []
            self.add(nn.Linear(features, 8, bias=draw.random() < 0.5), *norm, _rectifier(draw))
            features = 8
        self.add(nn.Linear(features, classes, bias=draw.random() < 0.8))


def random_model(seed: int, classes: int = 5) -> tuple[nn.Module, tuple[int, int, int], Scheme]:
    """(model with odd norm statistics, shape of an image, a scheme), the same for the same seed."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    height = draw.choice([6, 8, 9, 12])
    shape = (draw.choice([1, 3]), height, draw.choice([height, height, height + 2]))
    growing = _Growing(draw, shape)
    if draw.random() < 0.9:  # else it begins with a block, a pool, or nothing but dense layers
        growing.convolution()
    for _ in range(draw.randint(0, 3)):
        draw.choice([growing.convolution, growing.block, growing.block, growing.pool])()
    growing.head(classes)
    model = nn.Sequential(*growing.layers)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias, std=0.4)
    name, weights, activations = draw.choice(SCHEMES)
    return model, shape, scheme(str(name), weights=weights, activations=activations)  # type: ignore[arg-type]
