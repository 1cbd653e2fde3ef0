"""What the import of QONNX refuses: constants and graphs that cannot be, each named in one line."""

import numpy as np
import onnx
import pytest
from onnx import helper

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx
from tests.model.exchange.qonnx.written import small, write


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
