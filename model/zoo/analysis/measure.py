"""A network run once on shapes alone, with a hook on every layer: what each layer holds and does.

On PyTorch's meta device (no memory, no arithmetic), or on the CPU where a quantizer has to measure its
weights.
"""

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.sign import SignWeight
from fermatnet.model.zoo.binary import BinaryConv2d, Concat, Join, Sum
from fermatnet.model.zoo.binarydensenet import DenseStage
from fermatnet.model.zoo.hardware.layers import MaskedWeight

__all__ = ["Layer", "Measured", "measure"]


@dataclass(frozen=True)
class Layer:
    """One layer with weights, for one image: kind "real", "binary", "piecewise" or "norm"; macs are
    multiply-accumulates.

    planes: binary planes of its weights and of its products, 1 and 1 for binary layers, M and M*N for
    piecewise ones (N of the network's activations).
    """

    name: str
    kind: str
    weights: int
    biases: int
    macs: int
    planes_weights: int
    planes_products: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """Everything the conventions need: layers, elements of the largest join, extra operations, the dense
    tables' excess."""

    layers: tuple[Layer, ...]
    parameters: int
    join_elements: int
    extra_macs: int
    excess_weights: int
    excess_macs: int
    pooled: int

    def total(self, kind: str, field: str) -> int:
        """Sum of a field over all layers of a kind."""
        return sum(getattr(layer, field) for layer in self.layers if layer.kind == kind)


def _planes(module: nn.Module, pieces: int) -> tuple[str, int, int] | None:
    """Kind and planes of a layer with weights, ``pieces`` = N of the network's activations; None for another
    module."""
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return None if weight is None else ("norm", 1, 1)
    if not isinstance(weight, torch.Tensor) or weight.dim() not in (2, 4) or isinstance(module, nn.Embedding):
        return None
    if isinstance(module, BinaryConv2d) and module.bits == 1:
        return "binary", 1, 1
    quantizer = getattr(module, "quantizer", None)
    quantizer = quantizer.base if isinstance(quantizer, MaskedWeight) else quantizer
    if isinstance(quantizer, SignWeight):
        return "binary", 1, 1
    if isinstance(quantizer, PiecewiseWeight):
        return "piecewise", quantizer.m, quantizer.m * max(1, pieces)
    return "real", 1, 1


class _Hooks:
    """What the hooks of one run write down."""

    def __init__(self, network: nn.Module) -> None:
        self.pieces = max(
            (module.n for module in network.modules() if isinstance(module, PiecewiseActivation)), default=0
        )
        self.layers: list[Layer] = []
        self.join_elements = self.extra_macs = self.excess_weights = self.excess_macs = (
            self.pooled_elements
        ) = 0

    def register(self, name: str, module: Any) -> None:
        found = _planes(module, self.pieces)
        if found is not None:
            module.register_forward_hook(partial(self.layer, name, *found))
        if isinstance(module, Sum | Join | Concat):
            module.register_forward_hook(self.joined)
        if isinstance(module, DenseStage):
            module.register_forward_hook(self.staged)
        if hasattr(module, "extra_operations"):
            module.register_forward_hook(self.extra)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.kernel_size in (3, (3, 3)):
            module.register_forward_hook(self.pooled)

    def layer(
        self,
        name: str,
        kind: str,
        planes_weights: int,
        planes_products: int,
        module: Any,
        inputs: tuple,
        output: Any,
    ) -> None:
        weights = module.weight.numel()
        bias = getattr(module, "bias", None)
        macs = 0
        if kind != "norm":
            macs = (
                weights * math.prod(output.shape[2:])
                if module.weight.dim() == 4
                else weights * math.prod(output.shape[1:-1])
            )
        shapes = tuple(inputs[0].shape[1:]), tuple(output.shape[1:])
        self.layers.append(
            Layer(
                name,
                kind,
                weights,
                0 if bias is None else bias.numel(),
                macs,
                planes_weights,
                planes_products,
                *shapes,
            )
        )

    def joined(self, module: Any, inputs: tuple, output: torch.Tensor) -> None:
        elements = output[0].numel() if isinstance(module, Concat) else output[0].numel() * (len(inputs) + 1)
        self.join_elements = max(self.join_elements, elements)

    def staged(self, module: Any, inputs: tuple, output: torch.Tensor) -> None:
        excess = module.averaging_excess()
        self.excess_weights += excess
        self.excess_macs += excess * math.prod(output.shape[2:])

    def extra(self, module: Any, inputs: tuple, output: torch.Tensor) -> None:
        self.extra_macs += module.extra_operations(tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))

    def pooled(self, module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        self.pooled_elements += output[0].numel()


def measure(
    network: nn.Module, input_shape: tuple[int, ...], inputs: tuple[torch.Tensor, ...] | None = None
) -> Measured:
    """Run a copy of the network once on a meta tensor (1, *input_shape) and write down each layer.

    ``inputs``: meta tensors to run it on instead, for networks that do not take one image.
    """
    network = copy.deepcopy(network).eval()
    quantized = any(isinstance(module, PixelScale) for module in network.modules())
    device = torch.device("cpu" if quantized else "meta")
    network = network if quantized else network.to(device)
    hooks = _Hooks(network)
    for name, module in network.named_modules():
        hooks.register(name, module)
    parameters = sum(p.numel() for p in network.parameters())
    with torch.no_grad():
        network(*(inputs if inputs is not None else (torch.zeros((1, *input_shape), device=device),)))
    return Measured(
        tuple(hooks.layers),
        parameters,
        hooks.join_elements,
        hooks.extra_macs,
        hooks.excess_weights,
        hooks.excess_macs,
        hooks.pooled_elements,
    )
