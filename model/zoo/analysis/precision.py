"""How many bits a layer's weights and its input have, and how many binary planes its products are made of,
read from the modules of any method.

Arithmetic computation effort (ACE; PokeBNN, Zhang et al. 2022, section 3): the sum over all
multiply-accumulates of (bits of one factor) x (bits of the other). Real numbers count 32 bits; where a
product is made of binary planes, as in piecewise approximation and ABC-Net, it counts M x N, the ANDs that
are done (M x 32 on real activations).
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from fermatnet.model.nn.baselines.bases import AbcActivation, AbcWeight
from fermatnet.model.nn.baselines.signs import SignActivation
from fermatnet.model.nn.baselines.signs import SignWeight as BaselineSign
from fermatnet.model.nn.baselines.ternary import TernaryWeight, TrainedTernaryWeight
from fermatnet.model.nn.fixed_point import FixedNorm, Rescale
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.sign import SignIndex, SignWeight
from fermatnet.model.nn.uniform import UniformActivation
from fermatnet.model.zoo.binary import BinaryConv2d

__all__ = ["REAL", "Precision", "activation_bits", "weight_precision"]

REAL = 32
"""Bits of a number in full precision."""


@dataclass(frozen=True)
class Precision:
    """kind "real", "binary" (one plane of signs) or "piecewise" (several planes); planes of the weights; bits
    of a weight."""

    kind: str = "real"
    planes: int = 1
    bits: int = REAL


def _levels(count: int) -> int:
    return max(1, math.ceil(math.log2(count)))


def weight_precision(module: nn.Module) -> Precision:
    """Of a layer with weights, by its quantizer."""
    if isinstance(module, BinaryConv2d):
        return _own(module)
    quantizer: Any = getattr(module, "quantizer", None)
    quantizer = getattr(quantizer, "base", quantizer)
    if isinstance(quantizer, SignWeight | BaselineSign):
        return Precision("binary", 1, 1)
    if isinstance(quantizer, AbcWeight):
        return Precision("piecewise", quantizer.u.numel(), quantizer.u.numel())
    if isinstance(quantizer, PiecewiseWeight):
        return Precision("piecewise", quantizer.m, _levels(quantizer.m + 1))
    if isinstance(quantizer, TernaryWeight | TrainedTernaryWeight):
        return Precision("piecewise", 2, 2)
    bits = getattr(quantizer, "bits", REAL)
    # integers of several bits: the tables of the thesis have none but in the first and last layer, real there
    return Precision("real", 1, int(bits) if isinstance(bits, int) else REAL)


def _own(module: BinaryConv2d) -> Precision:
    if not getattr(module, "binary", True) or module.bits == REAL:
        return Precision()
    return Precision("binary", 1, 1) if module.bits == 1 else Precision("real", 1, module.bits)


def activation_bits(module: nn.Module) -> tuple[int, int] | None:
    """(bits, planes) of what a module hands on, where it quantizes; None for a module that does not."""
    if isinstance(module, SignActivation | SignIndex):
        return 1, 1
    if isinstance(module, AbcActivation):
        return module.beta.numel(), module.beta.numel()
    if isinstance(module, PiecewiseActivation):
        return _levels(module.n + 1), module.n
    if isinstance(module, PixelScale):
        return module.bits, 0
    if isinstance(module, FixedNorm | Rescale) and module.full_precision:
        return REAL, 0
    if isinstance(module, FixedNorm | Rescale | UniformActivation):
        return int(module.bits), 0
    bits = getattr(module, "bits", None)
    is_activation = type(module).__name__.endswith("Activation")
    return (bits, 0) if is_activation and isinstance(bits, int) else None
