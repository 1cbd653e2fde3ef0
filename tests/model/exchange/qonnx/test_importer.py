"""QONNX import: models that the real Brevitas writes, against Brevitas' own forward pass; what is not
supported is named."""

import numpy as np
import pytest
import torch
from onnx import helper
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx
from fermatnet.model.network import Network, run
from fermatnet.model.network.graph import needed
from fermatnet.model.network.nodes import Add, Conv, Dense, PiecewiseConv
from tests.model.exchange.qonnx.written import by_hand, quant, small, write


def test_hand_written_model_gives_the_same_integers(tmp_path):
    rng = np.random.default_rng(0)
    nodes, constants = small(rng)
    write(tmp_path / "net.onnx", nodes, constants, "y")
    net = import_qonnx(tmp_path / "net.onnx")
    assert [type(node) for node in net.nodes if isinstance(node, Conv | PiecewiseConv | Dense)] == [
        Conv,
        PiecewiseConv,
        Dense,
    ]
    images = rng.integers(0, 256, (20, 1, 6, 6)).astype(np.uint8)
    scale = float(net.meta["output_scale"])
    product, bias = by_hand(constants, images)
    np.testing.assert_array_equal(run(net, images) * scale, product + np.round(bias / scale) * scale)
    assert float(net.meta["bias_error"]) <= scale / 2


@pytest.mark.parametrize(("scale", "works"), [(0.25, True), (1.0, True), (0.0625, True), (0.3, False)])
def test_sums_of_activations_of_two_scales(scale, works, tmp_path):
    """0.25 and ``scale``: the integers of each in the finer unit, added."""
    nodes, constants = small(np.random.default_rng(0))
    place = next(k for k, node in enumerate(nodes) if node.name == "a1")
    other, given = quant("b1", "r1", -2, scale)
    nodes[place + 1 : place + 1] = [
        *other,
        helper.make_node("Add", ["a1", "b1"], ["s"], "sum"),
        *quant("t", "s", -3, 0.5)[0],
    ]
    constants |= given | quant("t", "s", -3, 0.5)[1]
    for node in nodes:
        if node.name == "c2":
            node.input[0] = "t"
    write(tmp_path / "m.onnx", nodes, constants, "y")
    if not works:
        with pytest.raises(InputError, match=r"a power of two times the other, not 0\.25 and 0\.3"):
            import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
        return
    net = import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
    images = np.random.default_rng(5).integers(0, 256, (16, 1, 6, 6)).astype(np.uint8)
    total = next(node for node in net.nodes if isinstance(node, Add))
    first, second, third = (
        run(Network(needed(net.nodes, name), net.input_shape, output=name), images)
        for name in ("a1", "b1", total.name)
    )
    np.testing.assert_array_equal(third * min(0.25, scale), 0.25 * first + scale * second)


def test_bipolar_weights_and_activations(tmp_path):
    """Signs, zero among the positive ones; every sum in numpy's integers. Zero padding stays zero."""
    rng = np.random.default_rng(3)
    w1, w2 = rng.integers(-2, 3, (4, 1, 3, 3)), rng.normal(size=(5, 4, 3, 3)).astype(np.float32)
    w3 = rng.normal(size=(10, 5 * 36)).astype(np.float32)
    nodes, constants = [], {"w1": w1.astype(np.float32), "w2": w2, "w3": w3}
    made, given = quant("q1", "w1", 8, 1.0)
    nodes, constants = nodes + made, constants | given
    for name, x, scale in (("q2", "w2", 0.5), ("b1", "c1", 0.25), ("b2", "c2", 1.0)):
        nodes += [
            helper.make_node(
                "BipolarQuant", [x, f"{name}.scale"], [name], name, domain="qonnx.custom_op.general"
            )
        ]
        constants[f"{name}.scale"] = np.float32(scale)
        if name == "q2":
            nodes.append(helper.make_node("Conv", ["x", "q1"], ["c1"], "c1", pads=[1, 1, 1, 1]))
        if name == "b1":
            nodes.append(helper.make_node("Conv", ["b1", "q2"], ["c2"], "c2", pads=[1, 1, 1, 1]))
    made, given = quant("q3", "w3", 8, 1 / 64)
    nodes += [
        *made,
        helper.make_node("Flatten", ["b2"], ["f"], "f"),
        helper.make_node("Gemm", ["f", "q3"], ["y"], "y", transB=1),
    ]
    write(tmp_path / "m.onnx", nodes, constants | given, "y")
    net = import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
    images = rng.integers(0, 3, (20, 1, 6, 6)).astype(np.uint8)

    def conv(x, w):
        return (
            nn.functional.conv2d(
                torch.tensor(x, dtype=torch.float64), torch.tensor(w, dtype=torch.float64), padding=1
            )
            .numpy()
            .astype(np.int64)
        )

    first = conv(images, w1)
    second = conv(np.where(first >= 0, 1, -1), np.where(w2 >= 0, 1, -1))
    assert (first == 0).any() and (second == 0).any()
    last = np.clip(np.round(w3.astype(np.float64) * 64), -127, 127).astype(np.int64)
    np.testing.assert_array_equal(run(net, images), np.where(second >= 0, 1, -1).reshape(20, -1) @ last.T)
    assert float(net.meta["output_scale"]) == 1 / 64
    constants["b1.scale"] = np.float32(-1)
    write(tmp_path / "m.onnx", nodes, constants | given, "y")
    with pytest.raises(InputError, match="'b1': its scale must be positive"):
        import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
