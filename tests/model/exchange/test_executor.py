"""The executor that judges an import: against onnxruntime (windows, norms), the published definitions
(Quant), plain onnx.reference."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from fermatnet.model.exchange.executor import Executor


def model(op, shape, constants=(), opset=17, **attributes):
    names = [f"k{place}" for place in range(len(constants))]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in zip(names, constants, strict=True)
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def drawn(rng, op):
    """Arguments of a window, whole numbers in it, so that float32 and float64 agree exactly."""
    kernel = rng.integers(1, 4, 2).tolist()
    given = {"strides": rng.integers(1, 4, 2).tolist()}
    if op != "Conv":
        given["kernel_shape"] = kernel
        given["ceil_mode"] = int(rng.integers(2))
    if op != "AveragePool":
        given["dilations"] = rng.integers(1, 3, 2).tolist()
    mode = ["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][rng.integers(5)]
    if mode != "NOTSET":
        given["auto_pad"] = mode
        given["ceil_mode" if op != "Conv" else "group"] = int(op == "Conv")
        given["dilations"] = [1, 1]
    else:
        wider = 3 if op == "Conv" else 0  # whole windows may lie beside the map; pools take no such border
        given["pads"] = [int(rng.integers(0, kernel[k % 2] + wider)) for k in range(4)]
    if op == "AveragePool":
        given.pop("dilations", None)
        given["count_include_pad"] = int(rng.integers(2))
    return kernel, given


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
def test_windows_against_onnxruntime(op):
    rng = np.random.default_rng(4)
    judged = 0
    for _ in range(60):
        kernel, given = drawn(rng, op)
        weights = [rng.integers(-4, 5, (6, 2, *kernel)), rng.integers(-4, 5, 6)] if op == "Conv" else []
        if op == "Conv":
            given["group"] = 2
        made = model(op, [2, 4, 7, 8], weights, **given)
        x = rng.integers(-9, 10, (2, 4, 7, 8)).astype(np.float32)
        try:
            want = onnxruntime.InferenceSession(
                made.SerializeToString(), providers=["CPUExecutionProvider"]
            ).run(None, {"x": x})[0]
        except Exception:
            continue
        run = Executor(made)
        for _twice in range(2):  # an operator keeps no state from one call to the next
            got = run(x)
            assert got.shape == want.shape, given
            np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=str(given))
        judged += 1
    assert judged > 40


@pytest.mark.parametrize("opset", [8, 9, 13, 14, 15, 17])
def test_a_norm_takes_the_stored_statistics_in_every_version(opset):
    rng = np.random.default_rng(0)
    constants = [rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.uniform(1, 2, 3)]
    made = model("BatchNormalization", [1, 3, 4, 4], constants, opset, momentum=0.9)
    x = rng.normal(size=(1, 3, 4, 4)).astype(np.float32)
    want = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": x}
    )[0]
    np.testing.assert_allclose(Executor(made)(x), want, rtol=1e-5, atol=1e-6)


def test_convolution_against_onnx_reference():
    rng = np.random.default_rng(1)
    made = model(
        "Conv",
        [1, 3, 6, 6],
        [rng.integers(-9, 9, (4, 3, 3, 3)), rng.integers(-9, 9, 4)],
        pads=[1, 1, 1, 1],
        strides=[2, 1],
    )
    x = rng.integers(0, 256, (1, 3, 6, 6)).astype(np.float32)
    np.testing.assert_array_equal(Executor(made)(x), ReferenceEvaluator(made).run(None, {"x": x})[0])


def quantizer(op, inputs, domain="qonnx.custom_op.general", **attributes):
    names = [f"k{place}" for place in range(len(inputs))]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], domain=domain, **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in zip(names, inputs, strict=True)
        ],
    )
    return Executor(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        ("ROUND", [-2, -2, -1, 0, 0, 0, 1, 2, 2]),
        ("HALF_EVEN", [-2, -2, -1, 0, 0, 0, 1, 2, 2]),
        ("FLOOR", [-3, -2, -2, -1, 0, 0, 1, 1, 2]),
        ("CEIL", [-2, -1, -1, 0, 0, 1, 2, 2, 3]),
        ("DOWN", [-2, -1, -1, 0, 0, 0, 1, 1, 2]),
        ("UP", [-3, -2, -2, -1, 0, 1, 2, 2, 3]),
        ("half_up", [-3, -2, -1, -1, 0, 1, 1, 2, 3]),
        ("HALF_DOWN", [-2, -1, -1, 0, 0, 0, 1, 1, 2]),
    ],
)
def test_roundings_as_published(mode, want):
    x = np.array([-2.5, -1.5, -1.2, -0.5, 0, 0.5, 1.2, 1.5, 2.5])
    got = quantizer("Quant", [2.0, 0.0, 4.0], signed=1, narrow=0, rounding_mode=mode)(2 * x)
    np.testing.assert_array_equal(got, 2.0 * np.array(want))


@pytest.mark.parametrize(
    ("signed", "narrow", "ends"), [(1, 0, (-4, 3)), (1, 1, (-3, 3)), (0, 0, (0, 7)), (0, 1, (0, 6))]
)
def test_ranges_as_published(signed, narrow, ends):
    got = quantizer("Quant", [0.5, 0.0, 3.0], signed=signed, narrow=narrow)(np.array([-100.0, 100.0]))
    np.testing.assert_array_equal(got, 0.5 * np.array(ends))


def test_zero_points_and_bipolar_numbers():
    got = quantizer("Quant", [0.5, 128.0, 8.0], signed=0, narrow=0)(np.array([-1000.0, 0, 0.3, 1000]))
    np.testing.assert_array_equal(got, [-64, 0, 0.5, 63.5])
    got = quantizer("BipolarQuant", [3.0], domain="onnx.brevitas")(np.array([-1e-3, 0, 1e-3]))
    np.testing.assert_array_equal(got, [-3, 3, 3])


def test_a_sum_on_a_step_falls_where_exact_arithmetic_has_it():
    third = 0.1 * 3 / 0.2  # 1.5000000000000002 in float64, 1.5 on paper
    assert third != 1.5
    np.testing.assert_array_equal(
        quantizer("Quant", [1.0, 0.0, 4.0], signed=1, narrow=0)(np.array([third + 1, third])), [2, 2]
    )


def test_qonnx_agrees_where_it_is_installed():
    quant = pytest.importorskip("qonnx.custom_op.general.quant", reason="qonnx is not installed").quant
    x = np.random.default_rng(2).normal(size=500) * 8
    for signed, narrow, mode, zero in (
        (1, 0, "ROUND", 0.0),
        (1, 1, "FLOOR", 3.0),
        (0, 0, "CEIL", 8.0),
        (0, 1, "DOWN", 0.0),
        (1, 0, "HALF_UP", -2.0),
    ):
        scale = float(np.float32(0.3))
        want = quant(x, np.float64(scale), np.float64(zero), np.float64(5), signed, narrow, mode)
        np.testing.assert_allclose(
            quantizer("Quant", [0.3, zero, 5.0], signed=signed, narrow=narrow, rounding_mode=mode)(x),
            want,
            rtol=1e-12,
        )


def test_a_graph_that_cannot_be_run_is_one_line():
    from fermatnet.model.errors import InputError

    graph = helper.make_graph(
        [helper.make_node("Nothing", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    with pytest.raises(InputError, match=r"cannot be run by onnx\.reference") as caught:
        Executor(helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("signed", "narrow", "mode"), [(1, 0, "FLOOR"), (0, 0, "ROUND"), (1, 1, "CEIL")])
def test_trunc_agrees_with_qonnx(signed, narrow, mode):
    published = pytest.importorskip("qonnx.custom_op.general.trunc", reason="qonnx is not installed")
    x = np.random.default_rng(2).integers(-100, 100, 300) * 0.25
    first = [np.float64(value) for value in (0.25, 8.0, 8.0, 5.0)]
    got = quantizer("Trunc", first, rounding_mode=mode)(x)
    np.testing.assert_array_equal(got, published.trunc_v1(x, *first, mode))
    second = [np.float64(value) for value in (0.25, 8.0, 8.0, 2.0, 4.0)]
    got = quantizer("Trunc", second, rounding_mode=mode, signed=signed, narrow=narrow)(x)
    np.testing.assert_array_equal(got, published.trunc_v2(x, *second[:3], narrow, signed, *second[3:], mode))


def test_weights_are_quantized_in_the_files_own_float32():
    """0.125 / 0.01 is a tie in float32 and none in float64; an activation of the same value is judged
    exactly."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "Quant", ["w", "s", "z", "b"], ["q"], domain="qonnx.custom_op.general", signed=1, narrow=0
            ),
            helper.make_node(
                "Quant", ["x", "s", "z", "b"], ["a"], domain="qonnx.custom_op.general", signed=1, narrow=0
            ),
            helper.make_node("Concat", ["q", "a"], ["y"], axis=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in (("w", [0.125]), ("s", 0.01), ("z", 0.0), ("b", 8.0))
        ],
    )
    got = Executor(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))(np.array([0.125]))
    np.testing.assert_array_equal(got / float(np.float32(0.01)), [12, 13])
