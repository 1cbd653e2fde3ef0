"""Products, sums and joins in everyday forms of QONNX: the value of float64, or a named refusal."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.model.exchange.qonnx.answers import IMAGES, equal, reals, refused
from tests.model.exchange.qonnx.files import (
    KERNEL,
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


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_of_a_convolution(mode, tmp_path):
    nodes = [
        quant("w", "wq"),
        node("Conv", ["x", "wq"], "c", "conv", strides=[2, 2], auto_pad=mode),
        *act(),
        *mean(),
    ]
    pad = {"SAME_UPPER": (0, 1, 0, 1), "SAME_LOWER": (1, 0, 1, 0), "VALID": (0, 0, 0, 0)}[mode]
    y = functional.conv2d(functional.pad(double(IMAGES), pad), grid(KERNEL, 0.125), stride=2)
    equal(write(tmp_path / "m.onnx", nodes), logits(grid(torch.relu(y), 16.0, 0, 15)))


def test_other_domains_are_not_onnx(tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(domain="qonnx.custom_op.channels_last"), *act(), *mean()])
    refused(
        path,
        r"'conv': Conv of domain 'qonnx\.custom_op\.channels_last' works on channels last \(NHWC\): export "
        r".* channels first",
    )
    refused(
        write(tmp_path / "m.onnx", [*conv(domain="com.microsoft"), *act(), *mean()]),
        "'conv': Conv of domain 'com.microsoft' is not supported",
    )


def test_constants_that_broadcast_along_another_axis(tmp_path):
    nodes = [*conv(), node("Add", ["c", "b"], "cb", "add"), *act("cb"), *mean()]
    b = np.random.default_rng(1).integers(-300, 300, 8) / 1.0
    refused(
        write(tmp_path / "m.onnx", nodes, b=b),
        r"'add': its constant of shape \(8,\) differs along axis 3 of the tensor \(1, 8, 8, 8\)",
    )
    path = write(tmp_path / "m.onnx", nodes, b=b.reshape(8, 1, 1))
    equal(path, logits(features(IMAGES, b.reshape(8, 1, 1))))
    refused(write(tmp_path / "m.onnx", nodes, b=np.ones((8, 8, 8, 8))), "does not broadcast")


def test_an_optional_bias_left_empty(tmp_path):
    nodes = [*conv(), *act(), *mean()]
    nodes[1].input.append("")
    equal(write(tmp_path / "m.onnx", nodes), logits(features(IMAGES)))


def test_a_bias_as_the_first_input_of_add(tmp_path):
    nodes = [*conv(), node("Add", ["bc", "c"], "cb", "add"), *act("cb"), *mean()]
    equal(write(tmp_path / "m.onnx", nodes, bc=np.full((1, 8, 1, 1), 40.0)), logits(features(IMAGES, 40.0)))


def test_concat(tmp_path):
    w2 = np.random.default_rng(5).integers(-8, 8, (10, 16)) / 8
    tail = [node("Concat", ["a", "b"], "ab", "cat", axis=1), *mean("ab")]
    nodes = [
        *conv(),
        *act(),
        node("Neg", ["zero"], "nought"),
        quant("r", "b", "sa", "b4", "nought", signed=0),
        *tail,
    ]
    got = reals(write(tmp_path / "m.onnx", nodes, fw=w2))
    a = features(IMAGES)
    np.testing.assert_array_equal(got, (torch.cat([a, a], 1).mean((2, 3)) @ grid(w2, 0.125).T).numpy())
    nodes[-5].attribute[0].i = 2
    refused(
        write(tmp_path / "m.onnx", nodes, fw=w2),
        "'cat': Concat along axis 2 is not supported, only along the channels",
    )
