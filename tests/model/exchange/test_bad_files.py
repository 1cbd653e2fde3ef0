"""Files of the integer formats that are cut off, too new, incomplete or open in size: a line with advice."""

import logging

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime", reason="the quantizer that writes the files")
pytest.importorskip("tflite", reason="reads TensorFlow Lite files")

from fermatnet.bench.exchange.quantized_files import quantized
from fermatnet.bench.exchange.tflite_files import residual
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.importer import import_file


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """{"tflite": file, "onnx": file}, both small and read as they are."""
    folder = tmp_path_factory.mktemp("good")
    logging.disable(logging.WARNING)
    try:
        onnx_file = quantized(folder / "good.onnx", "mlp")
    finally:
        logging.disable(logging.NOTSET)
    return {"tflite": residual(folder / "good.tflite"), "onnx": onnx_file}


def refused(path):
    with pytest.raises(InputError) as caught:
        import_file(path)
    words = str(caught.value)
    assert "\n" not in words and path.name in words
    return words


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_cut_off_anywhere(good, kind, tmp_path):
    data = good[kind].read_bytes()
    path = tmp_path / f"cut.{kind}"
    for length in np.random.default_rng(0).integers(9, len(data) - 1, 25):
        path.write_bytes(data[:length])
        assert "again" in refused(path)


@pytest.mark.parametrize("version", [3, 99])
def test_other_versions(good, version, tmp_path):
    model = onnx.load(good["onnx"])
    model.opset_import[0].version = version
    onnx.save(model, tmp_path / "m.onnx")
    assert "export it with opset_version=13" in refused(tmp_path / "m.onnx")


def test_another_schema_of_tensorflow_lite(good, tmp_path):
    data = bytearray(good["tflite"].read_bytes())
    data[4:8] = b"TFL2"
    (tmp_path / "m.tflite").write_bytes(bytes(data))
    refused(tmp_path / "m.tflite")


def test_weights_in_a_file_that_is_missing(good, tmp_path):
    model = onnx.load(good["onnx"])
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="data", size_threshold=0)
    (tmp_path / "data").unlink()
    assert "put it beside the model, or save the model in one file" in refused(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "damage",
    [{"raw_data": b"\0"}, {"raw_data": b""}, {"data_type": 0}, {"data_type": 99}, {"dims": [1 << 40]}],
    ids=str,
)
def test_damaged_constants(good, damage, tmp_path):
    model = onnx.load(good["onnx"])
    for tensor in model.graph.initializer:
        for name, value in damage.items():
            if name == "dims":
                tensor.dims[:] = value
            else:
                setattr(tensor, name, value)
    onnx.save(model, tmp_path / "m.onnx")
    assert "is damaged: its type, shape and data do not belong together" in refused(tmp_path / "m.onnx")


def test_open_sizes(good, tmp_path):
    model = onnx.load(good["onnx"])
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "width"
    onnx.save(model, tmp_path / "m.onnx")
    assert "fix all sizes but the batch" in refused(tmp_path / "m.onnx")
