"""Network files that version 0.1.0 wrote, with what its reference made of six images.

The folder ``version_0_1_0`` holds three networks of random weights with every kind of layer that there was
(version 0.1.0 wrote the same bytes from its first files to its last), and an ``.npz`` each: ``x`` the images,
``y`` the integers. They are never written anew.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import load, run, save
from fermatnet.runtime.packed.engine import Engine

FOLDER = Path(__file__).parent / "version_0_1_0"
NAMES = ("integer", "piecewise", "fermat")
OPERATORS = {
    *("ConvInt8", "ConvInt16", "PiecewiseConv", "Threshold", "Affine", "Levels", "MaxPool", "MaxPoolIndex"),
    *("SumPool", "Add", "ArgMax", "Dense"),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_integers(name):
    path, old = FOLDER / f"{name}.onnx", np.load(FOLDER / f"{name}.npz", allow_pickle=False)
    net = load(path)
    np.testing.assert_array_equal(run(net, old["x"]), old["y"])
    np.testing.assert_array_equal(Engine(net, form="numpy")(old["x"]), old["y"])
    session = onnxruntime.InferenceSession(path)
    theirs = session.run(None, {session.get_inputs()[0].name: old["x"]})[0]
    np.testing.assert_array_equal(theirs.reshape(old["y"].shape), old["y"])
    assert len(np.unique(old["y"])) > 2


def test_every_kind_of_layer_is_there():
    kinds = {node.op_type for name in NAMES for node in onnx.load(FOLDER / f"{name}.onnx").graph.node}
    assert kinds >= OPERATORS, OPERATORS - kinds
    assert {kind for kind in kinds if kind.startswith("Concat")} >= {"Concat2", "Concat3"}


def test_what_the_metadata_said():
    net = load(FOLDER / "fermat.onnx")
    assert net.input_range == (3, 250) and net.meta["output_scale"] == "0.25" and net.meta["classes"] == "a,b"
    conv = next(node for node in net.nodes if node.name == "conv2")
    assert (conv.engine, conv.moduli, conv.length) == ("fermat", (32,), 32)


@pytest.mark.parametrize("name", NAMES)
def test_written_again_it_is_the_same_network(name, tmp_path):
    old = np.load(FOLDER / f"{name}.npz", allow_pickle=False)
    save(load(FOLDER / f"{name}.onnx"), tmp_path / "again.onnx")
    np.testing.assert_array_equal(run(load(tmp_path / "again.onnx"), old["x"]), old["y"])


def test_a_damaged_one_is_refused(tmp_path):
    data = bytearray((FOLDER / "integer.onnx").read_bytes())
    place = data.index(onnx.load(FOLDER / "integer.onnx").graph.initializer[0].raw_data)
    data[place] ^= 1
    (tmp_path / "net.onnx").write_bytes(bytes(data))
    with pytest.raises(InputError, match="SHA-256 of its weights does not match"):
        load(tmp_path / "net.onnx")
