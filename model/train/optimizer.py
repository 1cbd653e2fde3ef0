"""Optimizers with their parameter groups, and learning rates as a pure function of the step."""

import math

import torch
from torch import nn

from fermatnet.model.train.options import Options

__all__ = ["learning_rate", "make_optimizer"]

# quantizers' own parameters: a smaller step, no decay
_LEVELS = ("v", "beta", "log2_step", "learned_step", "alpha", "basis", "clip", "shift")


def make_optimizer(model: nn.Module, options: Options, rate: float) -> torch.optim.Optimizer:
    """Parameter groups and the optimizer that ``options`` name; ``base`` of a group is its rate before the
    schedule.

    Weights decay; norms, biases and quantizers' parameters do not. Option decay "all": norms and biases too.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    levels: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.rpartition(".")[2] in _LEVELS:
            levels.append(parameter)
        else:
            every = options.decay == "all"
            (decayed if every or parameter.dim() > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay, "base": rate},
        {"params": plain, "weight_decay": 0.0, "base": rate},
        {"params": levels, "weight_decay": 0.0, "base": rate * options.level_lr},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "sgd":
        nesterov = options.nesterov and options.momentum > 0
        return torch.optim.SGD(groups, lr=rate, momentum=options.momentum, nesterov=nesterov)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate)


def learning_rate(options: Options, step: int, steps: int, epochs: int = 1) -> float:
    """Factor on the base rate at ``step`` of ``steps`` in ``epochs``: linear warm-up, then the schedule.

    Without warm-up the first step has the whole rate.
    """
    at = step / max(1, steps)
    if options.schedule == "one-cycle":  # Smith's: up for 30 %, down to almost nothing
        rise = max(options.warmup, 0.3)
        return (
            0.04 + 0.96 * (1 - math.cos(math.pi * at / rise)) / 2
            if at < rise
            else (1 + math.cos(math.pi * (at - rise) / (1 - rise))) / 2
        )
    warmup = min(1.0, options.warmup_epochs / max(1, epochs)) if options.warmup_epochs else options.warmup
    if at < warmup:
        share = min(1.0, (step + 1) / max(1.0, warmup * steps))
        return options.warmup_from + (1 - options.warmup_from) * share
    left = (at - warmup) / max(1e-12, 1 - warmup)
    if options.schedule == "cosine":
        return (1 + math.cos(math.pi * left)) / 2
    if options.schedule == "polynomial":
        return (1 - left) ** options.power
    if options.schedule == "step":
        # a hair of slack: an epoch's share of the steps need not be a binary fraction
        return options.step_factor ** sum(at >= mark - 1e-12 for mark in options.marks(epochs))
    return 1.0
