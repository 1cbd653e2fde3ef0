"""What people do to a model besides writing it: parametrizations, ties, hooks, other types, wrappers, odd
numbers, other pixels."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.nn.utils import weight_norm as old_weight_norm

from fermatnet.bench.door.steps import Drawn, Steps

__all__ = ["touch"]


def _convs(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def _tie(draw: random.Random, drawn: Drawn, conv: nn.Conv2d) -> None:
    """Another layer of the same shapes shares the weights, as one parameter, as one layer or as one
    memory."""
    kind = draw.choice(["parameter", "memory", "layer"])
    side = (conv.kernel_size[0], conv.kernel_size[1])
    twin = nn.Conv2d(conv.in_channels, conv.out_channels, side)
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
        drawn.bits, drawn.signed = draw.choice([1, 4, 7, 12, 15, 16, 17]), draw.random() < 0.3
        drawn.extras.append(f"bits={drawn.bits}" + ", signed" * drawn.signed)
    else:
        channels = drawn.shape[0]
        drawn.normal = {
            "mean": [draw.choice([0.5, 0.1])] * channels,
            "std": [draw.choice([0.25, 1.0, 0.0])] * channels,
        }
        drawn.extras.append("mean and std")


def touch(draw: random.Random, drawn: Drawn) -> None:
    """Now and then one of the things that people do to a model."""
    convs = _convs(drawn.model)
    ways = [_tie, _parametrize, _hook, _dtype, _numbers, _pixels, _wrap]
    if convs and draw.random() < 0.45:
        draw.choices(ways, [2, 2, 1, 1, 1, 2, 1])[0](draw, drawn, draw.choice(convs))
