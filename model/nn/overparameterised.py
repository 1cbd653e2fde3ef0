"""Convolutions with more parameters in training than in inference: the weight that is quantized is a linear
function of several tensors, and becomes one tensor before the export.

Nie et al., "Binary neural networks as a general-propose compute paradigm for on-device computer vision",
2022, train such networks for a minimal inference form; the branches are RepVGG's (Ding et al., 2021), the
product is that of ExpandNets (Guo et al., 2020).

Of a convolution of O outputs and I / g inputs a group::

    forward   W = B (W0 + P(W1) + d E),  then its quantizer
              B (O / g, O / g) a group, W1 (O, I / g, 1, 1) placed by P at the kernel's middle, d a number a
              channel with E the identity kernel (where O = I and g = 1)
    backward  autograd's
    start     B = 1, W1 = 0, d = 0: W is W0, whatever it was trained to

The sum of branches is inside the quantizer, so that nothing of them is left: `minimal` writes W where W0 was.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.uniform import UniformWeight

__all__ = ["Branches", "minimal", "over_parameterise"]


class Branches(nn.Module):
    """W of W0, of the shape (O, I / g, height, width) and ``groups``; see the module."""

    def __init__(self, shape: tuple[int, ...], groups: int = 1):
        super().__init__()
        outputs, inputs, *kernel = shape
        share = outputs // groups
        self.product = nn.Parameter(torch.eye(share).repeat(groups, 1, 1))
        self.point = nn.Parameter(torch.zeros(outputs, inputs, 1, 1)) if max(kernel) > 1 else None
        same = groups == 1 and outputs == inputs
        self.identity = nn.Parameter(torch.zeros(outputs)) if same else None
        self.middle = tuple(side // 2 for side in kernel)

    def forward(self, weight: Tensor) -> Tensor:
        row, column = self.middle
        height, width = weight.shape[2:]
        around = (column, width - column - 1, row, height - row - 1)
        if self.point is not None:
            weight = weight + nn.functional.pad(self.point, around)
        if self.identity is not None:
            weight = weight + nn.functional.pad(torch.diag(self.identity)[:, :, None, None], around)
        groups, share, _ = self.product.shape
        return (self.product @ weight.view(groups, share, -1)).view(weight.shape)


def over_parameterise(model: nn.Module) -> nn.Module:
    """``model`` with `Branches` on every inner convolution, in place: those with a quantizer, 8-bit integers
    and frozen weights left out; what has them keeps them. InputError where there is none."""
    layers = [layer for layer in model.modules() if isinstance(layer, Conv2d)]
    found = [layer for layer in layers if _inner(layer)]
    if not found and not any(map(_branched, layers)):
        raise InputError(
            f"{type(model).__name__} has no inner convolution with quantized weights to over-parameterise: "
            "take a scheme of few bits"
        )
    for layer in found:
        branches = Branches(tuple(layer.weight.shape), layer.groups).to(layer.weight)  # device and type
        parametrize.register_parametrization(layer, "weight", branches)
    return model


def _inner(layer: Conv2d) -> bool:
    edge = isinstance(layer.quantizer, UniformWeight) and layer.quantizer.bits >= 8
    free = layer.weight.requires_grad and not parametrize.is_parametrized(layer)
    return layer.quantizer is not None and not edge and free


def _branched(layer: Conv2d) -> bool:
    """Whether branches, and nothing else, make its weight."""
    if not parametrize.is_parametrized(layer, "weight"):
        return False
    return all(isinstance(one, Branches) for one in layer.parametrizations["weight"])  # type: ignore[index]


def minimal(model: nn.Module) -> nn.Module:
    """``model`` with one weight a convolution again, in place; the function is the same. Parametrizations of
    other kinds stay."""
    for layer in model.modules():
        if isinstance(layer, Conv2d) and _branched(layer):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return model
