"""What arrives at every quantizer of activations when the model computes in real numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.nn.curves import Curve
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.samples import Batch, called
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["BATCH", "observe", "quantizers", "real_arithmetic"]

SAMPLE = 1 << 17  # values kept of a tensor: their error is known to about 1 per cent then
BATCH = 32  # images a pass

_FIXED = (FixedNorm, FixedBias, Rescale)


def quantizers(model: nn.Module) -> list[Any]:
    """The modules that round activations with a step that calibration sets."""
    return [
        m
        for m in model.modules()
        if isinstance(m, UniformActivation) or (isinstance(m, _FIXED) and m.learned and not m.full_precision)
    ]


@contextmanager
def real_arithmetic(model: nn.Module) -> Iterator[None]:
    """While it lasts nothing of the model is rounded: weights as they are, activations rectified only."""
    weighted = [(m, m.quantizer) for m in model.modules() if isinstance(m, Conv2d | Linear)]
    kinds = (*_FIXED, UniformActivation, Curve)
    rounding: list[tuple[Any, bool]] = [
        (m, m.full_precision) for m in model.modules() if isinstance(m, kinds)
    ]
    try:
        for layer, _ in weighted:
            layer.quantizer = None
        for module, _ in rounding:
            module.full_precision = True
        yield
    finally:
        for layer, quantizer in weighted:
            layer.quantizer = quantizer
        for module, was in rounding:
            module.full_precision = was


@torch.no_grad()
def observe(model: nn.Module, images: Batch) -> dict[nn.Module, Tensor]:
    """Samples float32 from a run of all images (N, C, H, W) in real arithmetic.

    Of every quantizer of activations (C, n) values it would round: each batch gives as many places, drawn by
    a fixed seed, and each channel's largest and smallest value. Of every dense layer (inputs, N): all that it
    reads.
    """
    parts: dict[nn.Module, list[Tensor]] = {module: [] for module in quantizers(model)}
    batches = list(images.split(BATCH))
    draw = torch.Generator().manual_seed(0)

    def keep(module: nn.Module, _: Any, y: Tensor) -> None:
        rows = y.detach().float().transpose(0, 1).flatten(1)
        places = max(8, SAMPLE // len(batches) // len(rows))
        if rows.shape[1] > places + 2:
            chosen = torch.randint(rows.shape[1], (places,), generator=draw).to(rows.device)
            rows = torch.cat([rows[:, chosen], rows.amax(1, keepdim=True), rows.amin(1, keepdim=True)], 1)
        parts[module].append(rows)

    dense: dict[nn.Module, list[Tensor]] = {
        module: [] for module in model.modules() if isinstance(module, Linear)
    }
    hooks = [module.register_forward_hook(keep) for module in parts]
    hooks += [
        layer.register_forward_pre_hook(lambda m, inputs: dense[m].append(inputs[0].float().T))
        for layer in dense
    ]
    try:
        model.eval()
        with real_arithmetic(model):
            for batch in batches:
                called(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {module: torch.cat(values, 1) for module, values in (*parts.items(), *dense.items()) if values}
