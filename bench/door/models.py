"""A random torch model with everything that people do to one: odd arguments, unsupported operators, all
spellings, parametrizations, ties, hooks, subclasses, other types, wrappers, several outputs, optional
arguments.
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.bench.door.moves import drawn_move
from fermatnet.bench.door.steps import Branch, Drawn, Named, Scaled, Steps, Two
from fermatnet.bench.door.touches import touch
from fermatnet.bench.door.values import ROWS, drawn_call, drawn_module
from fermatnet.model.nn.scheme import scheme

__all__ = ["draw_model"]

SCHEMES = [("pa", 4, 5), ("pa", 2, 1), ("pa", 8, 7), ("int8", None, None), ("int16", None, None)]
ODD = 0.11  # of the steps with a drawn argument
TWO = 0.1  # of the models whose image has channels to divide
_FOREIGN: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.sin,
    torch.exp,
    lambda x: x.abs(),
    lambda x: x**3,
    lambda x: x - x.mean(),
    lambda x: x.transpose(1, 2),
    lambda x: x.flip(0),
    lambda x: x.cumsum(1),
    lambda x: functional.softmax(x, 1),
    lambda x: functional.normalize(x),
    lambda x: x.float(),
    lambda x: x.detach(),
    lambda x: functional.rrelu(x),
    lambda x: x * torch.ones(x.shape[1:]),
)
_RECTIFIERS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Threshold)
_CURVES: tuple[type[nn.Module], ...] = (
    nn.LeakyReLU,
    nn.PReLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.SiLU,
    nn.Mish,
    nn.GELU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.Softplus,
    nn.Softsign,
    nn.LogSigmoid,
    nn.Softshrink,
    nn.Hardshrink,
    nn.Tanhshrink,
)
_CURVE_CALLS = (
    *("sigmoid", "tanh", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish"),
    *("hardsigmoid", "hardswish", "softplus", "softsign", "logsigmoid"),
)
_MAPS = (  # layers that keep a map a map
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.ZeroPad2d,
    nn.ConstantPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.CircularPad2d,
    nn.Upsample,
    nn.UpsamplingNearest2d,
    nn.ChannelShuffle,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
)
_ROWS = (
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveMaxPool1d,
    nn.ZeroPad1d,
    nn.ConstantPad1d,
    nn.ReflectionPad1d,
    nn.ReplicationPad1d,
    nn.CircularPad1d,
    nn.Upsample,
    nn.Dropout1d,
)
_MAP_CALLS = (
    *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
    *("mean", "dropout", "dropout2d"),
)
_ROW_CALLS = ["max_pool1d", "avg_pool1d", "adaptive_avg_pool1d", "dropout"]


class _Growing:
    def __init__(self, draw: random.Random):
        self.draw = draw
        channels = draw.choice([1, 2, 3])
        maps = (channels, draw.choice([6, 8, 9]), draw.choice([6, 8]))
        kind = draw.choices(["maps", "rows", "vector"], [0.76, 0.16, 0.08])[0]
        self.shape: tuple[int, ...] = {
            "maps": maps,
            "rows": (channels, draw.choice([9, 12, 16])),
            "vector": (draw.choice([5, 8]),),
        }[kind]
        self.image = self.shape
        self.steps: list[Any] = []
        self.extras: list[str] = []

    def add(self, step: Any) -> None:
        """Append a step, if torch takes it."""
        was = isinstance(step, nn.Module) and step.training
        try:
            with torch.no_grad():
                found = (step.eval() if isinstance(step, nn.Module) else step)(torch.randn(3, *self.shape))
        except (RuntimeError, TypeError, ValueError, IndexError, AssertionError, NotImplementedError):
            return
        finally:
            if isinstance(step, nn.Module):
                step.train(was)
        if isinstance(found, Tensor) and 2 <= found.dim() <= 4 and found.numel() and len(found) == 3:
            if found.numel() <= 3 * 4096 and found.is_floating_point():
                self.shape = tuple(found.shape[1:])
                self.steps.append(step)
        elif isinstance(found, tuple):
            self.steps += [step, lambda x: x[0]]
            self.shape = tuple(found[0].shape[1:])

    def conv(self) -> None:
        """A convolution, a transposed one now and then, or a dense layer; a norm and an activation."""
        draw, inputs, rows = self.draw, self.shape[0], len(self.shape) == 2
        if len(self.shape) == 1:
            self.add(nn.Linear(inputs, draw.choice([4, 6, 9]), bias=draw.random() < 0.7))
        else:
            kernel = draw.choice([1, 2, 3, 3])
            out = draw.choice([2, 4, 6])
            groups = inputs if draw.random() < 0.15 else 1
            turned = draw.random() < 0.1
            fixed = {
                "in_channels": inputs,
                "out_channels": out if groups == 1 else inputs * draw.choice([1, 2]),
                "kernel_size": kernel,
                "stride": draw.choice([1, 1, 1, 2]),
                "padding": 0 if turned else draw.choice([0, kernel // 2, kernel // 2]),
                "groups": groups,
            }
            kinds = {False: nn.ConvTranspose2d, True: nn.ConvTranspose1d} if turned else {True: nn.Conv1d}
            plain = draw.choices([nn.Conv2d, Scaled, Named], [0.95, 0.02, 0.03])[0]
            if min(self.shape[1:]) < kernel:
                return
            kind: Any = kinds.get(rows, plain)
            self.add(drawn_module(draw, kind, {**fixed, "bias": draw.random() < 0.5}, self.shape, ODD))
        norm = nn.BatchNorm2d if len(self.shape) == 3 else nn.BatchNorm1d
        if draw.random() < 0.6:
            self.add(drawn_module(draw, norm, {"num_features": self.shape[0]}, self.shape, ODD))
        if draw.random() < 0.85:
            self.activation()

    def activation(self) -> None:
        draw, curve = self.draw, self.draw.random() < 0.3
        rows = ["relu", "relu", "relu6", "hardtanh", "threshold", "clamp", "clamp_min"]
        if draw.random() < 0.5:
            kind = draw.choice(_CURVES if curve else _RECTIFIERS)
            slopes = kind is nn.PReLU and draw.random() < 0.5
            fixed = {"num_parameters": self.shape[0]} if slopes else {}
            self.add(drawn_module(draw, kind, fixed, self.shape, ODD))
        else:
            self.add(drawn_call(draw, ROWS[draw.choice(_CURVE_CALLS if curve else rows)], self.shape, ODD))
            if draw.random() < 0.1:
                self.add(drawn_call(draw, ROWS["clamp_max"], self.shape, ODD))

    def other(self) -> None:
        """A pool, a dropout, padding, upsampling: any layer or call of the table that keeps a map a map."""
        draw, count = self.draw, len(self.shape)
        if count == 1:
            self.add(lambda x: x)
        elif draw.random() < 0.5:
            kinds: tuple[Any, ...] = _MAPS if count == 3 else _ROWS
            self.add(drawn_module(draw, draw.choice(kinds), {}, self.shape, ODD))
        else:
            names = _MAP_CALLS if count == 3 else _ROW_CALLS
            self.add(drawn_call(draw, ROWS[draw.choice(names)], self.shape, ODD))

    def move(self) -> None:
        """Values in another order, or arithmetic with constants."""
        self.add(drawn_move(self.draw, self.shape))

    def branch(self) -> None:
        draw, c = self.draw, self.shape[0]
        kinds = {3: (nn.Conv2d, nn.BatchNorm2d), 2: (nn.Conv1d, nn.BatchNorm1d)}.get(len(self.shape))
        if kinds is None:
            inner: list[nn.Module] = [nn.Linear(c, c)]
        else:
            inner = [kinds[0](c, c, 3, 1, 1, bias=draw.random() < 0.5)]
            if draw.random() < 0.5:
                inner.append(kinds[1](c))
        if draw.random() < 0.5:
            inner.append(draw.choice([nn.ReLU, nn.ReLU, nn.Sigmoid, nn.Tanh])())
        how = draw.choice(["add", "method", "+=", "+", "cat", "-", "*", "gate"])
        dims = [1, 1, 1, -1, 2, -3]
        kwargs: dict[str, Any] = {"dim": draw.choice(dims)} if how == "cat" else {}
        if how in ("add", "method") and draw.random() < 0.4:
            kwargs = {"alpha": draw.choice([1, 2, -1])}
        alias = draw.random() < 0.03
        if alias:
            self.extras.append("in place")
        self.add(Branch(nn.Sequential(*inner), how, kwargs, alias))

    def head(self) -> None:
        """An average over the map, a flatten of one of its spellings, dense layers."""
        draw, rows = self.draw, len(self.shape) == 2
        if len(self.shape) > 1:
            sides = tuple(range(2, len(self.shape) + 1))
            pool = nn.AdaptiveAvgPool1d(1) if rows else nn.AdaptiveAvgPool2d(1)
            ways: list[Any] = [pool, lambda x: x.mean(sides, keepdim=True)]
            if draw.random() < 0.5:
                self.add(draw.choice(ways))
            self._flatten()
        if draw.random() < 0.3:
            self.add(nn.Linear(self.shape[0], 6, bias=draw.random() < 0.5))
            if draw.random() < 0.5:
                self.add(drawn_module(draw, nn.BatchNorm1d, {"num_features": self.shape[0]}, self.shape, ODD))
            self.activation()
        self.add(nn.Linear(self.shape[0], 3, bias=draw.random() < 0.8))
        if draw.random() < 0.04:
            self.add(draw.choice([nn.Softmax(1), nn.LogSoftmax(1), lambda x: x.softmax(1)]))

    def _flatten(self) -> None:
        draw = self.draw
        ways = {
            "module": nn.Flatten(),
            "torch": lambda x: torch.flatten(x, 1),
            "view": lambda x: x.view(x.size(0), -1),
            "reshape": lambda x: x.reshape(x.shape[0], -1),
            "keyword": lambda x: x.flatten(start_dim=1),
            "squeeze": lambda x: x.squeeze(-1).squeeze(-1),
        }
        if draw.random() < 0.05:
            ways = {"module": drawn_module(draw, nn.Flatten, {}, self.shape, 1.0)}
        self.add(ways[draw.choice(list(ways))])
        if len(self.shape) != 1:
            self.add(nn.Flatten())


def draw_model(seed: int) -> Drawn:
    """The model of a seed, the same every time."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    growing = _Growing(draw)
    growing.conv()
    for _ in range(draw.randint(0, 3)):
        draw.choice([growing.conv, growing.conv, growing.branch, growing.other, growing.move])()
        if draw.random() < 0.02:
            growing.add(draw.choice(_FOREIGN))
    growing.head()
    turn = draw.choices(["", "tuple", "dict", "places", "top", "twice"], [86, 4, 3, 3, 3, 1])[0]
    model: nn.Module = Steps(growing.steps, turn)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.2)
            if module.weight is not None:
                nn.init.normal_(module.weight)
    name, weights, activations = draw.choice(SCHEMES)
    drawn = Drawn(
        seed,
        model,
        growing.image,
        scheme(name, weights=weights, activations=activations),
        extras=growing.extras,
    )  # type: ignore
    touch(draw, drawn)
    if drawn.shape[0] > 1 and draw.random() < TWO:
        _divide(draw, drawn)
    return drawn


def _divide(draw: random.Random, drawn: Drawn) -> None:
    """The channels of the image come in as two inputs."""
    drawn.first = draw.randint(1, drawn.shape[0] - 1)
    channels = drawn.shape[0] - drawn.first
    kind: Any = {3: nn.Conv2d, 2: nn.Conv1d}.get(len(drawn.shape))
    own = nn.Linear(channels, channels) if kind is None else kind(channels, channels, 3, 1, 1)
    drawn.model = Two(drawn.model, draw.choice([None, nn.Sequential(own, nn.ReLU())]))
    drawn.extras.append("two inputs")
