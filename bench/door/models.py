"""A random torch model with everything that people do to one: odd arguments, unsupported operators, all
spellings, parametrizations, ties, hooks, subclasses, other types, wrappers, several outputs, optional
arguments.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import weight_norm as old_weight_norm

from fermatnet.bench.door.values import ROWS, drawn_call, drawn_module
from fermatnet.model.nn.operators import MODULES
from fermatnet.model.nn.scheme import Scheme, scheme

__all__ = ["Drawn", "draw_model"]

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


class Steps(nn.Module):
    """Layers and functions in a row; ``turn`` may change what comes out, ``scale`` is never given."""

    def __init__(self, steps: list[Any], turn: str):
        super().__init__()
        self.layers = nn.ModuleList([step for step in steps if isinstance(step, nn.Module)])
        self.steps, self.turn = [None if isinstance(step, nn.Module) else step for step in steps], turn

    def forward(self, x: Tensor, scale: float | None = None) -> Any:
        layers = iter(self.layers)
        for step in self.steps:
            x = next(layers)(x) if step is None else step(x)
        if scale is not None:
            x = x * scale
        if self.turn == "tuple":
            return x, x
        return {"logits": x} if self.turn == "dict" else x


class Branch(nn.Module):
    """A sum or a concatenation around layers, with drawn arguments."""

    def __init__(self, body: nn.Module, how: str, kwargs: dict[str, Any], alias: bool):
        super().__init__()
        self.body, self.how, self.kwargs, self.alias = body, how, kwargs, alias

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu_(self.body(x)) if self.alias else self.body(x)
        if self.alias:
            x.add_(1.0)  # changes what is read again below
        if self.how == "cat":
            return torch.cat([x, y], **self.kwargs)
        if self.how == "add":
            return torch.add(x, y, **self.kwargs)
        if self.how == "method":
            return x.add(y, **self.kwargs)
        if self.how == "+=":
            y += x
            return y
        return x + y


class Scaled(nn.Conv2d):
    """A convolution that does something else besides."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Named(nn.Conv2d):
    """A convolution under another name."""

    def extra_repr(self) -> str:
        return "named"


@dataclass
class Drawn:
    """A model with what it is converted with; ``extras``: what was done to it, in words."""

    seed: int
    model: nn.Module
    shape: tuple[int, int, int]
    how: Scheme
    bits: int = 8
    normal: dict[str, Any] = field(default_factory=dict)
    extras: list[str] = field(default_factory=list)


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
    _touch(draw, drawn)
    return drawn


def _convs(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def _tie(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    """Another layer of the same shapes shares the weights, as one parameter, as one layer or as one
    memory."""
    kind = draw.choice(["parameter", "memory", "layer"])
    twin = nn.Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel_size, padding="same" if kind == "layer" else 0
    )  # type: ignore[arg-type]
    twin.weight = nn.Parameter(conv.weight.data) if kind == "memory" else conv.weight
    if conv.in_channels == conv.out_channels and conv.groups == 1 and isinstance(drawn.model, Steps):
        steps, layers = drawn.model.steps, list(drawn.model.layers)
        if conv in layers and all(k % 2 for k in conv.kernel_size):
            place = [i for i, step in enumerate(steps) if step is None][layers.index(conv)]
            again = conv if kind == "layer" else twin
            again.padding = (conv.kernel_size[0] // 2, conv.kernel_size[1] // 2)
            before = (torch.zeros(1), again)
            at = layers.index(conv)
            probe = nn.Sequential(conv, before[1])
            try:
                same = (
                    probe(torch.zeros(1, conv.in_channels, 9, 9)).shape
                    == conv(torch.zeros(1, conv.in_channels, 9, 9)).shape
                )
            except RuntimeError:
                return
            if same:
                drawn.model.layers = nn.ModuleList([*layers[: at + 1], again, *layers[at + 1 :]])
                steps.insert(place + 1, None)
                drawn.extras.append(f"tied {kind}")


def _parametrize(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    kind = draw.choice(
        ["weight_norm", "spectral_norm", "orthogonal", "old weight_norm", "prune", "old spectral_norm"]
    )
    touch: dict[str, Callable[[nn.Conv2d], Any]] = {
        "weight_norm": parametrizations.weight_norm,
        "spectral_norm": parametrizations.spectral_norm,
        "orthogonal": parametrizations.orthogonal,
        "prune": lambda c: prune.l1_unstructured(c, "weight", 0.5),
        "old spectral_norm": nn.utils.spectral_norm,
    }
    if kind == "old weight_norm":
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and still in people's models
            old_weight_norm(conv)
    else:
        touch[kind](conv)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # as after some training
    drawn.extras.append(kind)


def _hook(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    kind = draw.choice(
        ["hook", "pre-hook", "reading hook", "backward hook", "instance forward", "gradient hook"]
    )
    if kind == "hook":
        conv.register_forward_hook(lambda m, x, y: y * 2)
    elif kind == "pre-hook":
        conv.register_forward_pre_hook(lambda m, x: (x[0] + 1,))
    elif kind == "reading hook":
        conv.register_forward_hook(lambda m, x, y: None)
    elif kind == "backward hook":
        conv.register_full_backward_hook(lambda m, x, y: None)
    elif kind == "gradient hook":
        conv.weight.register_hook(lambda g: g)
    else:
        plain = conv.forward
        conv.forward = lambda input: plain(input) + 1  # type: ignore[method-assign]
    drawn.extras.append(kind)


def _dtype(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    kind = draw.choice([torch.float64, torch.float16, torch.bfloat16])
    drawn.model.to(kind)
    drawn.extras.append(str(kind))


def _wrap(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    kind = draw.choice(["DataParallel", "inner DataParallel", "compiled"])
    if kind == "DataParallel":
        drawn.model = nn.DataParallel(drawn.model)
    elif kind == "compiled":
        drawn.model = torch.compile(drawn.model)  # type: ignore[assignment]
    else:
        drawn.model = nn.Sequential(nn.DataParallel(drawn.model))
    drawn.extras.append(kind)


def _numbers(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    kind = draw.choice(["nan", "inf", "huge", "zero", "frozen"])
    with torch.no_grad():
        if kind in ("nan", "inf"):
            conv.weight.view(-1)[0] = float(kind)
        elif kind == "frozen":
            conv.requires_grad_(False)
        else:
            conv.weight.mul_(1e6 if kind == "huge" else 0.0)
    drawn.extras.append(kind)


def _pixels(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    if draw.random() < 0.5:
        drawn.bits = draw.choice([1, 4, 7, 12])
        drawn.extras.append(f"bits={drawn.bits}")
    else:
        channels = drawn.shape[0]
        drawn.normal = {
            "mean": [draw.choice([0.5, 0.1])] * channels,
            "std": [draw.choice([0.25, 1.0, 0.0])] * channels,
        }
        drawn.extras.append("mean and std")


def _touch(draw: random.Random, drawn: Drawn) -> None:
    """Now and then one of the things that people do to a model."""
    convs = _convs(drawn.model)
    ways = [_tie, _parametrize, _hook, _dtype, _numbers, _pixels, _wrap]
    if convs and draw.random() < 0.45:
        draw.choices(ways, [2, 2, 1, 1, 1, 2, 1])[0](draw, drawn, draw.choice(convs))
