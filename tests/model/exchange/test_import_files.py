"""Everyday forms of QONNX: the value that torch has in float64, or a refusal that names the thing and the
remedy."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx, imported
from fermatnet.model.network import run
from tests.model.exchange.qonnx_files import (
    KERNEL,
    QONNX,
    WIDE,
    act,
    conv,
    double,
    features,
    grid,
    last,
    logits,
    mean,
    node,
    quant,
    weights,
    wide,
    write,
)

IMAGES = np.random.default_rng(3).integers(0, 256, (12, 8, 8, 8)).astype(np.uint8)


def reals(path, images=IMAGES, **options):
    net = import_qonnx(path, **options)
    return run(net, images) * float(net.meta["output_scale"])


def equal(path, want, images=IMAGES, **options):
    """The network's integers are the float64 values in its unit, which must be whole numbers but for
    float64's own noise."""
    net = import_qonnx(path, **options)
    exact = want / float(net.meta["output_scale"])
    np.testing.assert_array_equal(run(net, images), np.round(exact))
    assert np.abs(exact - np.round(exact)).max() < 1e-6


def refused(path, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        import_qonnx(path, **options)
    assert "\n" not in str(caught.value)


def test_automatic_padding_of_a_maximum(tmp_path):
    pool = node("MaxPool", ["a"], "p", "pool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    path = write(tmp_path / "m.onnx", [*conv(), *act(), pool, *mean("p")])
    want = logits(functional.max_pool2d(functional.pad(features(IMAGES), (0, 1, 0, 1), value=-1e9), 3, 2))
    equal(path, want)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_of_a_convolution(mode, tmp_path):
    nodes = [
        quant("w", "wq"),
        node("Conv", ["x", "wq"], "c", "conv", strides=[2, 2], auto_pad=mode),
        *act(),
        *mean(),
    ]
    pad = {"SAME_UPPER": (0, 1, 0, 1), "SAME_LOWER": (1, 0, 1, 0), "VALID": (0, 0, 0, 0)}[mode]
    y = functional.conv2d(functional.pad(double(IMAGES), pad), grid(KERNEL, 0.125), stride=2)
    equal(write(tmp_path / "m.onnx", nodes), logits(grid(torch.relu(y), 16.0, 0, 15)))


def test_other_domains_are_not_onnx(tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(domain="qonnx.custom_op.channels_last"), *act(), *mean()])
    refused(
        path,
        r"'conv': Conv of domain 'qonnx\.custom_op\.channels_last' works on channels last \(NHWC\): export "
        r".* channels first",
    )
    refused(
        write(tmp_path / "m.onnx", [*conv(domain="com.microsoft"), *act(), *mean()]),
        "'conv': Conv of domain 'com.microsoft' is not supported",
    )


def test_a_weight_scale_along_the_inputs(tmp_path):
    scale = np.random.default_rng(0).uniform(0.06, 0.2, (1, 8, 1, 1))
    nodes = [*conv(), *act(), *mean()]
    nodes[0] = quant("w", "wq", "si")
    refused(
        write(tmp_path / "m.onnx", nodes, si=scale),
        r"'conv': the scale of its weights, of shape \(1, 8, 1, 1\), differs among the inputs",
    )
    path = write(
        tmp_path / "m.onnx", nodes, si=np.full((1, 8, 1, 1), 0.125)
    )  # of equal numbers it is one scale
    equal(path, logits(features(IMAGES)))


def test_constants_that_broadcast_along_another_axis(tmp_path):
    nodes = [*conv(), node("Add", ["c", "b"], "cb", "add"), *act("cb"), *mean()]
    b = np.random.default_rng(1).integers(-300, 300, 8) / 1.0
    refused(
        write(tmp_path / "m.onnx", nodes, b=b),
        r"'add': its constant of shape \(8,\) differs along axis 3 of the tensor \(1, 8, 8, 8\)",
    )
    path = write(tmp_path / "m.onnx", nodes, b=b.reshape(8, 1, 1))
    equal(path, logits(features(IMAGES, b.reshape(8, 1, 1))))
    refused(write(tmp_path / "m.onnx", nodes, b=np.ones((8, 8, 8, 8))), "does not broadcast")


SCALED = {
    "div": ([node("Div", ["x", "k"], "p")], {"k": 255.0}),
    "mul": ([node("Mul", ["x", "k"], "p")], {"k": 1 / 255}),
    "mul the other way": ([node("Mul", ["k", "x"], "p")], {"k": 1 / 255}),
    "norm": (
        [node("BatchNormalization", ["x", "g", "o", "o", "v"], "p", epsilon=0.0)],
        {"g": np.full(8, 1 / 255), "o": np.zeros(8), "v": np.ones(8)},
    ),
}


@pytest.mark.parametrize("name", SCALED)
def test_pixels_scaled_in_the_graph(name, tmp_path):
    first, constants = SCALED[name]
    path = write(
        tmp_path / "m.onnx",
        [*first, quant("p", "pq", "sp", "b8", signed=0), *conv("pq"), *act(scale="su"), *mean()],
        sp=1 / 255,
        su=0.5,
        **constants,
    )
    pixel = float(np.float32(1 / 255))
    y = functional.conv2d(double(IMAGES) * pixel, grid(KERNEL, 0.125), padding=1)
    equal(path, logits(grid(torch.relu(y), 0.5, 0, 15)))


def test_pixels_shifted_in_the_graph(tmp_path):
    """2x/255 - 1, and x - 127.5, without a quantizer: whole numbers again, zero padding in its place."""
    centred = [
        node("Mul", ["x", "k"], "d"),
        node("Sub", ["d", "one"], "p"),
        *conv("p"),
        *act(scale="su"),
        *mean(),
    ]
    path = write(tmp_path / "m.onnx", centred, k=2 / 255, one=1.0, su=0.5)
    refused(path, "its input is not quantized")  # float32 has no 2/255, so -1 is no whole number of steps
    halves = [node("Sub", ["x", "half"], "p"), *conv("p"), *act(), *mean()]
    y = functional.conv2d(double(IMAGES) - 127.5, grid(KERNEL, 0.125), padding=1)
    equal(write(tmp_path / "m.onnx", halves, half=127.5), logits(grid(torch.relu(y), 16.0, 0, 15)))


def unit_pixels(path):
    return write(
        path,
        [quant("x", "xq", "s255", "b8", signed=0), *conv("xq"), *act(scale="su"), *mean()],
        s255=1 / 255,
        su=0.25,
    )


def test_pixels_from_0_to_1_are_recognised(tmp_path):
    made = imported(unit_pixels(tmp_path / "m.onnx"))
    assert (
        any("pixel k stands for k/255" in note for note in made.notes)
        and float(made.network.meta["input_scale"]) == 1 / 255
    )
    got = run(made.network, IMAGES)
    y = functional.conv2d(double(IMAGES) * float(np.float32(1 / 255)), grid(KERNEL, 0.125), padding=1)
    np.testing.assert_allclose(
        got * float(made.network.meta["output_scale"]), logits(grid(torch.relu(y), 0.25, 0, 15)), rtol=1e-12
    )
    assert len(np.unique(got, axis=0)) == len(IMAGES)


def test_pixels_that_a_quantizer_would_lose_are_refused_until_the_user_says_so(tmp_path):
    path = write(
        tmp_path / "m.onnx",
        [quant("x", "xq", "s", "b8"), *conv("xq"), *act(scale="su"), *mean()],
        s=1 / 100,
        su=0.25,
    )
    refused(
        path,
        r"'xq': 254 of the 256 pixel values 0\.\.255 fall on one of its integers \(255\).*--input-scale "
        r"1/255",
    )
    for scale in (1.0, 1 / 255):
        y = functional.conv2d(
            grid(double(IMAGES) * scale, np.float32(0.01), -128, 127), grid(KERNEL, 0.125), padding=1
        )
        equal(path, logits(grid(torch.relu(y), 0.25, 0, 15)), input_scale=scale)
    y = functional.conv2d(
        grid(double(IMAGES) / 128 - 1, np.float32(0.01), -128, 127), grid(KERNEL, 0.125), padding=1
    )
    equal(path, logits(grid(torch.relu(y), 0.25, 0, 15)), input_scale=1 / 128, input_offset=-1.0)
    assert import_qonnx(path, value_range=(0, 1)).input_range == (0, 1)


MEANS = {
    "ReduceMean": node("ReduceMean", ["a"], "m", axes=[2, 3], keepdims=1),
    "negative axes": node("ReduceMean", ["a"], "m", axes=[-1, -2], keepdims=1),
    "without axes kept": node("ReduceMean", ["a"], "m", axes=[2, 3], keepdims=0),
    "AveragePool": node("AveragePool", ["a"], "m", kernel_shape=[8, 8]),
}


@pytest.mark.parametrize("name", MEANS)
def test_means_of_the_map(name, tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(), *act(), MEANS[name], *last()])
    equal(path, logits(features(IMAGES)))


