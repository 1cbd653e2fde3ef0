"""Maxima and means: automatic padding, rounded-up sizes, means over other axes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.model.exchange.qonnx.answers import IMAGES, equal, refused
from tests.model.exchange.qonnx.files import (
    KERNEL,
    act,
    conv,
    double,
    features,
    grid,
    last,
    logits,
    mean,
    node,
    write,
)


def test_automatic_padding_of_a_maximum(tmp_path):
    pool = node("MaxPool", ["a"], "p", "pool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    path = write(tmp_path / "m.onnx", [*conv(), *act(), pool, *mean("p")])
    want = logits(functional.max_pool2d(functional.pad(features(IMAGES), (0, 1, 0, 1), value=-1e9), 3, 2))
    equal(path, want)


MEANS = {
    "ReduceMean": node("ReduceMean", ["a"], "m", axes=[2, 3], keepdims=1),
    "negative axes": node("ReduceMean", ["a"], "m", axes=[-1, -2], keepdims=1),
    "without axes kept": node("ReduceMean", ["a"], "m", axes=[2, 3], keepdims=0),
    "AveragePool": node("AveragePool", ["a"], "m", kernel_shape=[8, 8]),
}


@pytest.mark.parametrize("name", MEANS)
def test_means_of_the_map(name, tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(), *act(), MEANS[name], *last()])
    equal(path, logits(features(IMAGES)))


def test_means_in_parts_and_over_other_axes(tmp_path):
    nodes = [
        *conv(),
        *act(),
        node("AveragePool", ["a"], "q", kernel_shape=[4, 4], strides=[4, 4]),
        *mean("q"),
    ]
    equal(write(tmp_path / "m.onnx", nodes), logits(features(IMAGES)))
    overlapping = [*conv(), *act(), node("AveragePool", ["a"], "q", kernel_shape=[3, 3]), *mean("q")]
    refused(write(tmp_path / "m.onnx", overlapping), r"'q': AveragePool with overlapping or padded windows")
    channels = [*conv(), *act(), node("ReduceMean", ["a"], "m", axes=[1, 2], keepdims=1), *last()]
    refused(write(tmp_path / "m.onnx", channels), r"'m': ReduceMean over the axes \[1, 2\]")
    raw = [*conv(), node("Relu", ["c"], "r"), node("GlobalAveragePool", ["r"], "m"), *last()]
    refused(
        write(tmp_path / "m.onnx", raw),
        "'m': GlobalAveragePool of unquantized values is not supported: put a Quant node",
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_maximum_before_the_quantizer(sign, tmp_path):
    """With a factor after it that may be negative: the maximum is then of the accumulators, some channels
    turned around."""
    factor = np.array([1, sign, 1, sign, sign, 1, 1, 1]).reshape(8, 1, 1) / 2.0
    nodes = [
        *conv(),
        node("Mul", ["c", "first"], "c0"),
        node("MaxPool", ["c0"], "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        node("Mul", ["p", "factor"], "p1"),
        *act("p1"),
        *mean(),
    ]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1) * sign
    y = functional.max_pool2d(y, 3, 2, 1) * double(factor)
    path = write(tmp_path / "m.onnx", nodes, factor=factor, first=float(sign))
    equal(path, logits(grid(torch.relu(y), 16.0, 0, 15)))


@pytest.mark.parametrize("ceil", [0, 1])
def test_rounded_up_pools(ceil, tmp_path):
    nodes = [
        *conv(),
        *act(),
        node("MaxPool", ["a"], "p", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=ceil),
        *mean("p"),
    ]
    want = logits(functional.max_pool2d(features(IMAGES), 3, 2, ceil_mode=bool(ceil)))
    equal(write(tmp_path / "m.onnx", nodes), want)
