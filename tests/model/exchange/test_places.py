"""Nodes of quantized ONNX files that put values into another order: equal to onnxruntime, between quantizers
and on the integers themselves; in RTL with stalls; what is no such order is refused."""

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the judge of quantized ONNX files")

from fermatnet.bench.exchange.quantized_files import quantized
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.importer import Options, imported
from fermatnet.model.network import run
from fermatnet.sim.network import simulate
from tests.model.exchange.onnx_by_hand import File, equal

DIMS = (4, 6, 5)


def whole(f, *values):
    return f.constant(values, np.int64)


def scales(f, *values):
    return f.constant(values)


NODES = {
    "slice": lambda f, x: f.op("Slice", x, whole(f, 1, 0), whole(f, 4, 5), whole(f, 1, 3), whole(f, 1, 2)),
    "slice from the end": lambda f, x: f.op("Slice", x, whole(f, -3), whole(f, -1), whole(f, 2)),
    "flipped": lambda f, x: f.op("Slice", x, whole(f, -1), whole(f, -9), whole(f, 1), whole(f, -1)),
    "nearest": lambda f, x: f.op("Resize", x, "", scales(f, 1, 1, 2, 3), mode="nearest"),
    "nearest, floor": lambda f, x: f.op(
        "Resize",
        x,
        "",
        scales(f, 1, 1, 2, 2),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "a size": lambda f, x: f.op("Resize", x, "", "", whole(f, 1, 4, 12, 10), mode="nearest"),
    "zeros": lambda f, x: f.op("Pad", x, whole(f, 0, 0, 1, 2, 0, 0, 0, 1)),
    "mirrored": lambda f, x: f.op("Pad", x, whole(f, 0, 0, 1, 2, 0, 0, 0, 1), mode="reflect"),
    "edges": lambda f, x: f.op("Pad", x, whole(f, 0, 0, 1, 1, 0, 0, 1, 1), mode="edge"),
    "channels of zeros": lambda f, x: f.op("Pad", x, whole(f, 0, 1, 0, 0, 0, 2, 0, 0)),
    "pixels of channels": lambda f, x: f.op("DepthToSpace", x, blocksize=2),
    "torch's pixels": lambda f, x: f.op("DepthToSpace", x, blocksize=2, mode="CRD"),
    "channels of pixels": lambda f, x: f.op(
        "SpaceToDepth", f.op("Slice", x, whole(f, 1), whole(f, 5), whole(f, 3)), blocksize=2
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_between_quantizers(name, tmp_path):
    f = File(*DIMS)
    x = f.op("Relu", f.real(f.last, 0.0517, 3))
    q = f.quantize(NODES[name](f, x), 0.041, -9)
    equal(f.save(tmp_path / "m.onnx", f.real(q, 0.041, -9)))


@pytest.mark.parametrize("name", NODES)
def test_on_integers(name, tmp_path):
    f = File(*DIMS)
    equal(f.save(tmp_path / "m.onnx", f.real(NODES[name](f, f.last), 0.0517, 3)))


@pytest.mark.parametrize("on_integers", [False, True])
def test_split(on_integers, tmp_path):
    f = File(*DIMS)
    x = f.last if on_integers else f.real(f.last, 0.0517, 3)
    names = ("upper", "lower")
    f.op("Split", x, whole(f, 1, 3), axis=1)
    f.nodes[-1].output[:] = names
    parts = []
    for name, scale in zip(names, (0.0517, 0.03), strict=True):
        q = name if on_integers else f.quantize(f.op("Relu", name), scale, 5)
        parts.append(f.real(q, *((0.0517, 3) if on_integers else (scale, 5))))
    q = f.quantize(f.op("Concat", parts[1], parts[0], parts[1], axis=1), 0.05, -20)
    equal(f.save(tmp_path / "m.onnx", f.real(q, 0.05, -20)))


@pytest.mark.parametrize("signed", [False, True])
def test_a_file_of_onnxruntimes_quantizer(signed, tmp_path):
    made = imported(
        quantized(tmp_path / "m.onnx", "moved", per_channel=signed, signed=signed), Options(compare=60)
    )
    assert made.notes[-1].endswith("outputs equal"), made.notes


TRANSPOSED = {
    "plain": ((4, 3, 2, 2), {"strides": [2, 2]}),
    "padded": ((4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    "groups": ((4, 2, 3, 2), {"strides": [1, 3], "pads": [1, 0, 0, 1], "group": 2}),
    "a row": ((4, 3, 4), {"strides": [2], "pads": [1, 2]}),
    "dilated": ((4, 1, 2, 2), {"dilations": [2, 1], "pads": [0, 1, 1, 1]}),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution(name, tmp_path):
    shape, attributes = TRANSPOSED[name]
    rng, f = np.random.default_rng(1), File(*DIMS[: len(shape) - 1])
    outputs = shape[1] * attributes.get("group", 1)
    scale = f.constant(rng.uniform(0.01, 0.03, outputs if outputs == shape[1] else ()))
    whole_weight = f.constant(rng.integers(-127, 128, shape), np.int8)
    zero = f.constant(np.zeros(outputs if outputs == shape[1] else (), np.int8), np.int8)
    weight = f.op("DequantizeLinear", whole_weight, scale, zero, axis=1)
    y = f.op("ConvTranspose", f.real(f.last, 0.0517, 3), weight, **attributes)
    q = f.quantize(f.op("Relu", y), 0.3, -128)
    made = imported(f.save(tmp_path / "m.onnx", f.real(q, 0.3, -128)), Options(compare=40))
    assert made.notes[-1].startswith("compared 40 samples with onnxruntime"), made.notes


def test_in_hardware(tmp_path):
    f = File(2, 4, 3)
    x = NODES["edges"](f, f.real(f.last, 0.0517, 3))
    q = f.quantize(
        f.op(
            "Slice",
            f.op("Resize", x, "", scales(f, 1, 1, 2, 1), mode="nearest"),
            whole(f, 1),
            whole(f, 9),
            whole(f, 2),
        ),
        0.041,
        -9,
    )
    made = equal(f.save(tmp_path / "m.onnx", f.real(q, 0.041, -9)))
    generate(made.network, tmp_path / "rtl", cycles=400)
    images = np.random.default_rng(0).integers(-128, 128, (3, 2, 4, 3)).astype(np.int8)
    for stalls in (None, 1):
        found = simulate(tmp_path / "rtl", images, stalls=stalls)
        np.testing.assert_array_equal(found.outputs, run(made.network, images))


REFUSED = {
    "the batch": (
        lambda f, x: f.op("Slice", x, whole(f, 0), whole(f, 1), whole(f, 0)),
        "Slice of the batch is not read",
    ),
    "between pixels": (
        lambda f, x: f.op("Resize", x, "", scales(f, 1, 1, 2, 2), mode="linear"),
        "mode = b'linear'.*nearest upsampling",
    ),
    "ones around": (
        lambda f, x: f.op("Pad", x, whole(f, 0, 0, 1, 1, 0, 0, 1, 1), f.constant(1.0)),
        "it pads with 1: pad with zero",
    ),
    "zeros before an exponential": (
        lambda f, x: f.op("Exp", f.op("Pad", x, whole(f, 0, 0, 1, 1, 0, 0, 1, 1))),
        "Exp beside it is not read: quantize between them",
    ),
    "odd blocks": (lambda f, x: f.op("SpaceToDepth", x, blocksize=4), "blocks of 4 do not divide"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name, tmp_path):
    make, words = REFUSED[name]
    f = File(*DIMS)
    q = f.quantize(make(f, f.real(f.last, 0.0517, 3)), 0.041, -9)
    path = f.save(tmp_path / "m.onnx", f.real(q, 0.041, -9))
    with pytest.raises(InputError, match=words) as caught:
        imported(path, Options(compare=0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch", ["N", 4])
def test_a_pad_that_moves_samples(batch, tmp_path):
    """Zeros before the first sample and the last one cut off: as many samples, but others."""
    f = File(*DIMS)
    moved = f.op("Pad", f.real(f.last, 0.0517, 3), whole(f, 1, 0, 0, 0, -1, 0, 0, 0))
    path = f.save(tmp_path / "m.onnx", f.real(f.quantize(moved, 0.041, -9), 0.041, -9), batch)
    with pytest.raises(InputError, match="it changes the samples"):
        imported(path, Options(compare=0))
