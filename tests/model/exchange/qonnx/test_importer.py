"""QONNX import: models that the real Brevitas writes, against Brevitas' own forward pass; what is not
supported is named."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx
from fermatnet.model.network import Network, run
from fermatnet.model.network.graph import needed
from fermatnet.model.network.nodes import Add, Conv, Dense, PiecewiseConv


def quant(name, value, bits, scale=0.5):
    return [
        helper.make_node(
            "Quant",
            [value, f"{name}.scale", f"{name}.zero", f"{name}.bits"],
            [name],
            name,
            domain="qonnx.custom_op.general",
            signed=int(bits > 0),
            narrow=int(bits > 0),
            rounding_mode="ROUND",
        )
    ], {
        f"{name}.scale": np.float32(scale),
        f"{name}.zero": np.float32(0),
        f"{name}.bits": np.float32(abs(bits)),
    }


def write(path, nodes, constants, out):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 6, 6])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)],
        ),
        path,
    )


def small(rng, extra=None):
    """INT8 conv, norm with a negative gamma, rectifier, 3-bit activation, 3-bit conv, activation, dense:
    written by hand, in numpy too."""
    constants = {
        "w1": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "w2": rng.normal(size=(5, 4, 3, 3)).astype(np.float32),
        "w3": rng.normal(size=(10, 5 * 36)).astype(np.float32),
        "b3": rng.normal(size=10).astype(np.float32),
    }
    for n, c in (("1", 4), ("2", 5)):
        constants |= {
            f"gamma{n}": np.array([1.3, -0.7, 0.4, 2.0, 1.0][:c], np.float32),
            f"beta{n}": rng.normal(size=c).astype(np.float32),
            f"mean{n}": rng.normal(size=c).astype(np.float32) * 20,
            f"var{n}": rng.uniform(500, 3000, c).astype(np.float32),
        }
    nodes = []
    for name, value, bits, scale in (("q1", "w1", 8, 1 / 64), ("q2", "w2", 3, 0.5), ("q3", "w3", 8, 1 / 64)):
        made, given = quant(name, value, bits, scale)
        nodes += made
        constants |= given
    for n, x, w in (("1", "x", "q1"), ("2", "a1", "q2")):
        nodes.append(helper.make_node("Conv", [x, w], [f"c{n}"], f"c{n}", pads=[1, 1, 1, 1]))
        nodes.append(
            helper.make_node(
                "BatchNormalization",
                [f"c{n}", *(f"{k}{n}" for k in ("gamma", "beta", "mean", "var"))],
                [f"n{n}"],
                f"n{n}",
            )
        )
        nodes.append(helper.make_node("Relu", [f"n{n}"], [f"r{n}"], f"r{n}"))
        made, given = quant(f"a{n}", f"r{n}", -3, 0.25)
        nodes += made + ([extra] if extra and n == "1" else [])
        constants |= given
    nodes += [
        helper.make_node("Flatten", ["a2"], ["f"], "f"),
        helper.make_node("Gemm", ["f", "q3", "b3"], ["y"], "y", transB=1),
    ]
    return nodes, constants


def by_hand(k, images):
    def clip(value, lo, hi):
        return np.clip(np.round(value), lo, hi)

    x = images.astype(np.float64)
    for n, bits, scale in (("1", 8, 1 / 64), ("2", 3, 0.5)):
        top = 2 ** (bits - 1) - 1
        w = torch.tensor(clip(k[f"w{n}"].astype(np.float64) / scale, -top, top) * scale)
        y = nn.functional.conv2d(torch.tensor(x), w, padding=1).numpy()
        c = [k[f"{name}{n}"].astype(np.float64)[:, None, None] for name in ("gamma", "beta", "mean", "var")]
        y = np.maximum((y - c[2]) * (c[0] / np.sqrt(c[3] + np.float64(np.float32(1e-5)))) + c[1], 0)
        x = clip(y / 0.25, 0, 7) * 0.25
    w = clip(k["w3"].astype(np.float64) * 64, -127, 127) / 64
    return x.reshape(len(x), -1) @ w.T, k["b3"].astype(np.float64)


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


@pytest.mark.parametrize(
    "extra, words",
    [
        (helper.make_node("Sigmoid", ["a1"], ["s"], "odd"), "'odd': Sigmoid is not supported"),
        (
            helper.make_node("Add", ["a1", "n1"], ["s"], "sum"),
            "'sum': Add of two activations needs a quantizer",
        ),
    ],
)
def test_unsupported_nodes_are_named(tmp_path, extra, words):
    nodes, constants = small(np.random.default_rng(0), extra)
    write(tmp_path / "net.onnx", nodes, constants, "y")
    with pytest.raises(InputError, match=words):
        import_qonnx(tmp_path / "net.onnx")


def test_a_file_that_is_not_onnx(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not an ONNX file"):
        import_qonnx(tmp_path / "x.onnx")


def imported(net, bias, tmp_path):
    """The network of a model that Brevitas has calibrated and written; every logit is compared with Brevitas'
    own.

    Brevitas works in float32; its logits are integers times one scale, plus the last bias: compared as
    integers, so that noise is no excuse.
    """
    from brevitas.export import export_qonnx

    images = torch.randint(0, 256, (64, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    for _ in range(4):
        net(images)
    net.eval()
    with torch.no_grad():
        want = net(images).double().numpy()
    export_qonnx(net, args=images[:1], export_path=str(tmp_path / "net.onnx"))
    found = import_qonnx(tmp_path / "net.onnx")
    scale, bias = float(found.meta["output_scale"]), bias.detach().double().numpy()
    got = run(found, images.numpy().astype(np.uint8)) - np.round(bias / scale).astype(np.int64)
    np.testing.assert_array_equal(got, np.round((want - bias) / scale))
    return found


def test_a_model_written_by_brevitas(tmp_path):
    import brevitas.nn as layers

    torch.manual_seed(0)
    net = nn.Sequential(
        layers.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_bit_width=8),
        nn.BatchNorm2d(4),
        layers.QuantReLU(bit_width=3),
        layers.QuantConv2d(4, 8, 3, padding=1, bias=False, weight_bit_width=3),
        nn.BatchNorm2d(8),
        layers.QuantReLU(bit_width=3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        layers.QuantLinear(8 * 16, 10, bias=True, weight_bit_width=8),
    )
    assert any(isinstance(node, PiecewiseConv) for node in imported(net, net[-1].bias, tmp_path).nodes)


class Residual(nn.Module):
    """Brevitas' way: one quantizer for both branches, so that their scales agree."""

    def __init__(self):
        super().__init__()
        import brevitas.nn as layers

        self.stem = nn.Sequential(
            layers.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_bit_width=8),
            nn.BatchNorm2d(4),
            layers.QuantReLU(bit_width=3),
        )
        self.main = nn.Sequential(
            layers.QuantConv2d(4, 4, 3, padding=1, bias=False, weight_bit_width=3), nn.BatchNorm2d(4)
        )
        self.shared, self.act = layers.QuantIdentity(bit_width=6), layers.QuantReLU(bit_width=3)
        self.last = layers.QuantLinear(4 * 64, 10, bias=True, weight_bit_width=8)

    def forward(self, x):
        x = self.stem(x)
        return self.last(self.act(self.shared(self.main(x)) + self.shared(x)).flatten(1))