def test_means_in_parts_and_over_other_axes(tmp_path):
    nodes = [
        *conv(),
        *act(),
        node("AveragePool", ["a"], "q", kernel_shape=[4, 4], strides=[4, 4]),
        *mean("q"),
    ]
    equal(write(tmp_path / "m.onnx", nodes), logits(features(IMAGES)))
    overlapping = [*conv(), *act(), node("AveragePool", ["a"], "q", kernel_shape=[3, 3]), *mean("q")]
    refused(write(tmp_path / "m.onnx", overlapping), r"'q': AveragePool with overlapping or padded windows")
    channels = [*conv(), *act(), node("ReduceMean", ["a"], "m", axes=[1, 2], keepdims=1), *last()]
    refused(write(tmp_path / "m.onnx", channels), r"'m': ReduceMean over the axes \[1, 2\]")
    raw = [*conv(), node("Relu", ["c"], "r"), node("GlobalAveragePool", ["r"], "m"), *last()]
    refused(
        write(tmp_path / "m.onnx", raw),
        "'m': GlobalAveragePool of unquantized values is not supported: put a Quant node",
    )


@pytest.mark.parametrize(("scale", "bits", "most"), [("sw", "b8", 0), ("sw", "b4", 0), ("s01", "b8", 0.05)])
def test_the_bias_of_the_last_layer(scale, bits, most, tmp_path):
    """Whole in a finer unit, or rounded by the error that the metadata gives."""
    path = write(tmp_path / "m.onnx", wide(scale, bits), fw=WIDE, bias=np.ones(10), s01=0.01)
    step = {"sw": 0.125, "s01": float(np.float32(0.01))}[scale]
    limits = (-8, 7) if bits == "b4" else (-128, 127)
    want = (features(IMAGES).flatten(1) @ weights(WIDE, step, *limits).T).numpy() + 1
    net = import_qonnx(path)
    np.testing.assert_allclose(
        run(net, IMAGES) * float(net.meta["output_scale"]),
        want,
        rtol=1e-12,
        atol=float(net.meta["bias_error"]),
    )
    assert float(net.meta["bias_error"]) <= most


