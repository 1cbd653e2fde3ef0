"""``convert(model, scheme)``: any traceable CNN into its quantized twin, pre-trained weights kept, with a
list of what was done and why.

What becomes what: the first convolution and the last dense layer 8-bit integer, depthwise convolutions 8-bit
integer (they are few operations; thesis 3.4.3), every other convolution and dense layer by the scheme, 1x1
shortcuts included; a rectifier the scheme's activation; a batch norm that feeds a rectifier a norm evaluated
in float64, any other one fixed point; the average over the map a sum and a fixed-point factor. The raw uint8
image goes in: the normalisation (x/255 - mean)/std moves into the first convolution.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.converter import Change, Converter
from fermatnet.model.nn.layers import BatchNorm, Conv2d, FixedBias, Linear, PixelScale
from fermatnet.model.nn.measure import calibrate, reestimate_norms
from fermatnet.model.nn.scheme import Scheme

__all__ = ["convert"]


# change nothing of a factor and a constant a channel
_PASSING = (nn.MaxPool2d, nn.AvgPool2d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)


def _first_layer(model: Any) -> fx.Node:
    """The step that takes the normalisation up: the only one that reads the image, or the pooled image."""
    node = next(
        node
        for node in model.graph.nodes
        if node.op == "call_module" and isinstance(model.get_submodule(node.target), PixelScale)
    )
    while len(node.users) == 1:
        node = next(iter(node.users))
        layer = model.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(layer, Conv2d | Linear):
            return node
        if not isinstance(layer, _PASSING) and node.target is not torch.flatten:
            break
    raise InputError(
        "the normalisation has no place: more than the first layer with weights reads the image; give mean "
        "and std no value and "
        "normalise in the model, by a batch norm for instance"
    )


def _fold_normalisation(model: Any, mean: Sequence[float], std: Sequence[float], bits: int) -> None:
    """y = W ((p/255) - mean)/std for the raw pixel p = 2^bits * (what the first layer now gets)."""
    first = _first_layer(model)
    layer: Any = model.get_submodule(str(first.target))
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


def convert(
    model: nn.Module,
    how: Scheme,
    shape: tuple[int, int, int],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    bits: int = 8,
    images: Tensor | None = None,
) -> tuple[nn.Module, list[Change]]:
    """(quantized twin, report). The model itself is not changed.

    Parameters
    ----------
    shape : of one image (C, H, W);  bits : of its pixels
    mean, std : the normalisation the model was trained with, a channel, of pixels in 0..1; None: it took
    pixels / 2^bits
        (zero padding of the first layer is then of raw pixels: black, not the mean; re-estimating the norms
        takes up the difference)
    images : uint8 batch to calibrate activations on and to re-estimate the norms with; without it the first
    training batch sets the steps

    Raises InputError when the model cannot be traced or does not take such images.
    """
    converter = Converter(model, how, shape, bits, biased=mean is not None or std is not None)
    made = converter.run()
    if mean is not None or std is not None:
        channels = shape[0]
        mean, std = (
            mean if mean is not None else [0.0] * channels,
            std if std is not None else [1.0] * channels,
        )
        if len(mean) != channels or len(std) != channels or min(std) <= 0:
            raise InputError(f"mean and std must be {channels} numbers each, std positive")
        _fold_normalisation(made, mean, std, bits)
    if images is not None:
        calibrate(made, images)
        reestimate_norms(made, [images])
    return made, converter.changes
