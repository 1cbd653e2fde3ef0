"""A one-convolution network in QONNX with places to change one thing, and its outputs in torch's float64."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

QONNX = "qonnx.custom_op.general"
RNG = np.random.default_rng(7)
KERNEL, LAST = (
    RNG.integers(-8, 8, (8, 8, 3, 3)) / 8,
    RNG.integers(-8, 8, (10, 8)) / 8,
)  # on the grid of the quantizers
WIDE = RNG.integers(-8, 8, (10, 512)) / 8
CONSTANTS = {"w": KERNEL, "fw": LAST, "zero": 0.0, "b4": 4.0, "b8": 8.0, "sw": 0.125, "sa": 16.0}


def quant(x, y, scale="sw", bits="b4", zero="zero", signed=1):
    return helper.make_node(
        "Quant", [x, scale, zero, bits], [y], y, domain=QONNX, signed=signed, narrow=0, rounding_mode="ROUND"
    )


def node(op, inputs, output, name=None, **attributes):
    return helper.make_node(op, list(inputs), [output], name or output, **attributes)


def conv(x="x", **more):
    return [quant("w", "wq"), node("Conv", [x, "wq"], "c", "conv", kernel_shape=[3, 3], pads=[1] * 4, **more)]


def act(x="c", scale="sa", zero="zero", bits="b4"):
    return [node("Relu", [x], "r"), quant("r", "a", scale, bits, zero, signed=0)]


def mean(x="a"):
    return [node("GlobalAveragePool", [x], "m"), *last()]


def last(x="m"):
    return [node("Flatten", [x], "f"), quant("fw", "fq"), node("Gemm", ["f", "fq"], "y", "fc", transB=1)]


def wide(scale="sw", bits="b8"):
    return [
        *conv(),
        *act(),
        node("Flatten", ["a"], "f"),
        quant("fw", "fq", scale, bits),
        node("Gemm", ["f", "fq", "bias"], "y", "fc", transB=1),
    ]


def write(path, nodes, shape=(1, 8, 8, 8), opset=17, output="y", **constants):
    every = {**CONSTANTS, **constants}
    arrays = {name: np.asarray(value) for name, value in every.items()}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(value.astype(np.float32) if value.dtype.kind == "f" else value, name)
            for name, value in arrays.items()
        ],
    )
    onnx.save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        ),
        path,
    )
    return path


def double(value):
    return torch.tensor(np.asarray(value)).double()


def grid(value, scale, lo=-8, hi=7):
    return torch.clamp(torch.round(double(value) / double(scale)), lo, hi) * double(scale)


def weights(value, scale, lo=-128, hi=127):
    """A weight's quantizer: the division in float32, as training has it, the rest in float64."""
    steps = np.round(np.asarray(value, np.float32) / np.asarray(scale, np.float32)).astype(np.float64)
    return double(np.clip(steps, lo, hi) * np.asarray(scale, np.float32).astype(np.float64))


def features(x, bias=0.0, most=None):
    """The convolution, a bias, the rectifier (``most``: clipped there) and the 4-bit quantizer."""
    y = functional.conv2d(double(x), grid(KERNEL, 0.125), padding=1) + double(bias)
    return grid(torch.clamp(y, min=0, max=most), 16.0, 0, 15)


def logits(a):
    """The mean over the map and the last layer."""
    return (a.mean((2, 3)) @ grid(LAST, 0.125).T).numpy()
