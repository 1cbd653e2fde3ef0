"""TensorFlow Lite files with several inputs and outputs."""

import numpy as np
import pytest

pytest.importorskip("tflite", reason="reads TensorFlow Lite files")
pytest.importorskip("ai_edge_litert", reason="LiteRT is the judge")

from fermatnet.bench.exchange.tflite_files import Op, Tensor, write
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import integers, tflite
from fermatnet.model.exchange.importer import Options, imported
from fermatnet.model.network import load, save

WINDOW = {"Padding": 0, "StrideW": 1, "StrideH": 1}


def parts(floats=False):
    """left (5, 4, 2) and right (5, 4, 3) are added after a convolution each: a map, and classes of it."""
    r = np.random.default_rng(2)

    def weight(*shape):
        return r.integers(-127, 128, shape).astype(np.int8)

    def bias(count):
        return r.integers(-500, 500, count).astype(np.int32)

    tensors = [
        Tensor("left:0", (1, 5, 4, 2), 0.05, 7),
        Tensor("right:0", (1, 5, 4, 3), 0.04, -9),
        Tensor("w0", (4, 3, 3, 2), 0.01, data=weight(4, 3, 3, 2)),
        Tensor("b0", (4,), 0.0005, 0, "int32", data=bias(4)),
        Tensor("w1", (4, 1, 1, 3), 0.01, data=weight(4, 1, 1, 3)),
        Tensor("b1", (4,), 0.0004, 0, "int32", data=bias(4)),
        Tensor("a", (1, 5, 4, 4), 0.11, 3),
        Tensor("b", (1, 5, 4, 4), 0.03, -4),
        Tensor("map", (1, 5, 4, 4), 0.1, 1),
        Tensor("w2", (6, 80), 0.01, data=weight(6, 80)),
        Tensor("b2", (6,), 0.001, 0, "int32", data=bias(6)),
        Tensor("logits", (1, 6), 0.4, 2),
        Tensor("classes", (1, 6), 1 / 256, -128),
    ]
    ops = [
        Op("CONV_2D", [0, 2, 3], [6], WINDOW, "Conv2DOptions"),
        Op("CONV_2D", [1, 4, 5], [7], WINDOW, "Conv2DOptions"),
        Op("ADD", [6, 7], [8], {"FusedActivationFunction": 0}, "AddOptions"),
        Op("FULLY_CONNECTED", [8, 9, 10], [11], {}, "FullyConnectedOptions"),
        Op("SOFTMAX", [11], [12], {"Beta": 1.0}, "SoftmaxOptions"),
    ]
    inputs = [0, 1]
    if floats:
        tensors += [
            Tensor("x", (1, 5, 4, 2), None, 0, "float32"),
            Tensor("y", (1, 5, 4, 3), None, 0, "float32"),
        ]
        ops = [Op("QUANTIZE", [13], [0]), Op("QUANTIZE", [14], [1]), *ops]
        inputs = [13, 14]
    return tensors, ops, inputs


@pytest.mark.parametrize("floats", [False, True])
def test_equal_to_litert(tmp_path, floats):
    tensors, ops, inputs = parts(floats)
    path = write(tmp_path / "m.tflite", tensors, ops, inputs, [12, 8])
    made = imported(path, Options(compare=30))
    net = made.network
    assert made.notes[-1].endswith(f"all {30 * (6 + 80)} outputs equal")
    assert [one.name for one in net.inputs] == (["x", "y"] if floats else ["left:0", "right:0"])
    assert net.outputs == ("classes", "map")
    assert (net.meta["source_output"], net.meta["source_output.map"]) == ("logits", "map")
    assert net.meta["input_scale." + net.inputs[1].name] == repr(float(np.float32(0.04)))
    assert "SOFTMAX at the end" in net.meta["taken_off"]
    save(net, tmp_path / "net.onnx")
    samples = integers.samples_of(net, 4)
    again = integers.results_of(load(tmp_path / "net.onnx"), samples)
    np.testing.assert_array_equal(again, tflite.outputs(path, net, samples))


def test_a_wrong_weight_is_seen(tmp_path):
    tensors, ops, inputs = parts()
    path = write(tmp_path / "m.tflite", tensors, ops, inputs, [12, 8])
    net = tflite.read(path)
    net.nodes[0].weight = net.nodes[0].weight[::-1].copy()
    with pytest.raises(InputError, match="the network differs from LiteRT"):
        integers.compare(net, path, lambda samples: tflite.outputs(path, net, samples), "LiteRT", count=8)


def test_one_tensor_twice_is_refused(tmp_path):
    tensors, ops, inputs = parts()
    with pytest.raises(InputError, match="its outputs 'classes' and 'logits' are the same tensor: keep one"):
        tflite.read(write(tmp_path / "m.tflite", tensors, ops, inputs, [12, 11]))


def test_an_input_that_is_not_needed_is_refused(tmp_path):
    tensors, ops, _ = parts()
    tensors.append(Tensor("idle", (1, 4), 0.1))
    with pytest.raises(InputError, match="its input 'idle' is read by no layer"):
        tflite.read(write(tmp_path / "m.tflite", tensors, ops[:4], [0, 1, 13], [11]))
