"""Which layer of a network has no step yet: no data has gone through it, so that its integers are not
defined."""

import torch
from torch import Tensor, nn

from fermatnet.model.nn.coded import CodedActivation

__all__ = ["without_step"]


def without_step(model: nn.Module) -> str:
    """Name of a layer whose step nothing has set yet, or ""."""
    for name, module in model.named_modules():
        coded = isinstance(module, CodedActivation)
        step = module.step() if coded else getattr(module, "log2_step", None)
        unset = isinstance(step, Tensor) and not hasattr(module, "integers") and bool(torch.isnan(step).any())
        if unset and not getattr(module, "full_precision", False):
            return name
    return ""
