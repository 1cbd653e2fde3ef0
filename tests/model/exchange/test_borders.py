"""Averages whose windows reach over the border: divided by the pixels that they meet, or by all."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the judge of quantized ONNX files")
pytest.importorskip("tflite", reason="reads TensorFlow Lite files")
pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")

from fermatnet.bench.exchange.tflite_files import Op, Tensor, write
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import tflite
from fermatnet.model.exchange.borders import bands
from fermatnet.model.exchange.importer import Options, imported
from fermatnet.model.network import run
from fermatnet.sim.network import simulate
from tests.model.exchange.onnx_by_hand import File, equal


def average_file(path, size, kernel, stride, activation=0):
    height, width = size
    out = -(-height // stride[0]), -(-width // stride[1])
    tensors = [Tensor("x", (1, *size, 3), 0.05, -7), Tensor("y", (1, *out, 3), 0.05, -7)]
    options = {
        "Padding": 0,
        "StrideH": stride[0],
        "StrideW": stride[1],
        "FusedActivationFunction": activation,
    }
    options |= {"FilterHeight": kernel[0], "FilterWidth": kernel[1]}
    return write(path, tensors, [Op("AVERAGE_POOL_2D", [0], [1], options, "Pool2DOptions")], [0], [1])


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [((5, 5), (3, 3), (1, 1)), ((5, 4), (2, 2), (2, 2)), ((7, 6), (5, 3), (2, 1)), ((4, 4), (2, 2), (2, 2))],
)
def test_same_padding_of_tensorflow(size, kernel, stride, tmp_path):
    made = imported(average_file(tmp_path / "m.tflite", size, kernel, stride, 1), Options(compare=40))
    assert made.notes[-1].endswith("outputs equal")


WINDOWS = {
    "around": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    "counted": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    "one side": {"kernel_shape": [2, 3], "pads": [1, 0, 0, 2], "strides": [2, 1]},
    "rounded up": {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("linear", [False, True])
def test_windows_of_onnx(name, linear, tmp_path):
    f = File(2, 5, 5)
    if linear:
        scales = [f.constant(0.0517), f.constant(3, np.int8), f.constant(0.0517), f.constant(3, np.int8)]
        q = f.op("QLinearAveragePool", f.last, *scales, domain="com.microsoft", **WINDOWS[name])
        last = f.real(q, 0.0517, 3)
    else:
        y = f.op("AveragePool", f.real(f.last, 0.0517, 3), **WINDOWS[name])
        last = f.real(f.quantize(y, 0.0431, -2), 0.0431, -2)
    made = equal(f.save(tmp_path / "m.onnx", last), 40)
    layers = {type(node).__name__ for node in made.network.nodes}
    assert ("Slice" in layers) == (name != "counted")


def test_in_rtl(tmp_path):
    net = tflite.read(average_file(tmp_path / "m.tflite", (5, 4), (3, 3), (1, 1)))
    images = np.random.default_rng(0).integers(-128, 128, (4, *net.input_dims)).astype(np.int8)
    made = generate(net, tmp_path / "design", cycles=200)
    wanted = run(net, images)
    result = simulate(tmp_path / "design", images, simulator="icarus")
    np.testing.assert_array_equal(result.outputs, wanted)
    assert result.cycles_per_image == made["cycles_per_image"]
    stalled = simulate(tmp_path / "design", images, simulator="icarus", stalls=2)
    np.testing.assert_array_equal(stalled.outputs, wanted)


def test_bands():
    assert bands(5, 3, 1, 1, 1).runs == ((0, 1, 2), (1, 4, 3), (4, 5, 2))
    assert bands(4, 2, 2, 0, 0).even
    with pytest.raises(InputError, match="does not lie on the map"):
        bands(3, 2, 1, 2, 0)
    with pytest.raises(InputError, match="does not lie on the map"):
        bands(2, 3, 1, 0, 0)
