"""Biases, scales, quantizers and a softmax at the outputs."""

import numpy as np
import pytest

from fermatnet.model.exchange.qonnx.importer import import_qonnx, imported
from fermatnet.model.network import run
from tests.model.exchange.qonnx.answers import IMAGES, equal, reals, refused
from tests.model.exchange.qonnx.files import (
    WIDE,
    act,
    conv,
    features,
    grid,
    logits,
    mean,
    node,
    quant,
    weights,
    wide,
    write,
)


@pytest.mark.parametrize(("scale", "bits", "most"), [("sw", "b8", 0), ("sw", "b4", 0), ("s01", "b8", 0.05)])
def test_the_bias_of_the_last_layer(scale, bits, most, tmp_path):
    """Whole in a finer unit, or rounded by the error that the metadata gives."""
    path = write(tmp_path / "m.onnx", wide(scale, bits), fw=WIDE, bias=np.ones(10), s01=0.01)
    step = {"sw": 0.125, "s01": float(np.float32(0.01))}[scale]
    limits = (-8, 7) if bits == "b4" else (-128, 127)
    want = (features(IMAGES).flatten(1) @ weights(WIDE, step, *limits).T).numpy() + 1
    net = import_qonnx(path)
    np.testing.assert_allclose(
        run(net, IMAGES) * float(net.meta["output_scale"]),
        want,
        rtol=1e-12,
        atol=float(net.meta["bias_error"]),
    )
    assert float(net.meta["bias_error"]) <= most


def test_a_scale_an_output(tmp_path):
    path = write(
        tmp_path / "m.onnx",
        wide("so"),
        fw=WIDE,
        bias=np.ones(10),
        so=np.random.default_rng(0).uniform(0.008, 0.01, (10, 1)),
    )
    refused(
        path,
        r"the outputs have different scales .* the last layer needs one weight scale .* or a quantizer at "
        r"its output",
    )
    ratios = np.array([1, 2, 4, 1, 1, 3, 1, 1, 2, 1]).reshape(10, 1) / 8
    path = write(
        tmp_path / "m.onnx", wide("so"), fw=WIDE, bias=np.ones(10), so=ratios
    )  # whole multiples of one unit
    equal(path, (features(IMAGES).flatten(1) @ grid(WIDE, ratios, -128, 127).T).numpy() + 1)


def test_a_quantizer_at_the_output_joins_them(tmp_path):
    scale = np.random.default_rng(0).uniform(0.008, 0.01, (10, 1)).astype(np.float32)
    nodes = [*wide("so"), quant("y", "z", "sy", "b8")]
    got = reals(write(tmp_path / "m.onnx", nodes, output="z", fw=WIDE, bias=np.ones(10), so=scale, sy=0.5))
    want = grid((features(IMAGES).flatten(1) @ weights(WIDE, scale).T) + 1, 0.5, -128, 127)
    np.testing.assert_array_equal(got, want.numpy())


def test_a_final_softmax_is_left_out_and_said(tmp_path):
    path = write(
        tmp_path / "m.onnx", [*conv(), *act(), *mean(), node("Softmax", ["y"], "s", axis=1)], output="s"
    )
    made = imported(path)
    assert any("Softmax is left out" in note for note in made.notes)
    np.testing.assert_array_equal(
        run(made.network, IMAGES) * float(made.network.meta["output_scale"]), logits(features(IMAGES))
    )


@pytest.mark.parametrize("seed", range(4))
def test_outputs_keep_their_order(seed, tmp_path):
    """Biases are no whole number of units; where they are rounded, no two outputs change places."""
    biases = np.random.default_rng(seed).uniform(-1, 1, 10) if seed else np.full(10, 0.0123)
    path = write(tmp_path / "m.onnx", wide("s01", "b8"), fw=WIDE, bias=biases, s01=0.01)
    net = import_qonnx(path)
    bare = import_qonnx(
        write(tmp_path / "bare.onnx", wide("s01", "b8"), fw=WIDE, bias=np.zeros(10), s01=0.01)
    )
    real = (features(IMAGES).flatten(1) @ weights(WIDE, float(np.float32(0.01)), -128, 127).T).numpy()
    real = real + biases.astype(np.float32).astype(np.float64)
    got = run(net, IMAGES)
    less = real[:, :, None] < real[:, None, :] - 1e-9
    assert ((got[:, :, None] < got[:, None, :]) >= less).all()
    finer = float(bare.meta["output_scale"]) / float(net.meta["output_scale"])
    assert (
        finer == 1 if seed == 0 else finer in (2, 4, 8, 16, 32, 64, 128, 256)
    )  # one bias for all: order is kept
