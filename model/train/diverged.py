"""A training that has left the finite numbers, and the layer where it did."""

from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = ["Diverged", "culprit"]


class Diverged(InputError):
    """Training has left the finite numbers; the message names epoch, batch and layer."""


def culprit(model: nn.Module, images: Tensor) -> str:
    """The first layer whose output is not finite, or the first parameter that is not."""
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return f"parameter {name} is not finite"
    layers: list[str] = []
    hooks = []
    for name, module in model.named_modules():
        if not list(module.children()):

            def hook(_: nn.Module, __: Any, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and not layers and not bool(torch.isfinite(output).all()):
                    layers.append(name)

            hooks.append(module.register_forward_hook(hook))
    try:
        with torch.no_grad():
            model(images)
    finally:
        for handle in hooks:
            handle.remove()
    if layers:
        return f"the output of layer {layers[0]} is not finite"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return "the loss is not finite though every layer's output is"
