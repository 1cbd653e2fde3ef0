"""All of post-training quantization in its order, for a converted network of integer layers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fermatnet.model.nn.post_training.graph import groups
from fermatnet.model.nn.post_training.observe import observe, quantizers
from fermatnet.model.nn.post_training.ranges import best_exponent
from fermatnet.model.nn.post_training.scales import apply_factors, choose_factors
from fermatnet.model.nn.post_training.weights import (
    correct_means,
    fill_channels,
    set_bias_units,
    set_weight_steps,
)
from fermatnet.model.nn.samples import Batch

__all__ = ["Calibration", "calibrate_integers"]

_SMALLEST = -24  # exponent: a signal that needs a finer step has died out on the way


@dataclass(frozen=True)
class Calibration:
    """What was done: images used, activation steps set, groups of tensors scaled, layers with a step for each
    channel."""

    images: int
    steps: int
    scaled: int
    channelwise: int


@torch.no_grad()
def calibrate_integers(model: nn.Module, images: Batch) -> Calibration:
    """Set every step of a network of uniform quantizers from raw images (N, C, H, W) of integers; norms keep
    what they know."""
    samples = observe(model, images)
    found = groups(model)
    factors: dict[int, Tensor] = {}
    done: list[nn.Module] = []
    if found is not None:
        factors = choose_factors(found, samples)
        apply_factors(found, factors)
        done = [layer for layer, reader in found.followed if fill_channels(layer, reader)]
    set_weight_steps(model, done)
    correct_means(model, images, [] if found is None else found.followed)
    rounding = quantizers(model)
    for module in rounding:
        values = samples[module]
        factor = (
            torch.ones(1) if found is None else factors.get(found.rounding.get(module, -1), torch.ones(1))
        )
        exponent = best_exponent(values / factor.view(-1, 1), module.lo, module.hi)[0]
        module.log2_step.data.fill_(max(exponent, _SMALLEST))
    if found is not None:
        set_bias_units(found)
    return Calibration(len(images), len(rounding), len(factors), len(done))
