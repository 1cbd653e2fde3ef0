"""What a quantization method is: two factories of quantizers and the counts they take."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

__all__ = ["Method"]


@dataclass(frozen=True)
class Method:
    """One quantization method.

    weight(count, shape): quantizer of an inner layer's weights of that shape, or None; activation(count):
    module or None for a rectifier;
    weights, activations: default counts (pieces, bases or bits; 0 = full precision); exportable: the hardware
    can do it;
    branches: the method replicates a residual branch once a base (Group-Net);
    fixed_point: a norm and its rectifier hand over plain integers, in place of an activation of its own;
    bits: activations are 0 and 1, so that logic can join them.
    """

    name: str
    help: str
    weight: Callable[[int, tuple[int, ...]], nn.Module | None]
    activation: Callable[[int], nn.Module | None]
    weights: int
    activations: int
    exportable: bool = False
    branches: bool = False
    fixed_point: bool = False
    bits: bool = False
