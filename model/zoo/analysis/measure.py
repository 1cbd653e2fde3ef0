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
from fermatnet.model.zoo.analysis.precision import REAL, Precision, activation_bits, weight_precision
from fermatnet.model.zoo.binary import BinaryConv2d, Concat, Join, Sum
from fermatnet.model.zoo.binarydensenet import DenseStage

__all__ = ["WORD", "Layer", "Measured", "measure"]

WORD = 64
"""Binary multiplications done at once by one XNOR or AND and popcount (thesis: 64-way on a CPU)."""
_BITS = "_bits_of_a_number"
"""Attribute that a tensor carries from the module that quantized it to the layer that reads it."""


@dataclass(frozen=True)
class Layer:
    """One layer with weights, for one image: kind "real", "binary", "piecewise" or "norm"; macs are
    multiply-accumulates.

    planes: binary planes of its weights and of its products, 1 and 1 for binary layers, M and M*N for
    piecewise ones (N of the network's activations; `WORD` products where the activations are real).
    weight_bits, input_bits: of one number.
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
    weight_bits: int
    input_bits: int

    @property
    def ace(self) -> int:
        """Arithmetic computation effort of an image: see `fermatnet.model.zoo.analysis.precision`."""
        if self.kind != "piecewise":
            return self.macs * self.weight_bits * self.input_bits
        real = self.input_bits == REAL
        return self.macs * (self.planes_weights * REAL if real else self.planes_products)


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


def _kind(module: nn.Module) -> Precision | None:
    """Kind, planes and bits of a layer with weights; None for another module. A norm has kind "norm"."""
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return None if weight is None else Precision("norm")
    if not isinstance(weight, torch.Tensor) or weight.dim() not in (2, 4) or isinstance(module, nn.Embedding):
        return None
    return weight_precision(module)


_KEEPS_BITS = (nn.Identity, nn.MaxPool2d, nn.Flatten, nn.Sequential)
"""Modules whose output has the bits of their input."""


class _Hooks:
    """What the hooks of one run write down."""

    def __init__(self, network: nn.Module) -> None:
        activations = [activation_bits(module) for module in network.modules()]
        self.pieces = max((planes for bits, planes in filter(None, activations)), default=0)
        self.layers: list[Layer] = []
        self.join_elements = self.extra_macs = self.excess_weights = self.excess_macs = (
            self.pooled_elements
        ) = 0

    def register(self, name: str, module: Any) -> None:
        precision = _kind(module)
        if precision is not None:
            module.register_forward_hook(partial(self.layer, name, precision))
        bits = activation_bits(module)
        if bits is not None:
            module.register_forward_hook(partial(self.quantized, bits[0]))
        elif isinstance(module, _KEEPS_BITS):
            module.register_forward_hook(self.passed)
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
        precision: Precision,
        module: Any,
        inputs: tuple,
        output: Any,
    ) -> None:
        weights = module.weight.numel()
        bias = getattr(module, "bias", None)
        macs = 0
        if precision.kind != "norm":
            macs = (
                weights * math.prod(output.shape[2:])
                if module.weight.dim() == 4
                else weights * math.prod(output.shape[1:-1])
            )
        shapes = tuple(inputs[0].shape[1:]), tuple(output.shape[1:])
        own = isinstance(module, BinaryConv2d)  # quantizes its input itself
        bits = precision.bits if own else getattr(inputs[0], _BITS, REAL)
        # a plane of weights times a real activation is an addition of its own
        planes = max(1, self.pieces) if own or self.pieces else WORD // precision.planes
        self.layers.append(
            Layer(
                name,
                precision.kind,
                weights,
                0 if bias is None else bias.numel(),
                macs,
                precision.planes,
                precision.planes * planes,
                *shapes,
                precision.bits,
                bits,
            )
        )

    def quantized(self, bits: int, module: Any, inputs: tuple, output: Any) -> None:
        setattr(output, _BITS, bits)

    def passed(self, module: Any, inputs: tuple, output: Any) -> None:
        if hasattr(inputs[0], _BITS) and not hasattr(output, _BITS):
            setattr(output, _BITS, getattr(inputs[0], _BITS))

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