def test_a_scale_an_output(tmp_path):
    path = write(
        tmp_path / "m.onnx",
        wide("so"),
        fw=WIDE,
        bias=np.ones(10),
        so=np.random.default_rng(0).uniform(0.008, 0.01, (10, 1)),
    )
    refused(
        path,
        r"the outputs have different scales .* the last layer needs one weight scale .* or a quantizer at "
        r"its output",
    )
    ratios = np.array([1, 2, 4, 1, 1, 3, 1, 1, 2, 1]).reshape(10, 1) / 8
    path = write(
        tmp_path / "m.onnx", wide("so"), fw=WIDE, bias=np.ones(10), so=ratios
    )  # whole multiples of one unit
    equal(path, (features(IMAGES).flatten(1) @ grid(WIDE, ratios, -128, 127).T).numpy() + 1)


def test_a_quantizer_at_the_output_joins_them(tmp_path):
    scale = np.random.default_rng(0).uniform(0.008, 0.01, (10, 1)).astype(np.float32)
    nodes = [*wide("so"), quant("y", "z", "sy", "b8")]
    got = reals(write(tmp_path / "m.onnx", nodes, output="z", fw=WIDE, bias=np.ones(10), so=scale, sy=0.5))
    want = grid((features(IMAGES).flatten(1) @ weights(WIDE, scale).T) + 1, 0.5, -128, 127)
    np.testing.assert_array_equal(got, want.numpy())


