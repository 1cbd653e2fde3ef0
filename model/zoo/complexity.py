"""What a network costs, counted from the real modules by the convention of the chapter its table is in.

    report("ua-resnet37-41", (3, 224, 224), 1000)
    {"parameters": ..., "storage_mbit": 32.24, "flops": 1.28e8, "memory_mb": 164.58, ...}

The network is built and run once on PyTorch's meta device (shapes only, no memory, no arithmetic; on the CPU where a
quantizer has to measure its weights) with hooks on every layer. Mbit = 1e6 bit, MB = 1e6 byte; "flops" are
multiply-accumulates, as all the tables of the thesis count them. `CONVENTIONS` says what each chapter leaves out.
"""

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.sign import SignWeight
from fermatnet.model.zoo import build, entry
from fermatnet.model.zoo.binary import BinaryConv2d, Concat, Join, Sum
from fermatnet.model.zoo.binarydensenet import DenseStage
from fermatnet.model.zoo.generator import NOISE
from fermatnet.model.zoo.hardware_layers import MaskedWeight

__all__ = ["CONVENTIONS", "Layer", "Measured", "assemble", "generator_figures", "measure", "report", "summarise"]

BATCH = 64
"""Images of the run-time memory of chapter 5."""
WORD = 64
"""Binary multiplications done at once by one XNOR or AND and popcount (thesis: 64-way on a CPU)."""


@dataclass(frozen=True)
class Layer:
    """One layer with weights, for one image: kind "real", "binary", "piecewise" or "norm"; macs are multiply-accumulates.

    planes: binary planes of its weights and of its products, 1 and 1 for binary layers, M and M*N for piecewise ones (N of
    the network's activations).
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
    """Everything the conventions need: layers, elements of the largest join, extra operations, the dense tables' excess."""

    layers: tuple[Layer, ...]
    parameters: int
    join_elements: int
    extra_macs: int
    excess_weights: int
    excess_macs: int
    pooled: int

    def total(self, kind: str, field: str) -> int:
        return sum(getattr(layer, field) for layer in self.layers if layer.kind == kind)


def _planes(module: nn.Module, pieces: int) -> tuple[str, int, int] | None:
    """Kind and planes of a layer with weights, ``pieces`` = N of the network's activations; None for another module."""
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


