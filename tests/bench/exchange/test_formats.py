"""Mutated files of the formats that compute in integers: refused by name or equal to their own executor."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("onnxruntime", reason="the judge of quantized ONNX files")
pytest.importorskip("tflite", reason="reads TensorFlow Lite files")
pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")

from fermatnet.bench.exchange import onnx_mutants, tflite_mutants
from fermatnet.bench.exchange.quantized_files import quantized
from fermatnet.bench.exchange.tflite_files import residual_parts
from fermatnet.model.exchange.onnx_quantized import products
from fermatnet.model.exchange.tflite import operands


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bench", [onnx_mutants, tflite_mutants], ids=["onnx", "tflite"])
def test_mutants(bench, tmp_path):
    found = [(what, *bench.verdict(model, tmp_path)) for what, model in bench.mutants(32, 40)]
    assert not [item for item in found if item[1] == "wrong"]
    counts = Counter(kind for _, kind, _ in found)
    assert counts["equal"] >= 6 and counts["refused"] >= 10


def test_a_dropped_check_of_sums_is_seen(tmp_path, monkeypatch):
    parts = residual_parts(0)
    parts[0][15].data = np.full(5, 2**31 - 1, np.int32)
    assert tflite_mutants.verdict(parts, tmp_path)[0] == "refused"
    monkeypatch.setattr(operands, "check_sums", lambda ranges, constant: None)
    assert tflite_mutants.verdict(parts, tmp_path)[0] == "wrong"


def test_a_dropped_check_of_units_is_seen(tmp_path, monkeypatch):
    model = onnx.load(quantized(tmp_path / "m.onnx", "mlp"))
    tensor = next(item for item in model.graph.initializer if item.name.endswith("_quantized_scale"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(0.3), tensor.name))
    kind, reason = onnx_mutants.verdict(model, tmp_path)
    assert kind == "refused" and "its bias is quantized in another unit than its sums" in reason
    monkeypatch.setattr(products, "_SAME", 10.0)  # onnxruntime's own behaviour: the scale is not looked at
    assert onnx_mutants.verdict(model, tmp_path)[0] == "equal"


def test_a_zero_point_of_a_bias_is_refused(tmp_path):
    """onnxruntime's integer kernels take the integers as they are, its float operators take it off."""
    model = onnx.load(quantized(tmp_path / "m.onnx", "mlp"))
    tensor = next(item for item in model.graph.initializer if item.name.endswith("c4_quantized_zero_point"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.int32(40), tensor.name))
    kind, reason = onnx_mutants.verdict(model, tmp_path)
    assert kind == "refused" and "its bias has a zero point" in reason


def test_the_commands(capsys):
    for bench, name in ((onnx_mutants, "quantized ONNX"), (tflite_mutants, "TensorFlow Lite")):
        assert bench.main(["--count", "3", "--seed", "5", "--show"]) == 0, name
        assert "3 mutants of seed 5:" in capsys.readouterr().out
