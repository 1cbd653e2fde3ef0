"""What a network learns of its data before training: steps and end-points from images, norms measured anew
where they have to be."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.mmse import fit_fixed_points
from fermatnet.model.nn.coded import CodedActivation
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.piecewise import PiecewiseActivation
from fermatnet.model.nn.post_training import calibrate_integers
from fermatnet.model.nn.post_training.observe import quantizers
from fermatnet.model.nn.samples import Batch, called
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight

__all__ = ["ENOUGH", "calibrate", "keeps_statistics", "learn_from_images", "reestimate_norms"]

# images from which norms are measured anew: with fewer a mean over them is further off than the trained one
ENOUGH = 32
BATCH = 256  # images of one measurement
KEEPING_BITS = 8  # rounding to so many bits leaves means and variances as they were trained


def keeps_statistics(model: nn.Module) -> bool:
    """Whether quantization leaves the statistics that norms were trained with: uniform quantizers of 8 bits
    or more, or none."""
    weights = [module.quantizer for module in model.modules() if isinstance(module, Conv2d | Linear)]
    others = [
        module
        for module in model.modules()
        if type(module).__name__.endswith("Activation") and not isinstance(module, UniformActivation)
    ]
    return (
        not others
        and all(module.bits >= KEEPING_BITS for module in quantizers(model))
        and all(q is None or (isinstance(q, UniformWeight) and q.bits >= KEEPING_BITS) for q in weights)
    )


def learn_from_images(model: nn.Module, images: Batch) -> list[tuple[str, str, str, str]]:
    """Calibrate a converted model on raw images (N, *dims), one tensor an input; lines of the conversion's
    report: (what, was, is now, why).

    Integer networks (uniform quantizers of at least 8 bits): post-training quantization over all images,
    norms as they were trained.
    All others: steps and end-points of one batch, then norms measured anew where there are at least `ENOUGH`
    images.
    """
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    lines = []
    if keeps_statistics(model):
        done = calibrate_integers(model, images)
        if done.steps:
            lines.append(
                (
                    "steps",
                    "",
                    f"of {done.steps} activations, from {done.images} images",
                    f"least square error; {done.scaled} tensors and the channels of {done.channelwise} "
                    "layers with steps that are no "
                    "powers of two: their factors are in the multipliers",
                )
            )
        if norms:
            lines.append(
                (
                    "norms",
                    "trained statistics",
                    "trained statistics",
                    "kept: rounding to 8 bits or more does not change them",
                )
            )
        return lines
    calibrate(model, images)
    if norms and len(images) < ENOUGH:
        lines.append(
            (
                "norms",
                "trained statistics",
                "trained statistics",
                f"kept: {len(images)} images are too few to measure them after quantization, give at least "
                f"{ENOUGH}",
            )
        )
    elif norms:
        reestimate_norms(model, images.split(BATCH))
        lines.append(
            (
                "norms",
                "trained statistics",
                f"measured on {len(images)} images",
                "quantization of few levels changes them",
            )
        )
    return lines


@torch.no_grad()
def calibrate(model: nn.Module, images: Batch) -> None:
    """One pass over a batch: every activation measures its input in order; steps that are not set yet are
    set."""
    hooks = [
        module.register_forward_pre_hook(lambda m, inputs: m.calibrate(inputs[0]))
        for module in model.modules()
        if isinstance(module, PiecewiseActivation | CodedActivation)
    ]
    norms: list[Any] = [
        module
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]
    kept = [
        (module, module.running_mean.clone(), module.running_var.clone(), module.num_batches_tracked.clone())
        for module in norms
    ]
    fit_fixed_points(model)
    try:
        model.train()
        called(model, images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mean, var, count in kept:
            module.running_mean, module.running_var, module.num_batches_tracked = mean, var, count
        model.eval()


@torch.no_grad()
def reestimate_norms(model: nn.Module, batches: Iterable[Batch]) -> int:
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
            called(model, images)
            count += 1
        if norms and not count:
            raise InputError("re-estimating norms needs at least one batch")
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
        model.train(was)
    return len(norms)
