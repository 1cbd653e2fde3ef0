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

from fermatnet.bench.door.steps import Branch, Drawn, Named, Scaled, Steps
from fermatnet.bench.door.touches import touch
from fermatnet.bench.door.values import ROWS, drawn_call, drawn_module
from fermatnet.model.nn.operators import MODULES
from fermatnet.model.nn.scheme import scheme

__all__ = ["draw_model"]

SCHEMES = [("pa", 4, 5), ("pa", 2, 1), ("pa", 8, 7), ("int8", None, None), ("int16", None, None)]
ODD = 0.11  # of the steps with a drawn argument
_FOREIGN: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.sigmoid,
    torch.tanh,
    functional.leaky_relu,
    functional.gelu,
    lambda x: x * 2,
    lambda x: x + 1,
    lambda x: -x,
    lambda x: x - x.mean(),
    lambda x: x.transpose(2, 3),
    lambda x: x.flip(3),
    lambda x: x[:, :, ::2],
    lambda x: functional.interpolate(x, scale_factor=2.0),
    lambda x: functional.softmax(x, 1),
    lambda x: x.chunk(1, 1)[0],
    lambda x: x.float(),
    lambda x: x.detach(),
    lambda x: x.abs(),
)


class _Growing:
    def __init__(self, draw: random.Random):
        self.draw = draw
        self.shape: tuple[int, ...] = (draw.choice([1, 2, 3]), draw.choice([6, 8, 9]), draw.choice([6, 8]))
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
        if isinstance(found, Tensor) and found.dim() in (2, 4) and found.numel() and len(found) == 3:
            self.shape = tuple(found.shape[1:])
            self.steps.append(step)
        elif isinstance(found, tuple):
            self.steps += [step, lambda x: x[0]]
            self.shape = tuple(found[0].shape[1:])

    def conv(self) -> None:
        draw, inputs = self.draw, self.shape[0]
        kernel = draw.choice([1, 2, 3, 3])
        out = draw.choice([2, 4, 6])
        groups = inputs if draw.random() < 0.15 else 1
        fixed = {
            "in_channels": inputs,
            "out_channels": out if groups == 1 else inputs * draw.choice([1, 2]),
            "kernel_size": kernel,
            "stride": draw.choice([1, 1, 1, 2]),
            "padding": draw.choice([0, kernel // 2, kernel // 2]),
            "groups": groups,
        }
        kind = draw.choices([nn.Conv2d, Scaled, Named], [0.95, 0.02, 0.03])[0]
        if min(self.shape[1:]) < kernel:
            return
        self.add(drawn_module(draw, kind, {**fixed, "bias": draw.random() < 0.5}, self.shape, ODD))
        if draw.random() < 0.6:
            self.add(drawn_module(draw, nn.BatchNorm2d, {"num_features": self.shape[0]}, self.shape, ODD))
        if draw.random() < 0.85:
            self.rectifier()

    def rectifier(self) -> None:
        kinds: list[Any] = [nn.ReLU, nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Threshold]
        rows = ["relu", "relu", "relu6", "hardtanh", "threshold", "clamp", "clamp_min"]
        if self.draw.random() < 0.5:
            self.add(drawn_module(self.draw, self.draw.choice(kinds), {}, self.shape, ODD))
        else:
            self.add(drawn_call(self.draw, ROWS[self.draw.choice(rows)], self.shape, ODD))
            if self.draw.random() < 0.1:
                self.add(drawn_call(self.draw, ROWS["clamp_max"], self.shape, ODD))

    def other(self) -> None:
        """A pool, a dropout, zeros around: any layer or call of the table that keeps a map a map."""
        if self.draw.random() < 0.5:
            kinds = [
                kind
                for kind in MODULES
                if kind not in (nn.Conv2d, nn.Linear, nn.Flatten, nn.BatchNorm1d, nn.BatchNorm2d)
            ]
            kind = self.draw.choice([*kinds, nn.MaxPool2d, nn.AvgPool2d])
            self.add(drawn_module(self.draw, kind, {}, self.shape, ODD))
        else:
            names = [
                "max_pool2d",
                "avg_pool2d",
                "adaptive_avg_pool2d",
                "adaptive_max_pool2d",
                "mean",
                "dropout",
                "dropout2d",
                "pad",
                "contiguous",
                "clone",
                "max_pool2d",
                "avg_pool2d",
            ]
            self.add(drawn_call(self.draw, ROWS[self.draw.choice(names)], self.shape, ODD))

    def branch(self) -> None:
        draw, c = self.draw, self.shape[0]
        inner: list[nn.Module] = [nn.Conv2d(c, c, 3, 1, 1, bias=draw.random() < 0.5)]
        if draw.random() < 0.5:
            inner.append(nn.BatchNorm2d(c))
        if draw.random() < 0.5:
            inner.append(nn.ReLU())
        how = draw.choice(["add", "method", "+=", "+", "cat"])
        kwargs: dict[str, Any] = {"dim": draw.choice([1, 1, 1, -3, 2])} if how == "cat" else {}
        if how in ("add", "method") and draw.random() < 0.2:
            kwargs = {"alpha": draw.choice([1, 2, -1])}
        alias = draw.random() < 0.03
        if alias:
            self.extras.append("in place")
        self.add(Branch(nn.Sequential(*inner), how, kwargs, alias))

    def head(self) -> None:
        draw = self.draw
        if draw.random() < 0.4:
            self.add(
                draw.choice(
                    [
                        nn.AdaptiveAvgPool2d(1),
                        lambda x: x.mean((2, 3), keepdim=True),
                        lambda x: torch.mean(x, dim=[-1, -2], keepdim=True),
                    ]
                )
            )
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
        if draw.random() < 0.3:
            self.add(nn.Linear(self.shape[0], 6, bias=draw.random() < 0.5))
            if draw.random() < 0.5:
                self.add(drawn_module(draw, nn.BatchNorm1d, {"num_features": self.shape[0]}, self.shape, ODD))
            self.add(nn.ReLU())
        self.add(nn.Linear(self.shape[0], 3, bias=draw.random() < 0.8))
        if draw.random() < 0.04:
            self.add(draw.choice([nn.Softmax(1), nn.LogSoftmax(1), lambda x: x.softmax(1)]))


def draw_model(seed: int) -> Drawn:
    """The model of a seed, the same every time."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    growing = _Growing(draw)
    growing.conv()
    for _ in range(draw.randint(0, 3)):
        draw.choice([growing.conv, growing.conv, growing.branch, growing.other])()
        if draw.random() < 0.02:
            growing.add(draw.choice(_FOREIGN))
    growing.head()
    turn = draw.choices(["", "tuple", "dict"], [0.97, 0.02, 0.01])[0]
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
    return drawn
