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

Data = list[np.ndarray | None]
Shapes = list[tuple[int, ...]]


class FloatModel(nn.Module):
    """The operators of a file one after the other, up to a last softmax: square convolutions, additions, one
    average pool over the whole map, a flattening, dense layers.

    Pixels / 255 in, float32 (N, C, H, W); logits out, (N, classes). ``raw``: the file takes pixels of 0 to
    255 as they are, and begins with a convolution. InputError for all else, with the operator and what of it
    is not read.
    """

    def __init__(self, path: str | Path, raw: bool = True):
        super().__init__()
        file, self.steps = parse(str(path)), list[tuple[int, tuple[int, ...], int]]()
        self.first, self.layers = file.inputs[0], nn.ModuleList()
        if (dtype := file.tensors[self.first].dtype) != "float32":
            raise InputError(f"{path}: its images are {dtype}, not float32")
        operations = file.operations[:-1] if file.operations[-1].kind == "SOFTMAX" else file.operations
        for operation in operations:
            if operation.kind not in MADE:
                raise InputError(f"{path}: operators {operation.kind} are not read")
            tensors = [file.tensors[number] for number in operation.inputs]
            made, data = MADE[operation.kind], [tensor.data for tensor in tensors]
            variable = [number for number, value in zip(operation.inputs, data, strict=True) if value is None]
            try:
                layer = made(operation.options, data, [tensor.shape for tensor in tensors])
            except _NotRead as error:
                raise InputError(f"{path}: {operation.kind} with {error} is not read") from error
            self.layers.append(layer)
            self.steps.append((len(self.layers) - 1, tuple(variable), operation.outputs[0]))
        if raw:
            with torch.no_grad():
                self.layers[0].conv.weight *= 255  # type: ignore[union-attr, operator]

    def forward(self, x: Tensor) -> Tensor:
        values = {self.first: x}
        for layer, inputs, output in self.steps:
            x = values[output] = self.layers[layer](*(values[number] for number in inputs))
        return x


class _NotRead(Exception):
    """What of an operator is not read."""


def _check(**wrong: bool) -> None:
    """`_NotRead` with the first name that is true."""
    for what, found in wrong.items():
        if found:
            raise _NotRead(what.replace("_", " "))


class _Convolution(nn.Module):
    """SAME padding is uneven where its sum is odd: one more right and below."""

    def __init__(self, options: dict[str, Any], data: Data, shapes: Shapes):
        super().__init__()
        _check(no_constant_weights=len(data) != 3 or data[1] is None or data[2] is None)
        _, weight, bias = data
        assert weight is not None and bias is not None
        side, stride, size = weight.shape[1], options["StrideH"], shapes[0][1]
        _check(
            an_oblong_kernel=side != weight.shape[2],
            two_strides=stride != options["StrideW"],
            dilation=options["DilationHFactor"] != 1 or options["DilationWFactor"] != 1,
            groups=weight.shape[3] != shapes[0][3],
            an_oblong_map=size != shapes[0][2],
        )
        pad = max((-(-size // stride) - 1) * stride + side - size, 0) if options["Padding"] == SAME else 0
        self.conv = nn.Conv2d(weight.shape[3], weight.shape[0], side, stride, pad // 2)
        self.more = pad % 2
        self.conv.weight.data = torch.from_numpy(weight.transpose(0, 3, 1, 2).copy())
        self.conv.bias.data = torch.from_numpy(bias.copy())  # type: ignore[union-attr]
        self.relu = _activation(options)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(functional.pad(x, (0, 1, 0, 1)) if self.more else x))


class _Addition(nn.Module):
    def __init__(self, options: dict[str, Any], data: Data, shapes: Shapes):
        super().__init__()
        _check(a_constant=data != [None, None], broadcasting=shapes[0] != shapes[1])
        self.relu = _activation(options)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.relu(x + y)


def _pool(options: dict[str, Any], data: Data, shapes: Shapes) -> nn.Module:
    window = options["FilterHeight"], options["FilterWidth"]
    _check(a_part_of_the_map=window != shapes[0][1:3], an_activation=options["FusedActivationFunction"] != 0)
    return nn.AvgPool2d(window)


def _flatten(options: dict[str, Any], data: Data, shapes: Shapes) -> nn.Module:
    _check(a_map_of_several_pixels=shapes[0][1:3] != (1, 1))  # channels are last there, first here
    return nn.Flatten()


def _dense(options: dict[str, Any], data: Data, shapes: Shapes) -> nn.Module:
    _check(no_constant_weights=len(data) != 3 or data[1] is None or data[2] is None)
    _, weight, bias = data
    assert weight is not None and bias is not None
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.data, made.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
    return nn.Sequential(made, _activation(options))


def _activation(options: dict[str, Any]) -> nn.Module:
    _check(another_activation_than_RELU=options["FusedActivationFunction"] not in (0, RELU))
    return nn.ReLU() if options["FusedActivationFunction"] == RELU else nn.Identity()


MADE: dict[str, Any] = {
    "CONV_2D": _Convolution,
    "ADD": _Addition,
    "AVERAGE_POOL_2D": _pool,
    "RESHAPE": _flatten,
    "FULLY_CONNECTED": _dense,
}


def read_float_tflite(path: str | Path) -> nn.Module:
    """The `FloatModel` of the file in evaluation mode; InputError where it is not there, and as there."""
    if not Path(path).is_file():
        raise InputError(f"{path} is not there: it is a file of MLPerf Tiny's repository")
    return FloatModel(path).eval()
