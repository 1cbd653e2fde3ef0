"""QONNX -> network file: uniform quantizers of Brevitas and others become piecewise or integer layers with the same integers.

QONNX (Pappalardo et al. 2022) writes quantization as nodes ``Quant(x, scale, zero_point, bits)``. Here

* a Quant of a constant weight gives the integers of a layer: few levels after an activation of few levels -> piecewise layer, else INT8/16;
* a Quant of an activation becomes thresholds, one integer of the accumulator for each step, found by bisecting the float64 function of all
  that lies between (batch norm, rectifier, bias, the rounding half to even of Quant): ties included;
* the last layer's bias is rounded to the accumulator's unit (the only rounding; its largest error is in the metadata).

Nodes that the hardware has no layer for are named in an InputError.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Conv, Dense, Levels, MaxPool, PiecewiseConv, SumPool, Threshold

__all__ = ["import_qonnx"]

PIECES = 16  # weight pieces up to which a layer becomes piecewise
_Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Value:
    """A tensor of the network file: real = integer * scale (by channel), then ``chain``; ``levels``: it holds indices of these integers."""

    name: str
    scale: np.ndarray
    levels: np.ndarray | None = None
    chain: tuple[_Function, ...] = ()


@dataclass(frozen=True)
class _Weights:
    integers: np.ndarray
    scale: np.ndarray


def _range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + int(narrow), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - int(narrow)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _per_channel(value: np.ndarray) -> np.ndarray:
    """(1, C, 1) column of a scalar or a channelwise constant."""
    return np.asarray(value, np.float64).reshape(1, -1, 1)


class _Importer:
    def __init__(self, graph: onnx.GraphProto, shape: tuple[int, int, int], value_range: tuple[int, int]):
        self.build = Builder(shape, value_range)
        self.constants: dict[str, np.ndarray] = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.values: dict[str, Any] = {}
        self.bias_error = 0.0
        self.biases: dict[str, np.ndarray] = {}  # of dense layers, in case one of them turns out to be the last
        inputs = [item.name for item in graph.input if item.name not in self.constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise InputError(f"a network for the hardware has one input and one output, not {len(inputs)} and {len(graph.output)}")
        self.values[inputs[0]] = _Value("image", np.ones(shape[0]))

    def run(self, graph: onnx.GraphProto) -> _Value:
        methods: dict[str, Callable[[onnx.NodeProto, dict[str, Any]], Any]] = {
            "Quant": self._quant, "Conv": self._conv, "Gemm": self._gemm, "MatMul": self._matmul, "Transpose": self._transpose, "Add": self._add,
            "BatchNormalization": self._batchnormalization, "Relu": self._relu, "MaxPool": self._maxpool,
            "GlobalAveragePool": self._globalaveragepool, "Flatten": self._flatten, "Reshape": self._reshape}
        for node in graph.node:
            method = methods.get(node.op_type)
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(_attributes(node)["value"])
                continue
            if method is None:
                raise InputError(f"QONNX node {node.name or node.output[0]!r}: {node.op_type} is not supported")
            if len(node.output) != 1:
                raise InputError(f"QONNX node {node.name or node.output[0]!r}: {node.op_type} with {len(node.output)} outputs is not supported")
            self.values[node.output[0]] = method(node, _attributes(node))
        result = self.values[graph.output[0].name]
        if isinstance(result, _Value) and len(result.chain) == 1 and result.name in self.biases:
            result = self._folded(result)
        if not isinstance(result, _Value) or result.chain or result.levels is not None:
            raise InputError("the last layer must be a dense layer with quantized weights")
        return result

    def _name(self, node: onnx.NodeProto) -> str:
        return (node.name or node.op_type).strip("/").replace("/", "_").replace(".", "_")

    def _constant(self, node: onnx.NodeProto, place: int, what: str) -> np.ndarray:
        if node.input[place] not in self.constants:
            raise InputError(f"QONNX node {node.name!r}: its {what} must be a constant")
        return self.constants[node.input[place]]

    def _input(self, node: onnx.NodeProto, place: int = 0) -> _Value:
        value = self.values.get(node.input[place])
        if not isinstance(value, _Value):
            raise InputError(f"QONNX node {node.name!r}: its input {node.input[place]!r} is not an activation")
        return value

    # ---- quantization

    def _quant(self, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
        scale, zero, bits = (np.asarray(self._constant(node, i, what), np.float64) for i, what in ((1, "scale"), (2, "zero point"), (3, "bit width")))
        if given.get("rounding_mode", b"ROUND") not in (b"ROUND", b"HALF_EVEN"):
            raise InputError(f"QONNX node {node.name!r}: rounding mode {given['rounding_mode'].decode()} is not supported")
        if zero.any() or bits.size != 1 or not float(bits.ravel()[0]).is_integer():
            raise InputError(f"QONNX node {node.name!r}: only zero point 0 and one whole bit width are supported")
        lo, hi = _range(int(bits.ravel()[0]), bool(given.get("signed", 1)), bool(given.get("narrow", 0)))
        if node.input[0] in self.constants:
            raw = self.constants[node.input[0]].astype(np.float64)
            return _Weights(np.clip(np.round(raw / scale), lo, hi).astype(np.int64), scale)
        return self._activation(node, scale, lo, hi)

    def _activation(self, node: onnx.NodeProto, scale: np.ndarray, lo: int, hi: int) -> _Value:
        x = self._integers(self._input(node))
        if hi - lo > 255:
            raise InputError(f"QONNX node {node.name!r}: activations of more than 8 bits are not supported")
        if scale.size != 1:
            raise InputError(f"QONNX node {node.name!r}: an activation needs one scale")
        kind, unit = self.build.types[x.name], float(scale.ravel()[0])

        def index(n: np.ndarray) -> np.ndarray:
            y = n.astype(np.float64)[None] * _per_channel(x.scale)
            for step in x.chain:
                y = step(y)
            return (np.clip(np.round(y / unit), lo, hi) - lo)[0].astype(np.int64) if y.ndim == 3 else y

        ends = index(np.tile(np.array([[kind.lo, kind.hi]], np.int64), (kind.shape[0], 1)))
        sign = np.where(ends[:, 0] > ends[:, 1], -1, 1).astype(np.int8)
        flip, steps = sign.astype(np.int64)[:, None], hi - lo
        low = np.tile(np.where(flip > 0, kind.lo, -kind.hi), (1, steps))
        high = np.tile(np.where(flip > 0, kind.hi, -kind.lo) + 1, (1, steps))
        wanted = np.arange(1, steps + 1)[None]
        while (low < high).any():
            middle = (low + high) >> 1
            reached = index(flip * middle) >= wanted
            high, low = np.where((low < high) & reached, middle, high), np.where((low < high) & ~reached, middle + 1, low)
        made = self.build.append(Threshold(self._name(node), (x.name,), low, sign))
        return _Value(made, np.full(kind.shape[0], unit), np.arange(lo, hi + 1, dtype=np.int64))

    def _integers(self, x: _Value) -> _Value:
        if x.levels is None:
            return x
        return replace(x, name=self.build.append(Levels(f"{x.name}_levels", (x.name,), x.levels)), levels=None)

    # ---- layers

    def _product(self, node: onnx.NodeProto, weights: _Weights, codes_shape: tuple[int, ...] | None, window: dict[str, Any]) -> _Value:
        x = self._input(node)
        if x.chain:
            raise InputError(f"QONNX node {node.name!r}: its input is not quantized")
        if (x.scale != x.scale[0]).any():
            raise InputError(f"QONNX node {node.name!r}: its input channels have different scales")
        w, name = weights.integers, self._name(node)
        top = int(np.abs(w).max()) if w.size else 0
        out = np.broadcast_to(weights.scale.reshape(-1), (w.shape[0],)) * float(x.scale[0])
        few = x.levels is not None and x.levels[0] == 0 and x.levels[-1] <= 127 and 1 <= top and 2 * top <= PIECES
        if x.levels is not None and few:
            codes = (w + top).astype(np.uint8)
            codes = codes.reshape(-1, *codes_shape) if codes_shape else codes
            levels = np.arange(-top, top + 1, dtype=np.int64)
            made = self.build.append(PiecewiseConv(name, (x.name,), codes, levels, x.levels, **window))
            return _Value(made, out)
        x = self._integers(x)
        bits = 8 if top <= 127 else 16
        if codes_shape:
            return _Value(self.build.append(Dense(name, (x.name,), w, weight_bits=bits)), out)
        return _Value(self.build.append(Conv(name, (x.name,), w, bits, **window)), out)

    def _weights(self, node: onnx.NodeProto) -> _Weights:
        value = self.values.get(node.input[1])
        if not isinstance(value, _Weights):
            raise InputError(f"QONNX node {node.name!r}: its weights are not quantized")
        return value

    def _conv(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        if given.get("auto_pad", b"NOTSET") != b"NOTSET":
            raise InputError(f"QONNX node {node.name!r}: auto_pad is not supported")
        window = {"stride": tuple(given.get("strides", (1, 1))), "pad": tuple(given.get("pads", (0, 0, 0, 0))),
                  "dilation": tuple(given.get("dilations", (1, 1))), "group": given.get("group", 1)}
        out = self._product(node, self._weights(node), None, window)
        return self._biased(node, out, self._bias(node, 2)) if len(node.input) > 2 else out

    def _bias(self, node: onnx.NodeProto, place: int) -> np.ndarray:
        value = self.values.get(node.input[place])
        if isinstance(value, _Weights):
            return value.integers * value.scale
        return np.asarray(self._constant(node, place, "bias"), np.float64)

    def _biased(self, node: onnx.NodeProto, x: _Value, bias: np.ndarray) -> _Value:
        column = _per_channel(bias)
        return replace(x, chain=(*x.chain, lambda y: y + column))

    def _dense(self, node: onnx.NodeProto, weights: _Weights) -> _Value:
        return self._product(node, weights, self.build.types[self._input(node).name].shape, {})

    def _gemm(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        if given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0 or given.get("transA", 0):
            raise InputError(f"QONNX node {node.name!r}: Gemm with alpha, beta or transA is not supported")
        weights = self._weights(node)
        out = self._dense(node, weights if given.get("transB", 0) else self._transposed(weights))
        return self._add_bias(node, out, self._bias(node, 2)) if len(node.input) > 2 else out

    def _transposed(self, weights: _Weights) -> _Weights:
        return _Weights(weights.integers.T.copy(), weights.scale.T if weights.scale.ndim == 2 else weights.scale)

    def _transpose(self, node: onnx.NodeProto, given: dict[str, Any]) -> Any:
        value = self.values.get(node.input[0])
        if not isinstance(value, _Weights) or list(given.get("perm", [1, 0])) != [1, 0]:
            raise InputError(f"QONNX node {node.name!r}: Transpose of activations is not supported")
        return self._transposed(value)

    def _matmul(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        return self._dense(node, self._transposed(self._weights(node)))

    def _add(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        known = isinstance(self.values.get(node.input[1]), _Weights) or node.input[1] in self.constants
        if not known:
            raise InputError(f"QONNX node {node.name!r}: Add of two activations is not supported (their scales differ)")
        return self._add_bias(node, self._input(node), self._bias(node, 1))

    def _add_bias(self, node: onnx.NodeProto, x: _Value, bias: np.ndarray) -> _Value:
        if not x.chain:
            self.biases[x.name] = bias
        return self._biased(node, x, bias)

    def _folded(self, x: _Value) -> _Value:
        """The last layer with its bias in units of its accumulator."""
        made = next(item for item in self.build.nodes if item.name == x.name)
        if not isinstance(made, Dense) or (x.scale != x.scale[0]).any():
            raise InputError("the last layer must be a dense layer of 8- or 16-bit weights with one scale for all outputs")
        exact = np.broadcast_to(self.biases[x.name].reshape(-1), (made.weight.shape[0],)) / x.scale
        made.bias = np.round(exact).astype(np.int64)
        self.bias_error = float(np.abs(exact - made.bias).max() * x.scale[0])
        return replace(x, chain=())

    def _batchnormalization(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        gamma, beta, mean, var = (_per_channel(self._constant(node, i, "parameters")) for i in range(1, 5))
        gain = gamma / np.sqrt(var + given.get("epsilon", 1e-5))
        x = self._integers(self._input(node))
        return replace(x, chain=(*x.chain, lambda y: (y - mean) * gain + beta))

    def _relu(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        x = self._integers(self._input(node))
        return replace(x, chain=(*x.chain, lambda y: np.maximum(y, 0.0)))

    def _maxpool(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        x = self._input(node)
        if x.chain or given.get("ceil_mode", 0) or tuple(given.get("dilations", (1, 1))) != (1, 1):
            raise InputError(f"QONNX node {node.name!r}: MaxPool of unquantized values, with ceil_mode or dilations is not supported")
        kernel = tuple(given["kernel_shape"])
        return replace(x, name=self.build.append(MaxPool(self._name(node), (x.name,), kernel, tuple(given.get("strides", (1, 1))),  # type: ignore[arg-type]
                                                         tuple(given.get("pads", (0, 0, 0, 0))))))  # type: ignore[arg-type]

    def _globalaveragepool(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        x = self._input(node)
        if x.chain:
            raise InputError(f"QONNX node {node.name!r}: GlobalAveragePool of unquantized values is not supported")
        x = self._integers(x)
        area = int(np.prod(self.build.types[x.name].shape[1:]))
        return replace(x, name=self.build.append(SumPool(self._name(node), (x.name,))), scale=x.scale / area)

    def _flatten(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        if given.get("axis", 1) != 1:
            raise InputError(f"QONNX node {node.name!r}: Flatten at axis {given['axis']} is not supported")
        return self._input(node)

    def _reshape(self, node: onnx.NodeProto, given: dict[str, Any]) -> _Value:
        x, shape = self._input(node), self._constant(node, 1, "shape").tolist()
        size = int(np.prod(self.build.types[x.name].shape))
        if len(shape) != 2 or shape[1] not in (-1, size):
            raise InputError(f"QONNX node {node.name!r}: Reshape to {shape} is not supported")
        return x


def import_qonnx(path: str | Path, shape: tuple[int, int, int] | None = None, value_range: tuple[int, int] = (0, 255)) -> Network:
    """The network file of a QONNX model whose input is the raw image (uint8 values as float).

    shape: (C, H, W), by default the model's own. Raises InputError naming the node that cannot be mapped.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:
        raise InputError(f"{path} is not an ONNX file: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    if shape is None:
        sizes = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
        if len(sizes) != 4 or min(sizes[1:]) < 1:
            raise InputError(f"{path}: its input has shape {sizes}, give (C, H, W)")
        shape = (sizes[1], sizes[2], sizes[3])
    importer = _Importer(model.graph, shape, value_range)
    out = importer.run(model.graph)
    if (out.scale != out.scale[0]).any():
        raise InputError("the outputs have different scales: the last layer needs one weight scale")
    return Network(importer.build.nodes, shape, value_range, output=out.name,
                   meta={"name": Path(path).stem, "source": "qonnx", "output_scale": repr(float(out.scale[0])), "bias_error": repr(importer.bias_error)})
