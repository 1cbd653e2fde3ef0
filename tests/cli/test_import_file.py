"""``fermatnet import``: a file comes out, bad input is one line and status 2."""

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from fermatnet.cli.import_file import command
from fermatnet.model.errors import InputError
from fermatnet.model.network import load, run


def model(path, op="Gemm"):
    """One 4-bit dense layer of a 2x2 image."""
    constants = {
        "w": np.arange(-6, 6, dtype=np.float32).reshape(3, 4) / 2,
        "scale": np.float32(0.5),
        "zero": np.float32(0),
        "bits": np.float32(4),
    }
    nodes = [
        helper.make_node(
            "Quant",
            ["w", "scale", "zero", "bits"],
            ["q"],
            "q",
            domain="qonnx.custom_op.general",
            signed=1,
            narrow=1,
        ),
        helper.make_node("Flatten", ["x"], ["f"], "f"),
        helper.make_node(op, ["f", "q"], ["y"], "y", **({"transB": 1} if op == "Gemm" else {})),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)],
        ),
        path,
    )


def test_a_network_file_comes_out(tmp_path):
    model(tmp_path / "a.onnx")
    got = CliRunner().invoke(
        command, [str(tmp_path / "a.onnx"), "--out", str(tmp_path / "net.onnx"), "--range", "0,15"]
    )
    assert got.exit_code == 0, got.output
    image = np.array([[[[1, 2], [3, 15]]]], np.uint8)
    np.testing.assert_array_equal(
        run(load(tmp_path / "net.onnx"), image), image.reshape(1, 4) @ np.arange(-6, 6).reshape(3, 4).T
    )


@pytest.mark.parametrize(
    "op, options, words",
    [
        ("Softmax", (), "Softmax is not supported"),
        ("Gemm", ("--input", "1xx2"), "--input takes 3 whole numbers"),
        ("Gemm", ("--range", "255"), "--range takes 2 whole numbers"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(tmp_path, op, options, words):
    model(tmp_path / "a.onnx", op)
    got = CliRunner().invoke(
        command, [str(tmp_path / "a.onnx"), "--out", str(tmp_path / "net.onnx"), *options]
    )
    assert isinstance(got.exception, InputError) and words in str(got.exception)
    assert not (tmp_path / "net.onnx").exists()


def test_the_comparison_is_said_and_pixels_may_be_scaled(tmp_path):
    model(tmp_path / "a.onnx")
    got = CliRunner().invoke(
        command, [str(tmp_path / "a.onnx"), "--out", str(tmp_path / "net.onnx"), "--input-scale", "1/255"]
    )
    assert got.exit_code == 0, got.output
    assert "compared 24 images with the source: all 72 outputs equal" in got.output
    assert float(load(tmp_path / "net.onnx").meta["input_scale"]) == 1 / 255


@pytest.mark.parametrize("text", ["x", "1/0", "nan", "inf", "1e999", "1/x"])
def test_scales_that_are_no_numbers(text, tmp_path):
    model(tmp_path / "a.onnx")
    got = CliRunner().invoke(
        command, [str(tmp_path / "a.onnx"), "--out", str(tmp_path / "net.onnx"), "--input-scale", text]
    )
    assert isinstance(
        got.exception, InputError
    ) and "--input-scale takes a number such as 1, 0.5 or 1/255" in str(got.exception)
