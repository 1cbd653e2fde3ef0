"""Pixels scaled, shifted or quantized in the graph."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from fermatnet.model.exchange.qonnx.importer import import_qonnx, imported
from fermatnet.model.network import run
from tests.model.exchange.qonnx.answers import IMAGES, equal, refused
from tests.model.exchange.qonnx.files import (
    KERNEL,
    act,
    conv,
    double,
    grid,
    logits,
    mean,
    node,
    quant,
    write,
)

SCALED = {
    "div": ([node("Div", ["x", "k"], "p")], {"k": 255.0}),
    "mul": ([node("Mul", ["x", "k"], "p")], {"k": 1 / 255}),
    "mul the other way": ([node("Mul", ["k", "x"], "p")], {"k": 1 / 255}),
    "norm": (
        [node("BatchNormalization", ["x", "g", "o", "o", "v"], "p", epsilon=0.0)],
        {"g": np.full(8, 1 / 255), "o": np.zeros(8), "v": np.ones(8)},
    ),
}


@pytest.mark.parametrize("name", SCALED)
def test_pixels_scaled_in_the_graph(name, tmp_path):
    first, constants = SCALED[name]
    path = write(
        tmp_path / "m.onnx",
        [*first, quant("p", "pq", "sp", "b8", signed=0), *conv("pq"), *act(scale="su"), *mean()],
        sp=1 / 255,
        su=0.5,
        **constants,
    )
    pixel = float(np.float32(1 / 255))
    y = functional.conv2d(double(IMAGES) * pixel, grid(KERNEL, 0.125), padding=1)
    equal(path, logits(grid(torch.relu(y), 0.5, 0, 15)))


def test_pixels_shifted_in_the_graph(tmp_path):
    """2x/255 - 1, and x - 127.5, without a quantizer: whole numbers again, zero padding in its place."""
    centred = [
        node("Mul", ["x", "k"], "d"),
        node("Sub", ["d", "one"], "p"),
        *conv("p"),
        *act(scale="su"),
        *mean(),
    ]
    path = write(tmp_path / "m.onnx", centred, k=2 / 255, one=1.0, su=0.5)
    refused(path, "its input is not quantized")  # float32 has no 2/255, so -1 is no whole number of steps
    halves = [node("Sub", ["x", "half"], "p"), *conv("p"), *act(), *mean()]
    y = functional.conv2d(double(IMAGES) - 127.5, grid(KERNEL, 0.125), padding=1)
    equal(write(tmp_path / "m.onnx", halves, half=127.5), logits(grid(torch.relu(y), 16.0, 0, 15)))


def unit_pixels(path):
    return write(
        path,
        [quant("x", "xq", "s255", "b8", signed=0), *conv("xq"), *act(scale="su"), *mean()],
        s255=1 / 255,
        su=0.25,
    )


def test_pixels_from_0_to_1_are_recognised(tmp_path):
    made = imported(unit_pixels(tmp_path / "m.onnx"))
    assert (
        any("pixel k stands for k/255" in note for note in made.notes)
        and float(made.network.meta["input_scale"]) == 1 / 255
    )
    got = run(made.network, IMAGES)
    y = functional.conv2d(double(IMAGES) * float(np.float32(1 / 255)), grid(KERNEL, 0.125), padding=1)
    np.testing.assert_allclose(
        got * float(made.network.meta["output_scale"]), logits(grid(torch.relu(y), 0.25, 0, 15)), rtol=1e-12
    )
    assert len(np.unique(got, axis=0)) == len(IMAGES)


def test_pixels_that_a_quantizer_would_lose_are_refused_until_the_user_says_so(tmp_path):
    path = write(
        tmp_path / "m.onnx",
        [quant("x", "xq", "s", "b8"), *conv("xq"), *act(scale="su"), *mean()],
        s=1 / 100,
        su=0.25,
    )
    refused(
        path,
        r"'xq': 254 of the 256 pixel values 0\.\.255 fall on one of its integers \(255\).*--input-scale "
        r"1/255",
    )
    for scale in (1.0, 1 / 255):
        y = functional.conv2d(
            grid(double(IMAGES) * scale, np.float32(0.01), -128, 127), grid(KERNEL, 0.125), padding=1
        )
        equal(path, logits(grid(torch.relu(y), 0.25, 0, 15)), input_scale=scale)
    y = functional.conv2d(
        grid(double(IMAGES) / 128 - 1, np.float32(0.01), -128, 127), grid(KERNEL, 0.125), padding=1
    )
    equal(path, logits(grid(torch.relu(y), 0.25, 0, 15)), input_scale=1 / 128, input_offset=-1.0)
    assert import_qonnx(path, value_range=(0, 1)).input_range == (0, 1)
