"""Optimizers with their parameter groups, and learning rates as a pure function of the step."""

import math

import torch
from torch import nn

from fermatnet.model.train.options import Options

__all__ = ["learning_rate", "make_optimizer"]

# quantizers' own parameters: a smaller step, no decay
_LEVELS = ("v", "beta", "log2_step", "alpha", "basis", "clip", "shift")


def make_optimizer(model: nn.Module, options: Options, rate: float) -> torch.optim.Optimizer:
    """Weights with decay; norms, biases and quantizers' parameters without; ``base`` of a group is its rate
    before the schedule."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    levels: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.rpartition(".")[2] in _LEVELS:
            levels.append(parameter)
        else:
            (decayed if parameter.dim() > 1 else plain).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay, "base": rate},
        {"params": plain, "weight_decay": 0.0, "base": rate},
        {"params": levels, "weight_decay": 0.0, "base": rate * options.level_lr},
    ]
    groups = [group for group in groups if group["params"]]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=options.momentum, nesterov=options.momentum > 0)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate)


def learning_rate(options: Options, step: int, steps: int) -> float:
    """Factor on the base rate at ``step`` of ``steps``: linear warm-up, then the schedule."""
    at = step / max(1, steps)
    if options.schedule == "one-cycle":  # Smith's: up for 30 %, down to almost nothing
        rise = max(options.warmup, 0.3)
        return (
            0.04 + 0.96 * (1 - math.cos(math.pi * at / rise)) / 2
            if at < rise
            else (1 + math.cos(math.pi * (at - rise) / (1 - rise))) / 2
        )
    if at < options.warmup:
        return (step + 1) / max(1.0, options.warmup * steps)
    if options.schedule == "cosine":
        return (1 + math.cos(math.pi * (at - options.warmup) / (1 - options.warmup))) / 2
    if options.schedule == "step":
        return options.step_factor ** sum(at >= mark for mark in options.milestones)
    return 1.0