def test_an_optional_bias_left_empty(tmp_path):
    nodes = [*conv(), *act(), *mean()]
    nodes[1].input.append("")
    equal(write(tmp_path / "m.onnx", nodes), logits(features(IMAGES)))


def test_an_activation_scale_of_equal_numbers(tmp_path):
    path = write(tmp_path / "m.onnx", [*conv(), *act(scale="sc"), *mean()], sc=np.full((1, 8, 1, 1), 16.0))
    equal(path, logits(features(IMAGES)))
    path = write(
        tmp_path / "m.onnx", [*conv(), *act(scale="sc"), *mean()], sc=np.arange(8.0, 16).reshape(1, 8, 1, 1)
    )
    refused(path, "'fc': its input channels have different scales")


@pytest.mark.parametrize("zero", [128.0, 100.0, 3.0])
def test_zero_points_of_activations(zero, tmp_path):
    """real = (q - zero) * scale: negative numbers with an unsigned integer; the padding of a second
    convolution is real 0."""
    second = [
        quant("w", "wq2"),
        node("Conv", ["a", "wq2"], "c2", pads=[1] * 4),
        node("Relu", ["c2"], "r2"),
        quant("r2", "a2", "sa", signed=0),
    ]
    nodes = [*conv(), quant("c", "a", "sz", "b8", "z", signed=0), *second, *mean("a2")]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    y = (torch.clamp(torch.round(y / 16.0 + zero), 0, 255) - zero) * 16.0
    y = grid(torch.relu(functional.conv2d(y, grid(KERNEL, 0.125), padding=1)), 16.0, 0, 15)
    equal(write(tmp_path / "m.onnx", nodes, z=zero, sz=16.0), logits(y))
    refused(write(tmp_path / "m.onnx", nodes, z=3.5, sz=16.0), r"'a': its zero point must be whole, not 3\.5")


def test_a_bias_as_the_first_input_of_add(tmp_path):
    nodes = [*conv(), node("Add", ["bc", "c"], "cb", "add"), *act("cb"), *mean()]
    equal(write(tmp_path / "m.onnx", nodes, bc=np.full((1, 8, 1, 1), 40.0)), logits(features(IMAGES, 40.0)))


def test_relu6(tmp_path):
    nodes = [*conv(), node("Clip", ["c", "zero", "six"], "r"), quant("r", "a", "sh", signed=0), *mean()]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    equal(write(tmp_path / "m.onnx", nodes, six=6.0, sh=0.5), logits(grid(torch.clamp(y, 0, 6), 0.5, 0, 15)))


