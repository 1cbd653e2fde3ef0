"""Weights: one power-of-two step a tensor in the file, and yet a real step for each output channel; the means
of what rounding changes."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.post_training.graph import Groups, one_step
from fermatnet.model.nn.post_training.observe import BATCH, real_arithmetic
from fermatnet.model.nn.post_training.ranges import best_exponent, best_steps
from fermatnet.model.nn.post_training.scales import scale_input, scale_output
from fermatnet.model.nn.samples import Batch, called

__all__ = ["correct_means", "fill_channels", "set_bias_units", "set_weight_steps"]

_BIAS_BITS = 30  # of a bias' magnitude in the file, one less than it holds
_ROOM = 2  # octaves that a learned step may grow before the bias' unit would be finer than the accumulator's


@torch.no_grad()
def fill_channels(layer: Any, reader: Any) -> bool:
    """Scale each output channel of ``layer`` to fill its integers; ``reader``, which alone reads it, divides
    by the factor again."""
    if not one_step(layer):
        return False
    steps = best_steps(layer.weight.detach().flatten(1), layer.quantizer.lo, layer.quantizer.hi)
    alive = steps > 0
    if not bool(alive.any()):
        return False
    # one power of two for the tensor, near what most channels want, so that trained weights change little
    exponent = torch.log2(steps[alive].median()).round()
    factor = torch.where(alive, torch.exp2(exponent) / steps.clamp(min=1e-30), torch.ones_like(steps))
    scale_output(layer, factor)
    scale_input(reader, factor)
    layer.quantizer.log2_step.fill_(exponent)
    return True


@torch.no_grad()
def set_weight_steps(model: nn.Module, done: list[Any]) -> None:
    """Steps of least square error for all layers but those that :func:`fill_channels` has seen to."""
    for layer in model.modules():
        if isinstance(layer, Conv2d | Linear) and layer not in done and one_step(layer):
            quantizer: Any = layer.quantizer
            quantizer.log2_step.fill_(best_exponent(layer.weight.detach(), quantizer.lo, quantizer.hi)[0])


@torch.no_grad()
def set_bias_units(found: Groups) -> None:
    """Biases of dense layers to a fraction of the accumulator's unit, with room for inputs whose step
    training makes larger.

    The bias has 32 bits in the file: where the inputs are so small beside it that it would not fit, their
    steps grow until it does.
    """
    for edge in found.edges:
        layer = edge.module
        before: list[Any] = [module for module, group in found.rounding.items() if group == edge.before]
        if not isinstance(layer, Linear) or not before or not one_step(layer):
            continue
        if layer.bias is not None:
            largest = math.frexp(float(layer.bias.abs().max()))[1]
            finest = _BIAS_BITS - largest + round(float(layer.quantizer.log2_step))
            for module in before:
                module.log2_step.clamp_(min=-finest)
        units = [-round(float(module.log2_step)) for module in before]
        layer.bias_bits.fill_(max(-4, min(min(units) - _ROOM, 8)))


@torch.no_grad()
def correct_means(model: nn.Module, images: Batch, followed: list[tuple[Any, Any]]) -> int:
    """Take the mean of what rounded weights add to each channel out of the norm or bias that follows; returns
    of how many layers.

    The mean is over all images and places, of W_rounded x - W x on the real network's x (Nagel et al.,
    data-free quantization, 2019, 4.2).
    """
    readers = dict(followed)
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, Conv2d | Linear)
        and one_step(layer)
        and (layer in readers or layer.bias is not None)
    ]
    change = {layer: layer.quantizer(layer.weight) - layer.weight for layer in layers}
    sums = {
        layer: torch.zeros(len(layer.weight), dtype=torch.float64, device=layer.weight.device)
        for layer in layers
    }
    count = len(images)

    def add(layer: Any, inputs: tuple[Tensor]) -> None:
        x = inputs[0].to(layer.weight.dtype)
        if isinstance(layer, Linear):
            y = nn.functional.linear(x, change[layer])
        else:
            y = nn.functional.conv2d(
                x, change[layer], None, layer.stride, layer.padding, layer.dilation, layer.groups
            ).mean((2, 3))
        sums[layer] += y.double().sum(0)

    hooks = [layer.register_forward_pre_hook(add) for layer in layers]
    try:
        with real_arithmetic(model):
            for batch in images.split(BATCH):
                called(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        _subtract(layer, readers.get(layer), sums[layer] / count)
    return len(layers)


def _subtract(layer: Any, reader: Any, mean: Tensor) -> None:
    if isinstance(reader, FixedNorm):
        assert reader.running_mean is not None
        reader.running_mean.add_(mean)
    elif isinstance(reader, FixedBias):
        reader.bias.sub_(reader.gain * mean)
    else:
        layer.bias.sub_(mean)
