"""What the import of quantized ONNX refuses, by name."""

import numpy as np
import pytest

from fermatnet.bench.exchange.quantized_files import quantized
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.importer import imported
from tests.model.exchange.onnx_by_hand import File


def conv(f, attributes=None, **weights):
    weight = f.weight(np.arange(-9, 9).reshape(2, 1, 3, 3), weights.get("scale", 0.02))
    return f.op("Conv", f.real(f.last, 0.0517, 3), weight, **(attributes or {}))


REFUSED = {
    "an attribute of another operator": (lambda f: conv(f, {"alpha": 1.0}), "has no attribute 'alpha'"),
    "an unknown padding": (lambda f: conv(f, {"auto_pad": "AROUND"}), "auto_pad"),
    "another domain": (
        lambda f: f.op("Relu", f.real(f.last, 0.0517, 3), domain="com.microsoft"),
        "Relu of domain 'com.microsoft' is not read",
    ),
    "an unknown operator": (
        lambda f: f.op("Sin", f.real(f.last, 0.0517, 3)),
        r"Sin is not read: express it by operators that are \(Abs, Add, .*QLinearConv.*\)",
    ),
    "a GELU in parts": (
        lambda f: f.op("Erf", f.real(f.last, 0.0517, 3)),
        "Erf is not read: export GELU as one operator",
    ),
    "a transposed convolution of a size": (
        lambda f: f.op(
            "ConvTranspose",
            f.real(f.last, 0.0517, 3),
            f.weight(np.ones((1, 2, 2, 2)), 0.02),
            output_shape=[9, 9],
        ),
        "ConvTranspose with output_shape or auto_pad is not read: give pads and output_padding",
    ),
    "float weights": (
        lambda f: f.op("Conv", f.real(f.last, 0.0517, 3), f.constant(np.ones((2, 1, 3, 3)))),
        "must be quantized constants",
    ),
    "weights that are one number": (
        lambda f: f.op("Conv", f.real(f.last, 0.0517, 3), f.weight(3, 0.02)),
        r"weights of shape \(\)",
    ),
    "a constant image": (
        lambda f: f.op("Add", f.real(f.last, 0.0517, 3), f.constant(np.ones((1, 5, 5)))),
        "one a channel is",
    ),
    "a constant that enlarges": (
        lambda f: f.op("Add", f.real(f.last, 0.0517, 3), f.constant(np.ones((3, 1, 1)))),
        "one a channel is",
    ),
    "an average that rounds up over padding that counts": (
        lambda f: f.op(
            "AveragePool",
            f.real(f.last, 0.0517, 3),
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 0, 0],
            ceil_mode=1,
            count_include_pad=1,
        ),
        "rounds its size up and counts its padding",
    ),
    "values dropped at random": (
        lambda f: f.op(
            "Dropout", f.real(f.last, 0.0517, 3), f.constant(0.5), f.constant(True, np.bool_), seed=3
        ),
        "Dropout in training mode drops values at random: export the model in evaluation mode",
    ),
    "a scale that is not positive": (lambda f: f.real(f.last, -0.0517, 3), "must be positive"),
    "another type": (lambda f: f.real(f.last, 0.0517, 3, np.uint8), "uint8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_read_is_refused_by_name(tmp_path, case):
    make, words = REFUSED[case]
    f = File(1, 5, 5)
    f.save(tmp_path / "m.onnx", f.quantize(make(f), 0.0627, 4))
    with pytest.raises(InputError, match=words) as error:
        imported(tmp_path / "m.onnx")
    assert "\n" not in str(error.value)


def test_what_nothing_reads_is_refused(tmp_path):
    f = File(1, 5, 5)
    last = f.quantize(f.op("Relu", f.real(f.last, 0.0517, 3)), 0.0627, 4)
    f.op("Abs", f.real(f.last, 0.0517, 3))
    f.save(tmp_path / "m.onnx", last)
    with pytest.raises(InputError, match="reads or gives what no quantizer takes"):
        imported(tmp_path / "m.onnx")


def test_a_wrong_rounding_is_caught(tmp_path, monkeypatch):
    from fermatnet.model.exchange.onnx_quantized import products

    right = products.float32_scale
    monkeypatch.setattr(products, "float32_scale", lambda x, scale: right(x + 90, scale))
    with pytest.raises(InputError, match=r"differs from onnxruntime in \d+ of \d+ outputs"):
        imported(quantized(tmp_path / "m.onnx", "one_d"))
