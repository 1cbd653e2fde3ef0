"""What a network learns of its data before training: steps and end-points from one batch, norms measured
anew."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.piecewise import PiecewiseActivation

__all__ = ["calibrate", "reestimate_norms"]


@torch.no_grad()
def calibrate(model: nn.Module, images: Tensor) -> None:
    """One pass over a batch: every activation measures its input in order; steps that are not set yet are
    set."""
    hooks = [
        module.register_forward_pre_hook(lambda m, inputs: m.calibrate(inputs[0]))
        for module in model.modules()
        if isinstance(module, PiecewiseActivation)
    ]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [
        (module, module.running_mean.clone(), module.running_var.clone(), module.num_batches_tracked.clone())
        for module in norms
        if module.running_mean is not None
        and module.running_var is not None
        and module.num_batches_tracked is not None
    ]
    try:
        model.train()
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mean, var, count in kept:
            module.running_mean, module.running_var, module.num_batches_tracked = mean, var, count
        model.eval()


@torch.no_grad()
def reestimate_norms(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """Running means and variances anew as plain averages over the batches; returns how many norms were
    measured."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in norms]
    was = model.training
    try:
        for module in norms:
            module.reset_running_stats()
            module.momentum = None
        model.train()
        count = 0
        for images in batches:
            model(images)
            count += 1
        if norms and not count:
            raise InputError("re-estimating norms needs at least one batch")
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
        model.train(was)
    return len(norms)
