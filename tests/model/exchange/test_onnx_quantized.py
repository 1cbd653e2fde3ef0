"""ONNX of quantized operators: what onnxruntime's quantizer writes, and graphs by hand."""

import itertools
import logging

import numpy as np
import pytest
from onnx import helper

pytest.importorskip("onnxruntime", reason="the judge, and the quantizer that writes the files")

from fermatnet.bench.exchange.quantized_files import SHAPES, float_file, quantized
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.importer import Options, imported
from fermatnet.model.exchange.recognise import Kind, kind_of
from fermatnet.model.network import load, run, save
from tests.model.exchange.onnx_by_hand import File, equal

CELLS = list(itertools.product(SHAPES, ("QDQ", "QOperator"), (False, True), (True, False), (False, True)))
SAMPLES = 12


@pytest.fixture(autouse=True)
def quiet():
    """The quantizer gives advice in the log."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("net", "form", "per_channel", "signed", "symmetric"), CELLS)
def test_the_matrix_of_the_quantizer(tmp_path, net, form, per_channel, signed, symmetric):
    file = quantized(tmp_path / "m.onnx", net, form, per_channel, signed, symmetric)
    assert kind_of(file) is Kind.QUANTIZED
    made = imported(file, Options(compare=SAMPLES))
    outputs = SAMPLES * made.network.classes
    assert made.notes[-1] == f"compared {SAMPLES} samples with onnxruntime: all {outputs} outputs equal"
    assert made.network.input_dtype == ("int8" if signed else "uint8")
    assert made.network.input_dims == SHAPES[net]


@pytest.mark.parametrize("net", ["residual", "mlp"])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_weights_with_zero_points(tmp_path, net, form):
    file = quantized(tmp_path / "m.onnx", net, form, signed=False, signed_weights=False)
    assert imported(file, Options(compare=SAMPLES)).notes[-1].endswith("outputs equal")


def test_the_network_file_gives_the_same(tmp_path):
    made = imported(quantized(tmp_path / "m.onnx", "one_d"), Options(compare=2)).network
    save(made, tmp_path / "net.onnx")
    rows = np.random.default_rng(0).integers(-128, 128, (3, 3, 40)).astype(np.int8)
    np.testing.assert_array_equal(run(load(tmp_path / "net.onnx"), rows), run(made, rows))


def test_a_float_network_is_refused_with_the_way_to_quantize_it(tmp_path):
    with pytest.raises(InputError, match="a float ONNX model without a quantizer: quantize it first"):
        imported(float_file(tmp_path / "m.onnx", "mlp"))


@pytest.mark.parametrize("net", ["mobilenet", "one_d"])
def test_a_float_network_is_quantized_on_request(tmp_path, net):
    file = float_file(tmp_path / "m.onnx", net)
    samples = np.random.default_rng(3).normal(0, 1, (16, *SHAPES[net])).astype(np.float32)
    made = imported(file, Options(compare=8, calibrate=samples))
    assert made.format == "a float ONNX model" and made.notes[-1].endswith("outputs equal")
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    meta = {
        key: float(made.network.meta[key])
        for key in ("input_scale", "input_zero", "output_scale", "output_zero")
    }
    integers = np.clip(np.rint(samples / meta["input_scale"]) + meta["input_zero"], -128, 127).astype(np.int8)
    got = (run(made.network, integers) - meta["output_zero"]) * meta["output_scale"]
    want = session.run(None, {"x": samples})[0]
    assert np.abs(got - want).max() < 0.15 * np.abs(want).max()


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((4, 23), np.float32), r"takes samples of shape \(n, 24\), not \(4, 23\)"),
        (np.full((4, 24), np.nan, np.float32), "not finite"),
        (np.zeros(24, np.float32), r"must be numbers of shape \(n, ...\)"),
        (np.zeros((0, 24), np.float32), r"must be numbers of shape"),
    ],
)
def test_samples_to_calibrate_with_must_fit(tmp_path, samples, words):
    with pytest.raises(InputError, match=words):
        imported(float_file(tmp_path / "m.onnx", "mlp"), Options(calibrate=samples))


def test_only_a_float_network_is_calibrated(tmp_path):
    with pytest.raises(InputError, match="is not a float ONNX model: leave out the samples"):
        imported(quantized(tmp_path / "m.onnx", "mlp"), Options(calibrate=np.zeros((4, 24))))


CURVES = {
    "Relu": {},
    "Sigmoid": {},
    "Tanh": {},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.1},
    "Elu": {"alpha": 0.7},
    "Softplus": {},
    "HardSigmoid": {},
}


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("pool", [False, True])
def test_curves_are_tables(tmp_path, kind, pool):
    f = File(2, 4, 4)
    y = f.op(kind, f.real(f.last, 0.0517, 3), **CURVES[kind])
    if pool:
        if kind in ("HardSwish", "LeakyRelu"):  # may fall: the maximum is taken after the table
            y = f.op("Relu", f.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]))
        else:
            y = f.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    f.save(tmp_path / "m.onnx", f.real(f.quantize(y, 0.0203, -7), 0.0203, -7))
    equal(tmp_path / "m.onnx")


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("rectified", [False, True])
def test_two_tensors_meet(tmp_path, kind, rectified):
    f = File(2, 3, 3)
    x = f.real(f.last, 0.0517, 3)
    other = f.quantize(f.op("Sigmoid", x), 0.00391, -128)
    y = f.op(kind, x, f.real(other, 0.00391, -128))
    y = f.op("Relu", y) if rectified else y
    f.save(tmp_path / "m.onnx", f.real(f.quantize(y, 0.0613, 11), 0.0613, 11))
    equal(tmp_path / "m.onnx")


def test_a_tensor_meets_itself(tmp_path):
    f = File(2, 3, 3)
    x = f.real(f.last, 0.0517, 3)
    f.save(tmp_path / "m.onnx", f.quantize(f.op("Add", x, f.op("Relu", x)), 0.07, 1))
    equal(tmp_path / "m.onnx")


def test_a_gate_of_one_value_a_channel(tmp_path):
    """Squeeze and excitation: mean, dense as 1x1 convolution, sigmoid, product."""
    rng = np.random.default_rng(5)
    f = File(4, 5, 5)
    x = f.real(f.last, 0.0517, 3)
    mean = f.real(f.quantize(f.op("GlobalAveragePool", x), 0.0203, 1), 0.0203, 1)
    weight = f.weight(rng.integers(-127, 128, (4, 4, 1, 1)), 0.02)
    gate = f.real(f.quantize(f.op("Conv", mean, weight), 0.0627, 2), 0.0627, 2)
    gate = f.real(f.quantize(f.op("Sigmoid", gate), 1 / 256, -128), 1 / 256, -128)
    f.save(tmp_path / "m.onnx", f.quantize(f.op("Mul", x, gate), 0.0417, -1))
    equal(tmp_path / "m.onnx")


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenation_of_two_scales(tmp_path, axis):
    f = File(2, 3, 3)
    x = f.real(f.last, 0.0517, 3)
    other = f.real(f.quantize(f.op("Tanh", x), 0.00823, 0), 0.00823, 0)
    f.save(tmp_path / "m.onnx", f.quantize(f.op("Concat", x, other, axis=axis), 0.0457, 5))
    equal(tmp_path / "m.onnx")


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1)])
@pytest.mark.parametrize("kind", ["Add", "Mul", "Sub", "Div", "PRelu"])
def test_constants_for_all_and_a_channel(tmp_path, kind, shape):
    f = File(3, 2, 2)
    values = np.resize([0.7, -0.4, 1.9], shape) if shape else 0.7
    y = f.op(kind, f.real(f.last, 0.0517, 3), f.constant(values))
    f.save(tmp_path / "m.onnx", f.quantize(y, 0.0627, 4))
    equal(tmp_path / "m.onnx")


@pytest.mark.parametrize("norm", [False, True])
def test_norms_and_float_biases_before_the_quantizer(tmp_path, norm):
    rng = np.random.default_rng(2)
    f = File(3, 6, 6)
    weight = f.weight(
        rng.integers(-127, 128, (4, 3, 3, 3)), rng.uniform(0.01, 0.03, 4).astype(np.float32), [0] * 4
    )
    f.nodes[-1].attribute.append(helper.make_attribute("axis", 0))
    y = f.op("Conv", f.real(f.last, 0.0517, 3), weight, f.constant(rng.normal(0, 1, 4)), pads=[1, 1, 1, 1])
    if norm:
        parts = [rng.normal(0, 1, 4), rng.normal(0, 1, 4), rng.normal(0, 1, 4), rng.uniform(0.5, 2, 4)]
        y = f.op("BatchNormalization", y, *map(f.constant, parts))
    y = f.op("MaxPool", f.op("Relu", y), kernel_shape=[2, 2], strides=[2, 2])
    f.save(tmp_path / "m.onnx", f.quantize(y, 0.2, -20))
    equal(tmp_path / "m.onnx")


def test_narrowed_quantizers_and_an_open_end(tmp_path):
    """As Brevitas writes QCDQ: Quantize, Clip, Dequantize; the last layer's sums leave as floats."""
    rng = np.random.default_rng(3)
    f = File(6, zero=0)
    narrow = f.op("Clip", f.last, f.constant(-7, np.int8), f.constant(7, np.int8))
    wide = f.quantize(f.constant(rng.normal(0, 1, (5, 6))), 0.25, 0)
    weight = f.real(f.op("Clip", wide, f.constant(-3, np.int8), f.constant(3, np.int8)), 0.25)
    bias = f.constant(rng.normal(0, 1, 5))
    y = f.op("Gemm", f.real(narrow, 0.0517), f.op("Transpose", weight, perm=[1, 0]), bias)
    f.save(tmp_path / "m.onnx", y)
    made = equal(tmp_path / "m.onnx")
    assert "the last layer is not quantized: what comes out are its sums, 0.0129" in made.notes[0]


@pytest.mark.parametrize("kind", ["AveragePool", "ReduceMean", "Relu"])
def test_means_in_floats_may_miss_a_step_and_are_counted(tmp_path, kind):
    f = File(2, 4, 4, zero=0)
    x = f.real(f.last, 0.0517, 0)
    if kind == "AveragePool":
        y = f.op(kind, x, kernel_shape=[2, 2], strides=[2, 2])
    elif kind == "ReduceMean":
        y = f.op(kind, x, axes=[2, 3], keepdims=0)
    else:
        y = f.op("GlobalAveragePool", f.op("Relu", x))
    f.save(tmp_path / "m.onnx", f.quantize(y, 0.0517, 0))
    equal(tmp_path / "m.onnx", 60)
