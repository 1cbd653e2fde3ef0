"""The normalisation (x / (2^bits - 1) - mean) / std of the user's pixels moves into the first layer with
weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.fixed_point import BatchNorm, FixedBias
from fermatnet.model.nn.layers import Conv2d, Linear

__all__ = ["fold_normalisation"]

# change nothing of a factor and a constant a channel
_PASSING = (nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)


def _first_layer(model: Any, pixels: str) -> fx.Node:
    """The step that takes the normalisation up: the only one that reads the image, or the pooled image."""
    node = next(node for node in model.graph.nodes if node.op == "call_module" and node.target == pixels)
    while len(node.users) == 1:
        node = next(iter(node.users))
        layer = model.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(layer, Conv2d | Linear):
            return node
        padded = isinstance(layer, nn.MaxPool2d | nn.AvgPool2d) and layer.padding not in (0, (0, 0))
        if padded or (not isinstance(layer, _PASSING) and node.target is not torch.flatten):
            break
    raise InputError(
        "the normalisation has no place: more than the first layer with weights reads the image; give mean "
        "and std no "
        "value and normalise in the model, by a batch norm for instance"
    )


def _is_shared(model: nn.Module, layer: Any) -> bool:
    return (
        sum(value is layer.weight for module in model.modules() for value in module._parameters.values()) > 1
    )


def fold_normalisation(
    model: Any, mean: Sequence[float], std: Sequence[float], bits: int, report: Report, pixels: str = "pixels"
) -> None:
    """y = W ((p / (2^bits - 1)) - mean) / std for the raw pixel p = 2^bits * (what the first layer now
    gets); ``pixels``: the layer that takes the raw integers in."""
    first = _first_layer(model, pixels)
    layer: Any = model.get_submodule(str(first.target))
    if _is_shared(model, layer):
        raise InputError(
            f"layer {str(first.target)!r}: the normalisation moves into its weights, which another layer "
            "shares; give mean and "
            "std no value and normalise in the model, by a batch norm for instance"
        )
    if isinstance(layer, Conv2d) and any(layer.padding):  # type: ignore[arg-type]
        report.note(
            str(first.target),
            "padding with the mean",
            "padding with black",
            "the normalised zero is not the raw zero: the border of the image moves; training takes it up",
        )
    per = torch.tensor(std, dtype=layer.weight.dtype)
    mu = torch.tensor(mean, dtype=layer.weight.dtype) / per
    if isinstance(layer, Linear):
        share = layer.weight.shape[1] // len(mu)
        mu, per = mu.repeat_interleave(share), per.repeat_interleave(share)
    inputs = layer.weight.shape[1]  # of each group: the outputs of a group read the same channels
    mu, per = (
        x.view(-1, inputs).repeat_interleave(len(layer.weight) * inputs // len(x), 0) for x in (mu, per)
    )
    shape = (*mu.shape, 1, 1) if layer.weight.dim() == 4 else mu.shape
    with torch.no_grad():
        constant = (layer.weight * mu.view(shape)).flatten(1).sum(1)
        layer.weight.mul_((2.0**bits / ((1 << bits) - 1)) / per.view(shape))
        user = next(iter(first.users))
        norm: Any = model.get_submodule(str(user.target)) if user.op == "call_module" else None
        if isinstance(norm, BatchNorm):
            norm.running_mean.add_(constant)  # type: ignore[union-attr]
        elif isinstance(norm, FixedBias):
            norm.bias.sub_(constant)
        elif layer.bias is not None:
            layer.bias.sub_(constant)
        else:
            layer.bias = nn.Parameter(-constant)
