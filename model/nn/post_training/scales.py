"""Factors of tensors, moved into the layers around them: the real function stays, the step that suits the
tensor becomes a power of two.

A tensor of a group has one factor; where only norms and biases read the group, each channel has its own, at
no cost.
"""

from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.post_training.graph import Groups
from fermatnet.model.nn.post_training.ranges import FRACTIONS, best_exponent, best_steps
from fermatnet.model.nn.rounding import round_half_up

__all__ = ["apply_factors", "choose_factors", "scale_input", "scale_output"]


@torch.no_grad()
def scale_output(module: Any, factor: Tensor) -> None:
    """Let ``module`` write its old output times ``factor``: positive, (1,), or (C,) where the layer has
    channels."""
    if isinstance(module, FixedNorm):
        module.weight.mul_(factor)
        module.bias.mul_(factor)
    elif isinstance(module, FixedBias):
        module.gain.mul_(factor)
        module.bias.mul_(factor)
    elif isinstance(module, Rescale):
        module.factor.mul_(factor)
    else:
        module.weight.mul_(factor.view(-1, *[1] * (module.weight.dim() - 1)))
        if module.bias is not None:
            module.bias.mul_(factor)


@torch.no_grad()
def scale_input(module: Any, factor: Tensor) -> None:
    """Let ``module`` write what it wrote before, now that its input comes times ``factor``: (1,), or (C,) for
    a norm or a bias."""
    if isinstance(module, FixedNorm):
        assert module.running_mean is not None and module.running_var is not None
        module.running_mean.mul_(factor)
        # training too sees the same function where the variance takes the factor; beside eps it may not be
        # able to, then the gain does
        variance = (module.running_var.double() + module.eps) * factor.double() ** 2 - module.eps
        kept = variance < 0.5 * module.eps
        module.weight.copy_(torch.where(kept, module.weight / factor, module.weight))
        module.running_var.copy_(torch.where(kept, module.running_var.double(), variance))
    elif isinstance(module, FixedBias):
        module.gain.div_(factor)
    elif isinstance(module, Rescale):
        module.factor.div_(factor)
    else:
        module.weight.div_(factor)


@torch.no_grad()
def choose_factors(found: Groups, samples: dict[nn.Module, Tensor]) -> dict[int, Tensor]:
    """For each group that may be scaled the factor (1,) or (C,) whose steps have the least square error over
    all its quantizers."""
    members: dict[int, list[Any]] = {}
    for module, group in found.rounding.items():
        if group not in found.pinned and module in samples:
            members.setdefault(group, []).append(module)
    return {
        group: _by_channel(modules, samples)
        if found.channelwise(group)
        else _one(found, group, modules, samples)
        for group, modules in members.items()
    }


def _one(found: Groups, group: int, modules: list[Any], samples: dict[nn.Module, Tensor]) -> Tensor:
    """Errors of the activations and of the weights whose steps are powers of two, for they end in the same
    sums."""
    power = sum(float(samples[m].square().mean()) for m in modules) + 1e-30
    tried = []
    for number in range(FRACTIONS):
        factor = 2.0 ** (number / FRACTIONS)
        rounded = sum(best_exponent(samples[m], m.lo, m.hi, factor)[1] for m in modules)
        readers = [
            _sums(layer, factor, rounded, samples.get(layer))
            for layer, way in found.powers_of_two(group)
            if way > 0
        ]
        writers = [_weights(layer, 1.0 / factor) for layer, way in found.powers_of_two(group) if way < 0]
        tried.append(((sum(readers) if readers else rounded / power) + sum(writers), factor))
    return torch.tensor([min(tried)[1]])


def _weights(layer: Any, factor: float) -> float:
    """Error of the weights times ``factor``, relative to them."""
    w = layer.weight.detach() * factor
    return best_exponent(w, layer.quantizer.lo, layer.quantizer.hi)[1] / (float(w.square().mean()) + 1e-30)


def _sums(layer: Any, factor: float, rounded: float, inputs: Tensor | None) -> float:
    """Error of a dense layer's sums relative to how much they vary; ``rounded``: mean square error of each
    input (inputs, N).

    What rounding adds to the mean is no error: the bias takes it up.
    """
    if inputs is None:
        return _weights(layer, factor)
    w = layer.weight.detach() * factor
    step = 2.0 ** best_exponent(w, layer.quantizer.lo, layer.quantizer.hi)[0]
    change = (round_half_up(w / step).clamp(layer.quantizer.lo, layer.quantizer.hi) * step - w) / factor
    varying = inputs - inputs.mean(1, keepdim=True)
    wrong = (change @ varying).square().sum() / inputs.shape[1] + rounded * layer.weight.square().sum()
    return float(wrong / ((layer.weight @ varying).square().sum() / inputs.shape[1] + 1e-30))


def _by_channel(modules: list[Any], samples: dict[nn.Module, Tensor]) -> Tensor:
    """All channels fill the integers alike; the median channel's factor lies between 1 and 2."""
    steps = torch.stack([best_steps(samples[m], m.lo, m.hi) for m in modules]).amax(0)
    alive = steps > 0
    if not bool(alive.any()):
        return torch.ones(1)
    steps = torch.where(alive, steps, steps[alive].median())
    return steps / torch.exp2(torch.log2(steps.median()).floor())


def apply_factors(found: Groups, factors: dict[int, Tensor]) -> None:
    """Divide every tensor of a group by the group's factor; the layers between groups take the factors up."""
    for edge in found.edges:
        if edge.before in factors:
            scale_input(edge.module, 1.0 / factors[edge.before])
        if edge.after in factors:
            scale_output(edge.module, 1.0 / factors[edge.after])