def test_a_residual_sum_written_by_brevitas(tmp_path):
    torch.manual_seed(0)
    net = Residual()
    assert any(isinstance(node, Add) for node in imported(net, net.last.bias, tmp_path).nodes)


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k: k.update(gamma1=np.ones(8, np.float32)), "parameters must be 4 numbers each"),
        (lambda k: k.update(mean1=np.float32(1)), "parameters must be 4 numbers each"),
        (lambda k: k.update(var1=-k["var1"]), "variances not negative"),
        (
            lambda k: k.update(beta1=np.array([np.nan, 1, 2, 3], np.float32)),
            "'beta1' holds numbers that are not finite",
        ),
        (lambda k: k.update({"q2.bits": np.float32(-3)}), "one whole bit width of 1 to 32"),
        (lambda k: k.update({"q2.bits": np.float32(1e30)}), "one whole bit width of 1 to 32"),
        (lambda k: k.update({"a1.scale": np.float32(0)}), "'a1': its scale must be positive"),
        (lambda k: k.update(b3=np.ones(7, np.float32)), "layer 'y': a bias of 7 numbers for 10 outputs"),
    ],
)
def test_constants_that_cannot_be(change, words, tmp_path):
    nodes, constants = small(np.random.default_rng(0))
    change(constants)
    write(tmp_path / "m.onnx", nodes, constants, "y")
    with pytest.raises(InputError, match=words) as caught:
        import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.node[-1].input.pop(0), "ONNX node 'y'"),
        (
            lambda g: setattr(next(n for n in g.node if n.name == "r1"), "op_type", "MatMul"),
            "'r1': its inputs, shapes or attributes are not those of a MatMul",
        ),
        (lambda g: g.node.remove(g.node[-1]), "the last layer must be a dense layer"),
        (lambda g: setattr(g.initializer[0], "raw_data", b"123"), "is damaged: its type, shape and data"),
    ],
)
def test_graphs_that_cannot_be(change, words, tmp_path):
    nodes, constants = small(np.random.default_rng(0))
    write(tmp_path / "m.onnx", nodes, constants, "y")
    model = onnx.load(tmp_path / "m.onnx")
    change(model.graph)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=words) as caught:
        import_qonnx(tmp_path / "m.onnx", (1, 6, 6))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, {"dynamo": False}])
def test_means_as_both_of_brevitas_exporters_write_them(options, tmp_path):
    """The default one writes AdaptiveAvgPool2d as ReduceMean and Flatten as Reshape to (1, 8)."""
    import brevitas.nn as layers
    from brevitas.export import export_qonnx

    torch.manual_seed(0)
    net = nn.Sequential(
        layers.QuantConv2d(1, 8, 3, bias=False, weight_bit_width=4),
        layers.QuantReLU(bit_width=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        layers.QuantLinear(8, 10, bias=False, weight_bit_width=8),
    )
    images = torch.randint(0, 256, (32, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    net(images)
    net.eval()
    with torch.no_grad():
        want = net(images).double().numpy()
    export_qonnx(net, args=images[:1], export_path=str(tmp_path / "net.onnx"), **options)
    found = import_qonnx(tmp_path / "net.onnx")
    np.testing.assert_array_equal(
        run(found, images.numpy().astype(np.uint8)), np.round(want / float(found.meta["output_scale"]))
    )
