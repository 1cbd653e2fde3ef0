"""Benches of files that other tools write, on a file or two each."""

import warnings

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Dense


def test_pt2e(tmp_path):
    pytest.importorskip("torchao", reason="quantizes the model")
    pytest.importorskip("onnxruntime", reason="the judge")
    from fermatnet.bench.exchange import pt2e

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pt2e.row("mlp", "xnnpack per channel", 20)
    assert found["compared"].startswith("compared 20 samples with onnxruntime: ")


def test_a_model_of_brevitas():
    pytest.importorskip("brevitas", reason="its own examples are built")
    from fermatnet.bench.exchange import qonnx_models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = qonnx_models.brevitas_row("tfc_1w2a", dynamo=False)
    assert (found["outputs"], found["different"]) == (80, 0)


def test_pixels_of_a_test_set():
    pytest.importorskip("tflite", reason="reads TensorFlow Lite files")
    from fermatnet.bench.exchange.test_set import pixels

    nodes, meta = (
        [Dense("d", ("image",), np.ones((2, 3), np.int64))],
        {"input_scale": "1.0", "input_zero": "-128"},
    )
    net = Network(nodes, (3, 1, 1), (-128, 127), meta=meta, input_dtype="int8")
    images = np.array([0, 128, 255], np.uint8).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(pixels(net, images).ravel(), [-128, 0, 127])
    with pytest.raises(InputError, match="the model takes"):
        pixels(net, images.reshape(1, 1, 3, 1))
    net.meta["input_scale"] = "0.5847"
    with pytest.raises(InputError, match="does not stand for pixels"):
        pixels(net, images)
