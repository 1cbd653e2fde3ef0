"""Foreign, damaged and unusual files: one line that says what the file looks like and what to do; aliases and
functions are read."""

import io
import pickle
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx
from fermatnet.model.network import run, save
from tests.model.exchange.qonnx.files import act, conv, mean, write

SHAPE = (1, 8, 8, 8)


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good.onnx", [*conv(), *act(), *mean()])


def refused(path, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        import_qonnx(path, **options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def changed(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\x1c\0\0\0TFL3rest", "a TensorFlow Lite model"),
        (b"\x89HDF\r\n\x1a\nxxxx", "an HDF5 file"),
        (zipped(), "a zip archive .a PyTorch checkpoint"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer.*git lfs pull"),
        (b'{"class_name": "Sequential"}\n', "looks like text"),
        ("größe\n".encode() * 2000, "looks like text"),
        (bytes(range(128, 256)) * 9, "not an ONNX file"),
        (b"\x1f\x8bxxx", "a gzip archive"),
    ],
)
def test_foreign_files(data, words, tmp_path):
    (tmp_path / "x.onnx").write_bytes(data)
    refused(tmp_path / "x.onnx", words)


def test_files_cut_off_anywhere(good, tmp_path):
    data = good.read_bytes()
    for place in np.random.default_rng(0).integers(1, len(data), 40):
        (tmp_path / "cut.onnx").write_bytes(data[:place])
        with pytest.raises(InputError) as caught:
            import_qonnx(tmp_path / "cut.onnx")
        assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    refused(tmp_path / "none.onnx", "cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ("DequantizeLinear", "QuantizeLinear/DequantizeLinear .QDQ."),
        ("QLinearConv", "quantized operators .QOperator."),
        ("Sigmoid", "a float ONNX model without a quantizer: quantize it first"),
    ],
)
def test_other_kinds_of_onnx(op, words, tmp_path):
    write(tmp_path / "m.onnx", [helper.make_node(op, ["x"], ["y"])])
    refused(tmp_path / "m.onnx", words)


def test_a_network_file_of_our_own(good, tmp_path):
    save(import_qonnx(good), tmp_path / "net.onnx")
    refused(tmp_path / "net.onnx", "a network file of fermatnet already")


def sparse(model):
    values = numpy_helper.from_array(np.ones(1, np.float32), "thin")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [4])
    )


def annotated(model):
    model.graph.quantization_annotation.add(tensor_name="c").quant_parameter_tensor_names.add(
        key="SCALE_TENSOR", value="sw"
    )


def looped(model):
    model.graph.node[-1].attribute.append(helper.make_attribute("body", helper.make_graph([], "b", [], [])))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (sparse, "'thin' is a sparse constant: write it densely"),
        (annotated, "tensor 'c' is quantized by an annotation"),
        (looped, "'fc' .Gemm. holds a graph of its own"),
        (lambda m: m.opset_import.pop(0), "does not say which version of the ONNX operators"),
        (
            lambda m: setattr(m.opset_import[0], "version", 999),
            "version 999 of the ONNX operators: export it with opset_version=13",
        ),
        (lambda m: setattr(m.opset_import[0], "version", 3), "version 3 of the ONNX operators"),
        (
            lambda m: setattr(m.opset_import[1], "version", 7),
            "version 7 of the QONNX operators: 1 and 2 are read",
        ),
        (
            lambda m: m.opset_import.extend([helper.make_opsetid("ai.onnx", 11)]),
            "two versions of the operators",
        ),
        (
            lambda m: m.graph.input.extend([helper.make_tensor_value_info("z", 1, SHAPE)]),
            "one input and one output, not 2 and 1",
        ),
        (
            lambda m: m.graph.output.extend([helper.make_tensor_value_info("a", 1, None)]),
            "one input and one output, not 1 and 2",
        ),
        (
            lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.UINT8),
            "its input 'x' is UINT8: QONNX takes floats",
        ),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim.pop(), r"its input has shape \[1, 8, 8\]"),
        (lambda m: m.training_info.add(), "holds training graphs"),
        (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "is there twice"),
    ],
)
def test_parts_that_change_the_meaning(change, words, good):
    refused(changed(good, change), words)


def test_open_sizes_need_the_users_word(good):
    def opened(model):
        for place, name in ((0, "batch"), (2, "h"), (3, "w")):
            model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name

    changed(good, opened)
    refused(good, "give .C, H, W.")
    refused(good, r"its input has shape \[0, 8, 0, 0\], which is not 3x8x8", shape=(3, 8, 8))
    assert import_qonnx(good, shape=(8, 8, 8)).input_shape == (8, 8, 8)


def test_weights_in_another_file(good, tmp_path):
    onnx.save(
        onnx.load(good), tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0
    )
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(
        run(import_qonnx(tmp_path / "m.onnx"), images), run(import_qonnx(good), images)
    )
    (tmp_path / "m.bin").unlink()
    refused(
        tmp_path / "m.onnx", "keeps its weights in another file that cannot be read .*put it beside the model"
    )


@pytest.mark.parametrize("domain", ["onnx.brevitas", "finn.custom_op.general"])
def test_the_other_names_of_qonnx(domain, good, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 8)).astype(np.uint8)
    want = run(import_qonnx(good), images)

    def renamed(model):
        del model.opset_import[1]  # old files do not declare it
        for node in model.graph.node:
            node.domain = domain if node.domain else "ai.onnx" if node.op_type == "Relu" else ""

    np.testing.assert_array_equal(run(import_qonnx(changed(good, renamed)), images), want)


def test_local_functions_are_written_out(good):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 8)).astype(np.uint8)
    want = run(import_qonnx(good), images)

    def wrapped(model):
        body = helper.make_node("Relu", ["v"], ["u"])
        model.functions.append(
            helper.make_function("mine", "Rectify", ["v"], ["u"], [body], [helper.make_opsetid("", 17)])
        )
        model.opset_import.append(helper.make_opsetid("mine", 1))
        relu = next(node for node in model.graph.node if node.op_type == "Relu")
        relu.op_type, relu.domain = "Rectify", "mine"

    np.testing.assert_array_equal(run(import_qonnx(changed(good, wrapped)), images), want)


def test_the_comparison_catches_a_network_that_differs(good, monkeypatch):
    """A wrong rectifier in the import alone, as a fault in it would be."""
    from fermatnet.model.exchange.qonnx import walk

    monkeypatch.setitem(walk._METHODS, "Relu", lambda g, node, given: g.input(node))
    import_qonnx(good)  # the unsigned quantizer clips at 0 as well: no difference
    monkeypatch.setitem(
        walk._METHODS,
        "GlobalAveragePool",
        lambda g, node, given: walk.pools.maxpool(g, node, {"kernel_shape": [8, 8], "auto_pad": b"NOTSET"}),
    )
    refused(
        good,
        r"the network differs from the file's own executor in \d+ of 240 outputs, first in output \d+ of "
        r"image \d+",
    )


def test_images_hold_the_extremes():
    from fermatnet.model.exchange.compare import images

    made = images((2, 3, 3), 0, 255, 10)
    assert made.dtype == np.uint8 and made.shape == (10, 2, 3, 3)
    assert (
        (made[0] == 0).all()
        and (made[1] == 255).all()
        and len(np.unique(made[2])) == 2
        and (made[2] + made[3] == 255).all()
    )