def test_concat(tmp_path):
    w2 = np.random.default_rng(5).integers(-8, 8, (10, 16)) / 8
    tail = [node("Concat", ["a", "b"], "ab", "cat", axis=1), *mean("ab")]
    nodes = [
        *conv(),
        *act(),
        node("Neg", ["zero"], "nought"),
        quant("r", "b", "sa", "b4", "nought", signed=0),
        *tail,
    ]
    got = reals(write(tmp_path / "m.onnx", nodes, fw=w2))
    a = features(IMAGES)
    np.testing.assert_array_equal(got, (torch.cat([a, a], 1).mean((2, 3)) @ grid(w2, 0.125).T).numpy())
    nodes[-5].attribute[0].i = 2
    refused(
        write(tmp_path / "m.onnx", nodes, fw=w2),
        "'cat': Concat along axis 2 is not supported, only along the channels",
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_maximum_before_the_quantizer(sign, tmp_path):
    """With a factor after it that may be negative: the maximum is then of the accumulators, some channels
    turned around."""
    factor = np.array([1, sign, 1, sign, sign, 1, 1, 1]).reshape(8, 1, 1) / 2.0
    nodes = [
        *conv(),
        node("Mul", ["c", "first"], "c0"),
        node("MaxPool", ["c0"], "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        node("Mul", ["p", "factor"], "p1"),
        *act("p1"),
        *mean(),
    ]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1) * sign
    y = functional.max_pool2d(y, 3, 2, 1) * double(factor)
    path = write(tmp_path / "m.onnx", nodes, factor=factor, first=float(sign))
    equal(path, logits(grid(torch.relu(y), 16.0, 0, 15)))


@pytest.mark.parametrize("ceil", [0, 1])
def test_rounded_up_pools(ceil, tmp_path):
    nodes = [
        *conv(),
        *act(),
        node("MaxPool", ["a"], "p", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=ceil),
        *mean("p"),
    ]
    want = logits(functional.max_pool2d(features(IMAGES), 3, 2, ceil_mode=bool(ceil)))
    equal(write(tmp_path / "m.onnx", nodes), want)


def test_a_final_softmax_is_left_out_and_said(tmp_path):
    path = write(
        tmp_path / "m.onnx", [*conv(), *act(), *mean(), node("Softmax", ["y"], "s", axis=1)], output="s"
    )
    made = imported(path)
    assert any("Softmax is left out" in note for note in made.notes)
    np.testing.assert_array_equal(
        run(made.network, IMAGES) * float(made.network.meta["output_scale"]), logits(features(IMAGES))
    )


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "DOWN", "HALF_UP", "HALF_DOWN"])
def test_rounding_modes(mode, tmp_path):
    nodes = [*conv(), *act(), *mean()]
    next(item for item in nodes[3].attribute if item.name == "rounding_mode").s = mode.encode()
    rounded = {
        "FLOOR": torch.floor,
        "CEIL": torch.ceil,
        "DOWN": torch.floor,
        "HALF_UP": lambda y: torch.floor(y + 0.5),
        "HALF_DOWN": lambda y: torch.ceil(y - 0.5),
    }[mode]
    y = functional.conv2d(double(IMAGES), grid(KERNEL, 0.125), padding=1)
    want = logits(torch.clamp(rounded(torch.relu(y) / 16), 0, 15) * 16)
    equal(write(tmp_path / "m.onnx", nodes), want)


def trunc(version, **more):
    rest = ["left"] if version == 1 else ["new", "left"]
    return helper.make_node(
        "Trunc",
        ["s", "quarter", "zero", "b8", *rest],
        ["t"],
        "t",
        domain=QONNX,
        rounding_mode="FLOOR",
        **more,
    )


@pytest.mark.parametrize("version", [1, 2])
def test_bits_taken_off_an_average(version, tmp_path):
    """Brevitas' TruncAvgPool2d: the average of four, then two bits fewer; version 2 clips and names the new
    scale."""
    more = {} if version == 1 else {"signed": 0, "narrow": 0}
    nodes = [
        *conv(),
        *act(),
        node("AveragePool", ["a"], "s", kernel_shape=[2, 2], strides=[2, 2]),
        trunc(version, **more),
        *mean("t"),
    ]
    path = write(tmp_path / "m.onnx", nodes, quarter=4.0, left=[6.0, 3.0][version - 1], new=16.0)
    model = onnx.load(path)
    model.opset_import[1].version = version
    onnx.save(model, path)
    cut = torch.floor(functional.avg_pool2d(features(IMAGES), 2) / 4 / 4)
    equal(path, logits(cut * 4 if version == 1 else torch.clamp(cut, 0, 7) * 16))
    model.opset_import[1].version = 3 - version
    onnx.save(model, path)
    refused(path, f"'t': .* version {3 - version} of QONNX takes {7 - version} inputs")
