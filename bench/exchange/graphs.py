"""Small QONNX networks to be mutated: sizes chosen so that a mistaken axis still fits (channels = height =
width = outputs)."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["GRAPHS", "graph"]

SIZE = 4  # channels, height and width
QONNX = "qonnx.custom_op.general"


class _Writer:
    """Collects nodes and constants; every method returns the name of the tensor written."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, value: object, name: str) -> str:
        name = f"{name}{len(self.constants)}"
        array = np.asarray(value)
        self.constants[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def quant(self, x: str, bits: int, scale: object, signed: int = 1, narrow: int = 0) -> str:
        inputs = (
            x,
            self.constant(scale, "scale"),
            self.constant(0.0, "zero"),
            self.constant(float(bits), "bits"),
        )
        return self.op("Quant", *inputs, domain=QONNX, signed=signed, narrow=narrow, rounding_mode="ROUND")

    def weights(self, *shape: int, bits: int = 4, scale: object = 0.25) -> str:
        return self.quant(self.constant(self.rng.normal(size=shape), "w"), bits, scale)

    def norm(self, x: str, channels: int) -> str:
        rng = self.rng
        values = (
            rng.uniform(0.5, 2, channels) * rng.choice([-1, 1, 1], channels),
            rng.normal(size=channels),
            rng.normal(size=channels) * 20,
            rng.uniform(300, 3000, channels),
        )
        names = (
            self.constant(value, name)
            for value, name in zip(values, ("gamma", "beta", "mean", "var"), strict=True)
        )
        return self.op("BatchNormalization", x, *names, epsilon=1e-5)

    def model(self, output: str, shape: tuple[int, ...], opset: int = 13) -> onnx.ModelProto:
        made = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *shape))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(
            made, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)]
        )


def _convolutions(w: _Writer) -> onnx.ModelProto:
    """Conv, norm, rectifier, 3-bit quantizer, max pool, depthwise conv with a bias, Clip, mean, dense."""
    scale = w.rng.uniform(0.2, 0.3, (SIZE, 1, 1, 1))
    y = w.op(
        "Conv", "x", w.weights(SIZE, SIZE, 3, 3, bits=8, scale=scale), kernel_shape=[3, 3], pads=[1, 1, 1, 1]
    )
    y = w.quant(w.op("Relu", w.norm(y, SIZE)), 3, 0.5, signed=0)
    y = w.op("MaxPool", y, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
    bias = w.constant(w.rng.normal(size=SIZE), "bias")
    y = w.op("Conv", y, w.weights(SIZE, 1, 3, 3), bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=SIZE)
    y = w.quant(w.op("Clip", y, w.constant(0.0, "low"), w.constant(6.0, "high")), 4, 0.5, signed=0)
    y = w.op("Flatten", w.op("GlobalAveragePool", y), axis=1)
    y = w.op(
        "Gemm",
        y,
        w.weights(SIZE, SIZE, bits=8),
        w.constant(w.rng.integers(-9, 9, SIZE) / 256, "bias"),
        transB=1,
    )
    return w.model(y, (SIZE, SIZE, SIZE))


def _dense(w: _Writer) -> onnx.ModelProto:
    """Vectors: MatMul, Add, Relu, quantizers of 8 and 2 bits, Gemm, and a factor and a summand at the end."""
    y = w.op("MatMul", "x", w.weights(SIZE, SIZE, scale=w.rng.uniform(0.2, 0.3, (1, SIZE))))
    y = w.quant(
        w.op("Relu", w.op("Add", w.constant(w.rng.normal(size=SIZE) * 50, "bias"), y)), 8, 2.0, signed=0
    )
    y = w.quant(w.op("Gemm", y, w.weights(SIZE, SIZE), transB=0), 2, 60.0)
    y = w.op("MatMul", y, w.op("Transpose", w.weights(SIZE, SIZE, bits=8), perm=[1, 0]))
    y = w.op("Add", w.op("Mul", y, w.constant(0.5, "factor")), w.constant([7.5], "shift"))
    return w.model(y, (SIZE,))


def _residual(w: _Writer) -> onnx.ModelProto:
    """Two branches added and joined, average and maximum pooling before the quantizer, ReduceMean,
    Reshape."""
    first = w.op("Conv", "x", w.weights(SIZE, SIZE, 1, 1), strides=[1, 1])
    a = w.quant(w.op("Relu", first), 4, 64.0, signed=0)
    b = w.quant(w.op("Sub", first, w.constant(w.rng.normal(size=(1, SIZE, 1, 1)) * 90, "shift")), 4, 32.0)
    y = w.quant(w.op("Add", a, b), 4, 64.0)
    y = w.op("Concat", y, a, axis=1)
    y = w.op("Conv", y, w.weights(SIZE, 2 * SIZE, 3, 3), pads=[1, 1, 1, 1], strides=[1, 1], dilations=[1, 1])
    y = w.quant(w.op("MaxPool", w.norm(y, SIZE), kernel_shape=[2, 2], strides=[2, 2]), 3, 0.5)
    y = w.op(
        "Reshape", w.op("ReduceMean", y, axes=[2, 3], keepdims=1), w.constant(np.array([1, -1]), "shape")
    )
    return w.model(w.op("Gemm", y, w.weights(SIZE, SIZE, bits=8, scale=0.125), transB=1), (SIZE, SIZE, SIZE))


def _pixels(w: _Writer) -> onnx.ModelProto:
    """Pixels scaled in the graph, bipolar weights and activations, an average pool that loses a bit, a
    quantizer at the output."""
    y = w.op("Div", "x", w.constant(255.0, "most"))
    y = w.op("Sub", w.op("Mul", y, w.constant(2.0, "two")), w.constant(np.ones((1, 1, 1, 1)), "one"))
    y = w.quant(y, 8, 1 / 128)
    weights = w.op(
        "BipolarQuant",
        w.constant(w.rng.normal(size=(SIZE, SIZE, 3, 3)), "w"),
        w.constant(0.5, "scale"),
        domain=QONNX,
    )
    y = w.op("Conv", y, weights, pads=[0, 0, 0, 0], auto_pad="SAME_UPPER")
    w.nodes[-1].attribute.remove(next(item for item in w.nodes[-1].attribute if item.name == "pads"))
    y = w.op("BipolarQuant", y, w.constant(1.0, "scale"), domain=QONNX)
    y = w.op("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2])
    cut = [
        w.constant(value, name)
        for value, name in ((0.25, "scale"), (0.0, "zero"), (4.0, "bits"), (3.0, "left"))
    ]
    y = w.op("Flatten", w.op("Trunc", y, *cut, domain=QONNX, rounding_mode="FLOOR"))
    y = w.op("MatMul", y, w.weights(SIZE * SIZE * SIZE // 4, SIZE))
    return w.model(w.quant(y, 4, 0.5), (SIZE, SIZE, SIZE), opset=11)


GRAPHS = {"convolutions": _convolutions, "dense": _dense, "residual": _residual, "pixels": _pixels}


def graph(name: str, seed: int) -> onnx.ModelProto:
    """One of `GRAPHS` with weights of a seed."""
    return GRAPHS[name](_Writer(np.random.default_rng(seed)))
