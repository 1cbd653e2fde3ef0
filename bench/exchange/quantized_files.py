"""Small float networks, and the quantized ONNX files that onnxruntime's own quantizer makes of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SHAPES = {"residual": (3, 12, 12), "mobilenet": (3, 12, 12), "one_d": (3, 40), "mlp": (24,)}
MOVED = {"moved": (3, 8, 8)}
"""A network whose layers put values into another order, in the form QDQ."""
_ALL = {**SHAPES, **MOVED}


class _Net:
    """Nodes and weights of a float network in the making."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, kind)
        return name

    def whole(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def weight(self, *shape: int) -> str:
        """Rows of different widths, so that a scale a channel differs from one for all."""
        fan = int(np.prod(shape[1:]))
        rows = self.rng.uniform(0.3, 1.5, (shape[0], *[1] * (len(shape) - 1)))
        return self.constant(self.rng.normal(0, 1, shape) * rows / np.sqrt(fan))

    def conv(self, x: str, out: int, inputs: int, *kernel: int, pad: int = 0, **more: Any) -> str:
        bias = self.constant(self.rng.normal(0, 0.3, out))
        pads = [pad] * (2 * len(kernel))
        return self.op("Conv", x, self.weight(out, inputs, *kernel), bias, pads=pads, **more)

    def gemm(self, x: str, out: int, inputs: int) -> str:
        bias = self.constant(self.rng.normal(0, 0.3, out))
        return self.op("Gemm", x, self.weight(out, inputs), bias, transB=1)


def _residual(n: _Net) -> str:
    a = n.op("Relu", n.conv("x", 8, 3, 3, 3, pad=1))
    b = n.op("Relu", n.conv(a, 8, 8, 3, 3, pad=1))
    c = n.op("Relu", n.op("Add", n.conv(b, 8, 8, 3, 3, pad=1), a))
    d = n.op("Relu", n.conv(c, 12, 8, 3, 3, pad=1, strides=[2, 2]))
    return n.gemm(n.op("Flatten", n.op("GlobalAveragePool", d)), 10, 12)


def _mobilenet(n: _Net) -> str:
    low, high = n.constant(0.0), n.constant(6.0)
    a = n.op("Clip", n.conv("x", 8, 3, 3, 3, pad=1, strides=[2, 2]), low, high)
    b = n.op("Clip", n.conv(a, 16, 8, 1, 1), low, high)
    c = n.op("Clip", n.conv(b, 16, 1, 3, 3, pad=1, group=16), low, high)
    d = n.op("Add", n.conv(c, 8, 16, 1, 1), a)
    return n.gemm(n.op("Flatten", n.op("GlobalAveragePool", d)), 10, 8)


def _one_d(n: _Net) -> str:
    a = n.op("Relu", n.conv("x", 8, 3, 5, pad=2))
    b = n.op("MaxPool", a, kernel_shape=[2], strides=[2])
    c = n.op("Relu", n.conv(b, 8, 8, 3))
    return n.gemm(n.op("Flatten", c), 6, 8 * 18)


def _mlp(n: _Net) -> str:
    a = n.op("Relu", n.gemm("x", 32, 24))
    b = n.op("Relu", n.op("Add", n.op("MatMul", a, n.weight(32, 16)), n.constant(n.rng.normal(0, 0.3, 16))))
    return n.gemm(b, 5, 16)


def _moved(n: _Net) -> str:
    a = n.op("Relu", n.conv(n.op("Pad", "x", n.whole(0, 0, 1, 1, 0, 0, 0, 0)), 8, 3, 2, 2))
    first = n.op("Slice", a, n.whole(0), n.whole(4), n.whole(1))
    second = n.op("Slice", a, n.whole(4), n.whole(8), n.whole(1))
    b = n.op("DepthToSpace", n.op("Concat", second, first, axis=1), blocksize=2, mode="CRD")
    c = n.op("Relu", n.conv(b, 4, 2, 3, 3, pad=1, strides=[2, 2]))
    up = n.op("Resize", c, "", n.constant([1, 1, 2, 2]), mode="nearest")
    turned = n.op("ConvTranspose", c, n.weight(4, 4, 2, 2), strides=[2, 2])
    d = n.op("Relu", n.op("Add", up, turned))
    return n.gemm(n.op("Flatten", n.op("GlobalAveragePool", d)), 5, 4)


_MAKERS = {"moved": _moved, "residual": _residual, "mobilenet": _mobilenet, "one_d": _one_d, "mlp": _mlp}


def float_file(path: Path, net: str, seed: int = 0) -> Path:
    """A float network of random weights, input "x" (n, *SHAPES[net]) or of `MOVED`."""
    n = _Net(seed)
    last = _MAKERS[net](n)
    constants = [numpy_helper.from_array(value, name) for name, value in n.constants.items()]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *_ALL[net]])
    leaving = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    graph = helper.make_graph(n.nodes, net, [entry], [leaving], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    return path


class _Reader(CalibrationDataReader):
    def __init__(self, samples: np.ndarray):
        self.rest: Iterator[np.ndarray] = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self.rest, None)
        return None if sample is None else {"x": sample[None]}


def quantized(
    path: Path,
    net: str,
    form: str = "QDQ",
    per_channel: bool = False,
    signed: bool = True,
    symmetric: bool = False,
    seed: int = 0,
    signed_weights: bool = True,
) -> Path:
    """The file that onnxruntime's quantizer makes: ``form`` QDQ or QOperator, activations int8 or uint8."""
    source = float_file(path.with_suffix(".float.onnx"), net, seed)
    samples = np.random.default_rng(seed + 1).normal(0, 1, (24, *_ALL[net])).astype(np.float32)
    quantize_static(
        source,
        path,
        _Reader(samples),
        quant_format=QuantFormat[form],
        per_channel=per_channel,
        activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8 if signed_weights else QuantType.QUInt8,
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": signed_weights},
    )
    return path
