"""One door for all formats: recognised by content, compared with the source's own executor, refused in one
line."""

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.exchange import importer
from fermatnet.model.exchange.importer import Options, import_file, imported
from fermatnet.model.exchange.recognise import Kind, kind_of
from fermatnet.model.network import load, run, save

tflite = pytest.importorskip("tflite", reason="reads TensorFlow Lite files")


@pytest.fixture
def file(tmp_path):
    from fermatnet.bench.exchange.tflite_files import residual

    return residual(tmp_path / "any.name")


def test_a_tflite_file_is_recognised_compared_and_said(file, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")
    assert kind_of(file) is Kind.TFLITE
    made = imported(file, Options(compare=30))
    assert made.notes[-1] == "compared 30 samples with LiteRT's reference kernels: all 150 outputs equal"
    assert "SOFTMAX at the end" in made.notes[0]
    assert made.network.input_dtype == "int8" and made.network.input_dims == (3, 8, 8)
    save(made.network, tmp_path / "net.onnx")
    images = np.random.default_rng(1).integers(-128, 128, (3, 3, 8, 8)).astype(np.int8)
    np.testing.assert_array_equal(run(load(tmp_path / "net.onnx"), images), run(made.network, images))


@pytest.mark.parametrize("activation", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_fused_activations_and_random_scales_equal_litert(tmp_path, activation, seed):
    pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")
    from fermatnet.bench.exchange.tflite_files import residual

    made = imported(residual(tmp_path / "m", seed, activation), Options(compare=40))
    assert "all 200 outputs equal" in made.notes[-1]


def test_sums_round_twice(tmp_path):
    """Scales of a published network with which one rounding gives other integers for some pairs."""
    pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")
    from fermatnet.bench.exchange.tflite_files import Op, Tensor, write
    from fermatnet.model.exchange.requantize.sources import double_rounding, fixed_point, single_rounding
    from fermatnet.model.exchange.tflite import run_source

    a, b = np.meshgrid(*[np.arange(-128, 128)] * 2, indexing="ij")
    scales = [float(np.float32(s)) for s in (0.039393551647663116, 0.10419496148824692, 0.050945673137903214)]
    shape = (1, 256, 256, 1)
    tensors = [
        Tensor("a", shape, scales[0], -128),
        Tensor("b", shape, scales[1], 4, data=b.reshape(shape).astype(np.int8)),
        Tensor("y", shape, scales[2], -128),
    ]
    path = write(tmp_path / "m", tensors, [Op("ADD", [0, 1], [2], {}, "AddOptions")], [0], [2])
    got = run_source(path, a.reshape(shape).astype(np.int8), "y").reshape(256, 256)
    wrong = {}
    for rounding in (single_rounding, double_rounding):
        twice = 2 * max(scales[:2])
        values = ((a + 128) << 20, (b - 4) << 20)
        terms = [rounding(v, *fixed_point(s / twice)) for v, s in zip(values, scales[:2], strict=True)]
        total = rounding(terms[0] + terms[1], *fixed_point(twice / ((1 << 20) * scales[2])))
        wrong[rounding.__name__] = int((np.clip(total - 128, -128, 127) != got).sum())
    assert wrong == {"single_rounding": 2, "double_rounding": 0}


def test_a_wrong_import_is_caught(file, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="the judge of TensorFlow Lite files")
    from fermatnet.model.exchange.tflite import layers

    right = layers.fixed_point
    monkeypatch.setattr(layers, "fixed_point", lambda scale: right(1.01 * scale))
    with pytest.raises(InputError, match=r"differs from LiteRT's reference kernels in \d+ of \d+ outputs"):
        import_file(file)


def test_no_comparison_only_where_asked(file):
    assert imported(file, Options(compare=0)).notes[-1] == "not compared with the source, as asked"


@pytest.mark.parametrize("option", [{"shape": (3, 8, 8)}, {"value_range": (0, 255)}, {"input_scale": 1.0}])
def test_options_of_another_format_are_refused(file, option):
    with pytest.raises(InputError, match=r"says its input itself: leave out an? "):
        import_file(file, Options(**option))


@pytest.mark.parametrize("changes", [{"FusedActivationFunction": 4}, {"Padding": 7}, {"StrideW": 0}])
def test_unknown_options_are_refused_by_the_layers_name(tmp_path, changes):
    from fermatnet.bench.exchange.tflite_files import residual

    with pytest.raises(InputError, match="layer 'a'"):
        import_file(residual(tmp_path / "m", **changes), Options(compare=0))


@pytest.mark.parametrize("length", [0, 8, 40, 700, -200])
def test_cut_off_files_are_one_line(file, length):
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError) as error:
        import_file(file)
    assert "\n" not in str(error.value) and str(file) in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        importer.import_file(tmp_path / "none")
