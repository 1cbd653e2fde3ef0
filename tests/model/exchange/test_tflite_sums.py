"""LiteRT's sums of two int8 tensors: every pair of values, at several scales."""

import numpy as np
import pytest

from fermatnet.model.network import run

pytest.importorskip("tflite", reason="reads TensorFlow Lite files")
pytest.importorskip("ai_edge_litert", reason="LiteRT is the oracle")


@pytest.mark.parametrize(
    "scales",
    [
        (0.039393551647663116, 0.10419496148824692, 0.050945673137903214),  # of a published ResNet-8
        (0.1, 0.1, 0.1),
        (0.07, 0.0113, 0.031),
    ],
)
def test_every_pair_of_values(scales, tmp_path):
    """Two 1x1 convolutions pick one of two channels each, unchanged, under scales of their own."""
    from fermatnet.bench.exchange.tflite_files import Op, Tensor, write
    from fermatnet.model.exchange.tflite import read
    from fermatnet.model.exchange.tflite.executor import outputs

    first, second, out = scales
    picks = [np.array(pick, np.int8).reshape(1, 1, 1, 2) for pick in ((1, 0), (0, 1))]
    tensors = [
        Tensor("x", (1, 256, 256, 2), first, -128),
        Tensor("w0", (1, 1, 1, 2), 1.0, data=picks[0]),
        Tensor("a", (1, 256, 256, 1), first, -128),
        Tensor("w1", (1, 1, 1, 2), second / first, data=picks[1]),
        Tensor("b", (1, 256, 256, 1), second, -128),
        Tensor("y", (1, 256, 256, 1), out, -100),
        Tensor("bias0", (1,), first, 0, "int32", data=np.zeros(1, np.int32)),
        Tensor("bias1", (1,), second, 0, "int32", data=np.zeros(1, np.int32)),
    ]
    window = {"Padding": 1, "StrideW": 1, "StrideH": 1}
    ops = [
        Op("CONV_2D", [0, 1, 6], [2], window, "Conv2DOptions"),
        Op("CONV_2D", [0, 3, 7], [4], window, "Conv2DOptions"),
        Op("ADD", [2, 4], [5], {"FusedActivationFunction": 0}, "AddOptions"),
    ]
    path = write(tmp_path / "sum.tflite", tensors, ops, [0], [5])
    net = read(path)
    x = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))[None].astype(np.int8)
    wanted = outputs(path, net, x)
    assert len(np.unique(wanted)) > 100
    np.testing.assert_array_equal(run(net, x), wanted)
