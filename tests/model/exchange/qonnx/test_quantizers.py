"""Quantizers of weights and activations: scales along axes, zero points, rounding modes, truncation."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch.nn import functional

from tests.model.exchange.qonnx.answers import IMAGES, equal, refused
from tests.model.exchange.qonnx.files import (
    KERNEL,
    QONNX,
    act,
    conv,
    double,
    features,
    grid,
    logits,
    mean,
    node,
    quant,
    write,
)


def test_a_weight_scale_along_the_inputs(tmp_path):
    scale = np.random.default_rng(0).uniform(0.06, 0.2, (1, 8, 1, 1))
    nodes = [*conv(), *act(), *mean()]
    nodes[0] = quant("w", "wq", "si")
    refused(
        write(tmp_path / "m.onnx", nodes, si=scale),
        r"'conv': the scale of its weights, of shape \(1, 8, 1, 1\), differs among the inputs",
    )
    path = write(
        tmp_path / "m.onnx", nodes, si=np.full((1, 8, 1, 1), 0.125)
    )  # of equal numbers it is one scale
    equal(path, logits(features(IMAGES)))


def test_an_activation_scale_of_equal_numbers(tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(), *act(scale="sc"), *mean()], sc=np.full((1, 8, 1, 1), 16.0))
    equal(path, logits(features(IMAGES)))
    path = write(
        tmp_path / "m.onnx", [*conv(), *act(scale="sc"), *mean()], sc=np.arange(8.0, 16).reshape(1, 8, 1, 1)
    )
    refused(path, "'fc': its input channels have different scales")


@pytest.mark.parametrize("zero", [128.0, 100.0, 3.0])
def test_zero_points_of_activations(zero, tmp_path):
    """real = (q - zero) * scale: negative numbers with an unsigned integer; the padding of a second
    convolution is real 0."""
    second = [
        quant("w", "wq2"),
        node("Conv", ["a", "wq2"], "c2", pads=[1] * 4),
        node("Relu", ["c2"], "r2"),
        quant("r2", "a2", "sa", signed=0),
    ]
    nodes = [*conv(), quant("c", "a", "sz", "b8", "z", signed=0), *second, *mean("a2")]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    y = (torch.clamp(torch.round(y / 16.0 + zero), 0, 255) - zero) * 16.0
    y = grid(torch.relu(functional.conv2d(y, grid(KERNEL, 0.125), padding=1)), 16.0, 0, 15)
    equal(write(tmp_path / "m.onnx", nodes, z=zero, sz=16.0), logits(y))
    refused(write(tmp_path / "m.onnx", nodes, z=3.5, sz=16.0), r"'a': its zero point must be whole, not 3\.5")


def test_relu6(tmp_path):
    nodes = [*conv(), node("Clip", ["c", "zero", "six"], "r"), quant("r", "a", "sh", signed=0), *mean()]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    equal(write(tmp_path / "m.onnx", nodes, six=6.0, sh=0.5), logits(grid(torch.clamp(y, 0, 6), 0.5, 0, 15)))


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "DOWN", "HALF_UP", "HALF_DOWN"])
def test_rounding_modes(mode, tmp_path):
    nodes = [*conv(), *act(), *mean()]
    next(item for item in nodes[3].attribute if item.name == "rounding_mode").s = mode.encode()
    rounded = {
        "FLOOR": torch.floor,
        "CEIL": torch.ceil,
        "DOWN": torch.floor,
        "HALF_UP": lambda y: torch.floor(y + 0.5),
        "HALF_DOWN": lambda y: torch.ceil(y - 0.5),
    }[mode]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    want = logits(torch.clamp(rounded(torch.relu(y) / 16), 0, 15) * 16)
    equal(write(tmp_path / "m.onnx", nodes), want)


def trunc(version, **more):
    rest = ["left"] if version == 1 else ["new", "left"]
    return helper.make_node(
        "Trunc",
        ["s", "quarter", "zero", "b8", *rest],
        ["t"],
        "t",
        domain=QONNX,
        rounding_mode="FLOOR",
        **more,
    )


@pytest.mark.parametrize("version", [1, 2])
def test_bits_taken_off_an_average(version, tmp_path):
    """Brevitas' TruncAvgPool2d: the average of four, then two bits fewer; version 2 clips and names the new
    scale."""
    more = {} if version == 1 else {"signed": 0, "narrow": 0}
    nodes = [
        *conv(),
        *act(),
        node("AveragePool", ["a"], "s", kernel_shape=[2, 2], strides=[2, 2]),
        trunc(version, **more),
        *mean("t"),
    ]
    path = write(tmp_path / "m.onnx", nodes, quarter=4.0, left=[6.0, 3.0][version - 1], new=16.0)
    model = onnx.load(path)
    model.opset_import[1].version = version
    onnx.save(model, path)
    cut = torch.floor(functional.avg_pool2d(features(IMAGES), 2) / 4 / 4)
    equal(path, logits(cut * 4 if version == 1 else torch.clamp(cut, 0, 7) * 16))
    model.opset_import[1].version = 3 - version
    onnx.save(model, path)
    refused(path, f"'t': .* version {3 - version} of QONNX takes {7 - version} inputs")
