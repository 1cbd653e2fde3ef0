"""What a network costs, counted from the real modules by the convention of the chapter its table is in.

    report("ua-resnet37-41", (3, 224, 224), 1000)
    {"parameters": ..., "storage_mbit": 32.24, "flops": 1.28e8, "memory_mb": 164.58, ...}

The network is built and measured (`fermatnet.model.zoo.analysis.measure`). Mbit = 1e6 bit, MB = 1e6 byte;
"flops" are multiply-accumulates, as nearly all tables of the thesis count them. `CONVENTIONS` says what each
chapter leaves out or adds.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import build, entry
from fermatnet.model.zoo.analysis.measure import WORD, Measured, measure
from fermatnet.model.zoo.analysis.precision import REAL
from fermatnet.model.zoo.generator import NOISE

__all__ = ["CONVENTIONS", "assemble", "generator_figures", "report", "summarise"]

BATCH = 64
"""Images of the run-time memory of chapter 5."""


def _memory_mb(measured: Measured) -> float:
    """Activations of the largest sum, join (inputs and result) or concatenation (result), 4 byte each, batch
    64.

    A network without such modules: the largest input and output of one layer.
    """
    elements = measured.join_elements
    if not elements:
        elements = max(
            (math.prod(layer.input_shape) + math.prod(layer.output_shape) for layer in measured.layers),
            default=0,
        )
    return elements * 4 * BATCH / 1e6


def _plane_macs(measured: Measured) -> int:
    return sum(
        layer.macs * layer.planes_products
        for layer in measured.layers
        if layer.kind in ("binary", "piecewise")
    )


def _chapter3(measured: Measured) -> dict[str, float]:
    real = measured.total("real", "weights")
    norm = measured.total("norm", "weights") + measured.total("norm", "biases")
    planes = sum(
        layer.weights * layer.planes_weights
        for layer in measured.layers
        if layer.kind in ("binary", "piecewise")
    )
    integers = [layer for layer in measured.layers if layer.kind == "real" and layer.weight_bits < REAL]
    if integers and not planes:  # the thesis has no such rows: of a k-bit method each weight counts k bits
        storage = sum(layer.weights * layer.weight_bits for layer in measured.layers if layer.kind == "real")
        return {
            "storage_mbit": (storage + 32 * norm) / 1e6,
            "flops": float(measured.total("real", "macs")),
        }
    return {
        "storage_mbit": (32 * (real + norm) + planes) / 1e6,
        "flops": measured.total("real", "macs") + _plane_macs(measured) / WORD,
    }


def _chapter4(measured: Measured) -> dict[str, float]:
    """All parameters, batch norms and biases included; pooling at 8 bit operations of 32-bit words an output
    (table 4.1)."""
    binary = measured.total("binary", "weights")
    return {
        "storage_mbit": (32 * (measured.parameters - binary) + binary) / 1e6,
        "flops": measured.total("real", "macs")
        + measured.total("binary", "macs") / WORD
        + measured.pooled * 8 * 32 / WORD / 2,
    }


def _chapter5(measured: Measured) -> dict[str, float]:
    real, binary = measured.total("real", "weights"), measured.total("binary", "weights")
    real_macs, binary_macs = measured.total("real", "macs"), measured.total("binary", "macs")
    if not binary:  # the full-precision rows of table 5.1: the dense excess is then real
        real, real_macs = real + measured.excess_weights, real_macs + measured.excess_macs
    figures = {
        "storage_mbit": (32 * real + binary + (measured.excess_weights if binary else 0)) / 1e6,
        "flops": real_macs + (binary_macs + (measured.excess_macs if binary else 0)) / WORD,
    }
    if measured.excess_weights:
        figures["storage_mbit_true_sum"] = (
            figures["storage_mbit"] - measured.excess_weights * (1 if binary else 32) / 1e6
        )
        figures["flops_true_sum"] = figures["flops"] - measured.excess_macs / (WORD if binary else 1)
    return figures


def _plain(measured: Measured) -> dict[str, float]:
    real = measured.parameters - measured.total("binary", "weights")
    return {
        "storage_mbit": (32 * real + measured.total("binary", "weights")) / 1e6,
        "flops": measured.total("real", "macs") + _plane_macs(measured) / WORD + measured.extra_macs,
    }


def _profiler(measured: Measured) -> dict[str, float]:
    """As the counter thop has it: activations, pooling and sums are free."""
    biased = norms = 0
    for layer in measured.layers:
        elements = math.prod(layer.output_shape)
        if layer.kind == "norm":
            norms += elements
        elif layer.biases and len(layer.output_shape) == 3:
            biased += elements
    return {
        "storage_mbit": 32 * measured.parameters / 1e6,
        "flops": float(measured.total("real", "macs") + biased + 2 * norms),
    }


CONVENTIONS: dict[str, tuple[Callable[[Measured], dict[str, float]], str]] = {
    "chapter3": (
        _chapter3,
        "32 bit a real weight and norm parameter, M bit a piecewise one; real MACs + M*N*MACs/64",
    ),
    "chapter4": (
        _chapter4,
        "32 bit a real parameter (norms too), 1 bit a binary one; real MACs + binary MACs/64 + pooling",
    ),
    "chapter5": (
        _chapter5,
        "32 bit a real weight, 1 bit a binary one, no norms, no biases; dense stages by their middle layer",
    ),
    "plain": (_plain, "every parameter; real MACs and the attention modules' own operations"),
    "profiler": (
        _profiler,
        "every parameter; real MACs, one operation an output of a convolution with a bias, two an element of "
        "a norm",
    ),
}


def summarise(network: nn.Module, input_shape: tuple[int, ...], *, layers: bool = False) -> dict[str, Any]:
    """The figures of a network that exists, by the convention it names (attribute ``convention``, else
    "chapter3")."""
    convention = getattr(network, "convention", "chapter3")
    measured = measure(network, tuple(input_shape))
    count, meaning = CONVENTIONS[convention]
    figures = {
        "parameters": measured.parameters,
        **count(measured),
        "ace": sum(layer.ace for layer in measured.layers),
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
    """Table 8.7 for a generator of images: weights of its layers (no biases, no norms) and
    multiply-accumulates an image."""
    z, labels = torch.zeros(1, NOISE, device="meta"), torch.zeros(1, dtype=torch.int64, device="meta")
    measured = measure(generator, (NOISE,), (z, labels))
    return {
        "parameters": measured.parameters,
        "weights": measured.total("real", "weights"),
        "macs": measured.total("real", "macs"),
    }


def assemble(name: str, input_shape: tuple[int, int, int], classes: int, **options: Any) -> nn.Module:
    """The network of that name for that image, its weights unallocated where nothing has to measure them."""
    takes = inspect.signature(entry(name)[0].builder).parameters
    image = {"input_shape" if "input_shape" in takes or "shape" not in takes else "shape": tuple(input_shape)}
    quantized = options.get("how") is not None or ("how" in takes and "input_shape" not in takes)
    with torch.device("cpu" if quantized else "meta"):
        return build(name, classes=classes, **image, **options)


def report(
    name: str, input_shape: tuple[int, int, int], classes: int, *, layers: bool = False, **options: Any
) -> dict[str, Any]:
    """Build ``name`` without allocating its weights and count it: parameters, storage_mbit, flops, memory_mb
    and what they are made of.

    input_shape is (C, H, W). ``layers`` adds one row a layer. An architecture that takes no ``input_shape``
    is run on it all the same; one that cannot is an `InputError`.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise InputError(
            f"input shape must be three positive sizes CxHxW, not {'x'.join(map(str, input_shape))}"
        )
    if classes < 1:
        raise InputError(f"classes must be positive, not {classes}")
    network = assemble(name, input_shape, classes, **options)
    try:
        return {"name": name, "input": list(input_shape), "classes": classes} | summarise(
            network, input_shape, layers=layers
        )
    except RuntimeError as error:
        raise InputError(
            f"{name} cannot take an image of {'x'.join(map(str, input_shape))}: {str(error).splitlines()[0]}"
        ) from error
