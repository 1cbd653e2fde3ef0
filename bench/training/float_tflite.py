"""Small CNNs that others trained, from float TensorFlow Lite files, as torch models."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.tflite.file import parse

__all__ = ["FloatModel", "read_float_tflite"]

SAME, RELU = 0, 1  # codes of padding and fused activation


class FloatModel(nn.Module):
    """The operators of a file one after the other, up to a last softmax: convolutions, additions, one average
    pool over the whole map, a dense layer.

    Pixels / 255 in, float32 (N, C, H, W); logits out, (N, classes). ``raw``: the file takes pixels of 0 to
    255 as they are.
    """

    def __init__(self, path: str | Path, raw: bool = True):
        super().__init__()
        file, self.steps = parse(str(path)), list[tuple[int, tuple[int, ...], int]]()
        self.first, self.layers = file.inputs[0], nn.ModuleList()
        if (dtype := file.tensors[self.first].dtype) != "float32":
            raise InputError(f"{path}: its images are {dtype}, not float32")
        for operation in file.operations:
            if operation.kind == "SOFTMAX":
                continue
            if operation.kind not in MADE:
                raise InputError(f"{path}: operators {operation.kind} are not read")
            data = [file.tensors[number].data for number in operation.inputs]
            self.layers.append(MADE[operation.kind](operation.options, data))
            variable = tuple(
                number for number, constant in zip(operation.inputs, data, strict=True) if constant is None
            )
            self.steps.append((len(self.layers) - 1, variable, operation.outputs[0]))
        if raw:
            with torch.no_grad():
                self.layers[0].conv.weight *= 255  # type: ignore[union-attr, operator]

    def forward(self, x: Tensor) -> Tensor:
        values = {self.first: x}
        for layer, inputs, output in self.steps:
            x = values[output] = self.layers[layer](*(values[number] for number in inputs))
        return x


class _Convolution(nn.Module):
    """SAME padding is uneven where the stride asks for it: more right and below."""

    def __init__(self, options: dict[str, Any], data: list[np.ndarray | None]):
        super().__init__()
        _, weight, bias = data
        assert weight is not None and bias is not None
        side, self.stride = weight.shape[1], options["StrideH"]
        pad = max(side - self.stride, 0) if options["Padding"] == SAME else 0
        self.conv = nn.Conv2d(weight.shape[3], weight.shape[0], side, self.stride, pad // 2)
        self.more = pad % 2
        self.conv.weight.data = torch.from_numpy(weight.transpose(0, 3, 1, 2).copy())
        self.conv.bias.data = torch.from_numpy(bias.copy())  # type: ignore[union-attr]
        self.relu = _activation(options)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(functional.pad(x, (0, 1, 0, 1)) if self.more else x))


class _Addition(nn.Module):
    def __init__(self, options: dict[str, Any], data: list[np.ndarray | None]):
        super().__init__()
        self.relu = _activation(options)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.relu(x + y)


def _pool(options: dict[str, Any], data: list[np.ndarray | None]) -> nn.Module:
    return nn.AvgPool2d(options["FilterHeight"], options["StrideH"])


def _flatten(options: dict[str, Any], data: list[np.ndarray | None]) -> nn.Module:
    return nn.Flatten()


def _dense(options: dict[str, Any], data: list[np.ndarray | None]) -> nn.Module:
    _, weight, bias = data
    assert weight is not None and bias is not None
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.data, made.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
    return made


def _activation(options: dict[str, Any]) -> nn.Module:
    return nn.ReLU() if options["FusedActivationFunction"] == RELU else nn.Identity()


MADE: dict[str, Any] = {
    "CONV_2D": _Convolution,
    "ADD": _Addition,
    "AVERAGE_POOL_2D": _pool,
    "RESHAPE": _flatten,
    "FULLY_CONNECTED": _dense,
}


def read_float_tflite(path: str | Path) -> nn.Module:
    """The model of the file in evaluation mode; InputError where it is not there, not in
    float32, or holds other operators."""
    if not Path(path).is_file():
        raise InputError(f"{path} is not there: it is a file of MLPerf Tiny's repository")
    return FloatModel(path).eval()