def measure(network: nn.Module, input_shape: tuple[int, ...], inputs: tuple[torch.Tensor, ...] | None = None) -> Measured:
    """Run a copy of the network once on a meta tensor (1, *input_shape) and write down each layer.

    ``inputs``: meta tensors to run it on instead, for networks that do not take one image.
    """
    network = copy.deepcopy(network).eval()
    quantized = any(isinstance(module, PixelScale) for module in network.modules())
    device = torch.device("cpu" if quantized else "meta")
    network = network if quantized else network.to(device)
    pieces = max((module.n for module in network.modules() if isinstance(module, PiecewiseActivation)), default=0)
    layers: list[Layer] = []
    joins = [0]
    sums: dict[str, int] = {"extra": 0, "excess_weights": 0, "excess_macs": 0, "pooled": 0}

    def shapes(module: Any, inputs: tuple, output: Any, name: str, kind: str, planes: tuple[int, int]) -> None:
        weights = module.weight.numel()
        bias = getattr(module, "bias", None)
        macs = 0
        if kind != "norm":
            macs = weights * math.prod(output.shape[2:]) if module.weight.dim() == 4 else weights * math.prod(output.shape[1:-1])
        layers.append(Layer(
            name, kind, weights, 0 if bias is None else bias.numel(), macs, *planes, tuple(inputs[0].shape[1:]), tuple(output.shape[1:])
        ))

    def joined(module: Any, inputs: tuple, output: torch.Tensor) -> None:
        elements = output[0].numel() if isinstance(module, Concat) else output[0].numel() * (len(inputs) + 1)
        joins.append(elements)

    def staged(module: Any, inputs: tuple, output: torch.Tensor) -> None:
        excess = module.averaging_excess()
        sums["excess_weights"] += excess
        sums["excess_macs"] += excess * math.prod(output.shape[2:])

    def extra(module: Any, inputs: tuple, output: torch.Tensor) -> None:
        sums["extra"] += module.extra_operations(tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))

    def pooled(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        sums["pooled"] += output[0].numel()

    module: Any
    for name, module in network.named_modules():
        found = _planes(module, pieces)
        if found is not None:
            kind, weights, products = found
            module.register_forward_hook(
                lambda m, i, o, name=name, kind=kind, planes=(weights, products): shapes(m, i, o, name, kind, planes)
            )
        if isinstance(module, Sum | Join | Concat):
            module.register_forward_hook(joined)
        if isinstance(module, DenseStage):
            module.register_forward_hook(staged)
        if hasattr(module, "extra_operations"):
            module.register_forward_hook(extra)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.kernel_size in (3, (3, 3)):
            module.register_forward_hook(pooled)
    parameters = sum(p.numel() for p in network.parameters())
    with torch.no_grad():
        network(*(inputs if inputs is not None else (torch.zeros((1, *input_shape), device=device),)))
    return Measured(
        tuple(layers), parameters, max(joins), sums["extra"], sums["excess_weights"], sums["excess_macs"], sums["pooled"]
    )


def _memory_mb(measured: Measured) -> float:
    """Activations of the largest sum, join (inputs and result) or concatenation (result), 4 byte each, batch 64.

    A network without such modules: the largest input and output of one layer.
    """
    elements = measured.join_elements
    if not elements:
        elements = max((math.prod(layer.input_shape) + math.prod(layer.output_shape) for layer in measured.layers), default=0)
    return elements * 4 * BATCH / 1e6


def _plane_macs(measured: Measured) -> int:
    return sum(layer.macs * layer.planes_products for layer in measured.layers if layer.kind in ("binary", "piecewise"))


def _chapter3(measured: Measured) -> dict[str, float]:
    real = measured.total("real", "weights")
    norm = measured.total("norm", "weights") + measured.total("norm", "biases")
    planes = sum(layer.weights * layer.planes_weights for layer in measured.layers if layer.kind in ("binary", "piecewise"))
    return {
        "storage_mbit": (32 * (real + norm) + planes) / 1e6,
        "flops": measured.total("real", "macs") + _plane_macs(measured) / WORD,
    }


def _chapter4(measured: Measured) -> dict[str, float]:
    """All parameters, batch norms and biases included; pooling at 8 bit operations of 32-bit words an output (table 4.1)."""
    binary = measured.total("binary", "weights")
    return {
        "storage_mbit": (32 * (measured.parameters - binary) + binary) / 1e6,
        "flops": measured.total("real", "macs") + measured.total("binary", "macs") / WORD + measured.pooled * 8 * 32 / WORD / 2,
    }


def _chapter5(measured: Measured) -> dict[str, float]:
    real, binary = measured.total("real", "weights"), measured.total("binary", "weights")
    real_macs, binary_macs = measured.total("real", "macs"), measured.total("binary", "macs")
    if not binary:  # the full-precision rows of table 5.1: the dense excess is then real
        real, real_macs = real + measured.excess_weights, real_macs + measured.excess_macs
    result = {
        "storage_mbit": (32 * real + binary + (measured.excess_weights if binary else 0)) / 1e6,
        "flops": real_macs + (binary_macs + (measured.excess_macs if binary else 0)) / WORD,
    }
    if measured.excess_weights:
        result["storage_mbit_true_sum"] = result["storage_mbit"] - measured.excess_weights * (1 if binary else 32) / 1e6
        result["flops_true_sum"] = result["flops"] - measured.excess_macs / (WORD if binary else 1)
    return result


def _plain(measured: Measured) -> dict[str, float]:
    real = measured.parameters - measured.total("binary", "weights")
    return {
        "storage_mbit": (32 * real + measured.total("binary", "weights")) / 1e6,
        "flops": measured.total("real", "macs") + _plane_macs(measured) / WORD + measured.extra_macs,
    }


CONVENTIONS: dict[str, tuple[Callable[[Measured], dict[str, float]], str]] = {
    "chapter3": (_chapter3, "32 bit a real weight and norm parameter, M bit a piecewise one; real MACs + M*N*MACs/64"),
    "chapter4": (_chapter4, "32 bit a real parameter (norms too), 1 bit a binary one; real MACs + binary MACs/64 + pooling"),
    "chapter5": (_chapter5, "32 bit a real weight, 1 bit a binary one, no norms, no biases; dense stages by their middle layer"),
    "plain": (_plain, "every parameter; real MACs and the attention modules' own operations"),
}


def summarise(network: nn.Module, input_shape: tuple[int, ...], *, layers: bool = False) -> dict[str, Any]:
    """The figures of a network that exists, by the convention it names (attribute ``convention``, else "chapter3")."""
    convention = getattr(network, "convention", "chapter3")
    measured = measure(network, tuple(input_shape))
    count, meaning = CONVENTIONS[convention]
    figures = {
        "parameters": measured.parameters,
        **count(measured),
        "memory_mb": _memory_mb(measured),
        "weights_real": measured.total("real", "weights"),
        "weights_binary": measured.total("binary", "weights") + measured.total("piecewise", "weights"),
        "macs_real": measured.total("real", "macs"),
        "macs_binary": measured.total("binary", "macs") + measured.total("piecewise", "macs"),
        "convention": convention,
        "convention_means": meaning,
    }
    if layers:
        figures["layers"] = [asdict(layer) for layer in measured.layers]
    return figures


def generator_figures(generator: nn.Module) -> dict[str, int]:
    """Table 8.7 for a generator of images: weights of its layers (no biases, no norms) and multiply-accumulates an image."""
    z, labels = torch.zeros(1, NOISE, device="meta"), torch.zeros(1, dtype=torch.int64, device="meta")
    measured = measure(generator, (NOISE,), (z, labels))
    return {"parameters": measured.parameters, "weights": measured.total("real", "weights"), "macs": measured.total("real", "macs")}


def assemble(name: str, input_shape: tuple[int, int, int], classes: int, **options: Any) -> nn.Module:
    """The network of that name for that image, its weights unallocated where nothing has to measure them."""
    takes = inspect.signature(entry(name)[0].builder).parameters
    image = {"input_shape" if "input_shape" in takes or "shape" not in takes else "shape": tuple(input_shape)}
    quantized = options.get("how") is not None or ("how" in takes and "input_shape" not in takes)
    with torch.device("cpu" if quantized else "meta"):
        return build(name, classes=classes, **image, **options)


def report(name: str, input_shape: tuple[int, int, int], classes: int, *, layers: bool = False, **options: Any) -> dict[str, Any]:
    """Build ``name`` without allocating its weights and count it: parameters, storage_mbit, flops, memory_mb and what they are made of.

    input_shape is (C, H, W). ``layers`` adds one row a layer. An architecture that takes no ``input_shape`` is run on it
    all the same; one that cannot is an `InputError`.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise InputError(f"input shape must be three positive sizes CxHxW, not {'x'.join(map(str, input_shape))}")
    if classes < 1:
        raise InputError(f"classes must be positive, not {classes}")
    network = assemble(name, input_shape, classes, **options)
    try:
        return {"name": name, "input": list(input_shape), "classes": classes} | summarise(network, input_shape, layers=layers)
    except RuntimeError as error:
        raise InputError(f"{name} cannot take an image of {'x'.join(map(str, input_shape))}: {str(error).splitlines()[0]}") from error
