"""``fermatnet run``: any input type, several inputs and outputs by name, every tensor on request."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fermatnet.cli.run import command
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, save
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.nodes import Add, Affine, Dense


@pytest.fixture
def two(tmp_path):
    """Two inputs, a signed row and a vector; two outputs."""
    ones, none = np.ones(2, np.int64), np.zeros(2, np.int64)
    nodes = [
        Dense("a", ("image",), np.arange(-4, 4, dtype=np.int64).reshape(2, 4)),
        Affine("b/scaled", ("second",), 3 * ones, none, 0, -1000, 1000),
        Add("sum", ("a", "b/scaled")),
    ]
    more = (Input("second", (2,), 0, 255),)
    net = Network(nodes, (2, 2), (-128, 127), more_inputs=more, outputs=("sum", "b/scaled"))
    save(net, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def samples(path):
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(-128, 128, (5, 2, 2)).astype(np.int8),
        "second": rng.integers(0, 256, (5, 2)).astype(np.uint8),
    }
    np.savez(path, **arrays)
    return arrays


def call(*words):
    return CliRunner().invoke(command, [str(word) for word in words])


def test_several_inputs_and_outputs_travel_by_name(two, tmp_path):
    arrays = samples(tmp_path / "x.npz")
    got = call(
        two, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz", "--layers", tmp_path / "all"
    )
    assert got.exit_code == 0, (got.output, got.exception)
    with np.load(tmp_path / "y.npz") as outputs:
        np.testing.assert_array_equal(outputs["b/scaled"], 3 * arrays["second"].astype(np.int64))
        dense = arrays["image"].reshape(5, 4).astype(np.int64) @ np.arange(-4, 4).reshape(2, 4).T
        np.testing.assert_array_equal(outputs["sum"], dense + outputs["b/scaled"])
    entries = json.loads((tmp_path / "all" / "tensors.json").read_text())
    assert [entry["name"] for entry in entries] == ["image", "second", "a", "b/scaled", "sum"]
    assert [entry["layer"] for entry in entries] == ["input", "input", "Dense", "Affine", "Add"]
    row = np.load(tmp_path / "all" / entries[0]["file"])
    np.testing.assert_array_equal(row.reshape(5, 2, 2), arrays["image"])
    np.testing.assert_array_equal(np.load(tmp_path / "all" / "a.npy").reshape(5, 2), dense)


def test_several_outputs_need_a_file_that_holds_them(two, tmp_path):
    samples(tmp_path / "x.npz")
    got = call(two, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npy")
    assert isinstance(got.exception, InputError)
    assert "the network has 2 outputs, name a .npz file" in str(got.exception)
    assert not (tmp_path / "y.npy").exists()


def test_a_missing_input_is_named(two, tmp_path):
    arrays = samples(tmp_path / "x.npz")
    np.savez(tmp_path / "z.npz", image=arrays["image"])
    got = call(
        two, "--input", tmp_path / "z.npz", "--output", tmp_path / "y.npz", "--layers", tmp_path / "all"
    )
    assert "the network takes image, second" in str(got.exception)
    assert not (tmp_path / "y.npz").exists() and not (tmp_path / "all").exists()


@pytest.mark.parametrize("damage", ["cut", "objects", "empty"])
def test_bad_archives_are_one_line(two, tmp_path, damage):
    if damage == "objects":
        np.savez(tmp_path / "x.npz", image=np.array([{}], object))
    elif damage == "empty":
        np.savez(tmp_path / "x.npz")
    else:
        samples(tmp_path / "x.npz")
        data = bytearray((tmp_path / "x.npz").read_bytes())
        data[60:90] = bytes(30)
        (tmp_path / "x.npz").write_bytes(data)
    got = call(two, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz")
    assert isinstance(got.exception, InputError) and "x.npz: " in str(got.exception)


def test_the_folder_of_layers_is_not_replaced_unasked(two, tmp_path):
    samples(tmp_path / "x.npz")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "mine").write_text("kept")
    words = (two, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz", "--layers", tmp_path / "all")
    assert "not empty" in str(call(*words).exception)
    assert (tmp_path / "all" / "mine").exists()
    assert call(*words, "--force").exit_code == 0 and not (tmp_path / "all" / "mine").exists()
