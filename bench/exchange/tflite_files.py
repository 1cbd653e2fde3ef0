"""Small TensorFlow Lite files, written through the schema's builder functions."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite


@dataclass
class Tensor:
    name: str
    shape: tuple[int, ...]
    scale: Any = 0.1
    zero: int = 0
    dtype: str = "int8"
    axis: int = 0
    data: np.ndarray | None = None


@dataclass
class Op:
    kind: str
    inputs: list[int]
    outputs: list[int]
    options: dict[str, Any] = field(default_factory=dict)
    table: str = ""


def _vector(b: flatbuffers.Builder, values: list[int], start: Any, push: Any) -> int:
    start(b, len(values))
    for value in reversed(values):
        push(value)
    return b.EndVector()


def _quantization(b: flatbuffers.Builder, tensor: Tensor) -> int:
    scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
    scale = b.CreateNumpyVector(scales)
    zero = b.CreateNumpyVector(np.full(len(scales), tensor.zero, np.int64))
    tflite.QuantizationParametersStart(b)
    tflite.QuantizationParametersAddScale(b, scale)
    tflite.QuantizationParametersAddZeroPoint(b, zero)
    tflite.QuantizationParametersAddQuantizedDimension(b, tensor.axis)
    return tflite.QuantizationParametersEnd(b)


def _tensor(b: flatbuffers.Builder, tensor: Tensor, buffer: int) -> int:
    name, shape = b.CreateString(tensor.name), b.CreateNumpyVector(np.array(tensor.shape, np.int32))
    quantization = _quantization(b, tensor) if tensor.scale is not None else None
    tflite.TensorStart(b)
    tflite.TensorAddName(b, name)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, getattr(tflite.TensorType, tensor.dtype.upper()))
    tflite.TensorAddBuffer(b, buffer)
    if quantization is not None:
        tflite.TensorAddQuantization(b, quantization)
    return tflite.TensorEnd(b)


def _operator(b: flatbuffers.Builder, op: Op, code: int) -> int:
    inputs = b.CreateNumpyVector(np.array(op.inputs, np.int32))
    outputs = b.CreateNumpyVector(np.array(op.outputs, np.int32))
    options = None
    if op.table:
        getattr(tflite, f"{op.table}Start")(b)
        for key, value in op.options.items():
            getattr(tflite, f"{op.table}Add{key}")(b, value)
        options = getattr(tflite, f"{op.table}End")(b)
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, op.table))
        tflite.OperatorAddBuiltinOptions(b, options)
    return tflite.OperatorEnd(b)


def _code(b: flatbuffers.Builder, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind)
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
    tflite.OperatorCodeAddBuiltinCode(b, number)
    tflite.OperatorCodeAddVersion(b, 1)
    return tflite.OperatorCodeEnd(b)


def _offsets(b: flatbuffers.Builder, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return b.EndVector()


def _buffer(b: flatbuffers.Builder, data: np.ndarray | None) -> int:
    vector = None if data is None else b.CreateNumpyVector(np.frombuffer(data.tobytes(), np.uint8))
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return tflite.BufferEnd(b)


def write(path: Path, tensors: list[Tensor], ops: list[Op], inputs: list[int], outputs: list[int]) -> Path:
    """A file of one graph; buffer 0 is empty, as the schema asks."""
    b = flatbuffers.Builder(1024)
    buffers = [_buffer(b, None)] + [_buffer(b, tensor.data) for tensor in tensors]
    kinds = list(dict.fromkeys(op.kind for op in ops))
    codes = [_code(b, kind) for kind in kinds]
    made = [_tensor(b, tensor, k + 1) for k, tensor in enumerate(tensors)]
    operators = [_operator(b, op, kinds.index(op.kind)) for op in ops]
    parts = [_offsets(b, made), _offsets(b, operators)]
    ends = [b.CreateNumpyVector(np.array(end, np.int32)) for end in (inputs, outputs)]
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, parts[0])
    tflite.SubGraphAddOperators(b, parts[1])
    tflite.SubGraphAddInputs(b, ends[0])
    tflite.SubGraphAddOutputs(b, ends[1])
    graph = tflite.SubGraphEnd(b)
    graphs, codes_at, buffers_at = _offsets(b, [graph]), _offsets(b, codes), _offsets(b, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes_at)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffers_at)
    b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
    path.write_bytes(bytes(b.Output()))
    return path


def residual(path: Path, seed: int = 0, activation: int = 1, **changes: Any) -> Path:
    """The file of `residual_parts`."""
    return write(path, *residual_parts(seed, activation, **changes), [0], [17])


def residual_parts(seed: int = 0, activation: int = 1, **changes: Any) -> tuple[list[Tensor], list[Op]]:
    """8x8x3 -> conv 3x3 "same" -> depthwise 3x3 stride 2 -> conv 1x1 -> sum of both -> mean -> dense of 5 ->
    softmax. ``changes``: of the first convolution's options.
    """
    rng = np.random.default_rng(seed)

    def weights(name: str, shape: tuple[int, ...], axis: int) -> Tensor:
        scale = rng.uniform(0.004, 0.02, shape[axis])
        return Tensor(name, shape, scale, axis=axis, data=rng.integers(-127, 128, shape).astype(np.int8))

    def bias(name: str, count: int) -> Tensor:
        return Tensor(name, (count,), 0.001, dtype="int32", data=rng.integers(-900, 900, count, np.int32))

    tensors = [
        Tensor("image", (1, 8, 8, 3), 0.02, -5),
        weights("w1", (4, 3, 3, 3), 0),
        bias("b1", 4),
        Tensor("a", (1, 8, 8, 4), 0.11, -128),
        weights("w2", (1, 3, 3, 4), 3),
        bias("b2", 4),
        Tensor("b", (1, 4, 4, 4), 0.3, -17),
        weights("w3", (4, 1, 1, 4), 0),
        bias("b3", 4),
        Tensor("c", (1, 4, 4, 4), 0.21, 4),
        Tensor("d", (1, 4, 4, 4), 0.37, -30),
        Tensor("e", (1, 1, 1, 4), 0.37, -30),
        Tensor("shape", (2,), None, dtype="int32", data=np.array([1, 4], np.int32)),
        Tensor("f", (1, 4), 0.37, -30),
        Tensor("w4", (5, 4), 0.013, data=rng.integers(-127, 128, (5, 4)).astype(np.int8)),
        bias("b4", 5),
        Tensor("logits", (1, 5), 0.2, 9),
        Tensor("probabilities", (1, 5), 1 / 256, -128),
    ]
    first = {"Padding": 0, "StrideW": 1, "StrideH": 1, "FusedActivationFunction": activation, **changes}
    second = {"Padding": 0, "StrideW": 2, "StrideH": 2, "DepthMultiplier": 1}
    pool = {"Padding": 1, "StrideW": 4, "StrideH": 4, "FilterWidth": 4, "FilterHeight": 4}
    ops = [
        Op("CONV_2D", [0, 1, 2], [3], first, "Conv2DOptions"),
        Op("DEPTHWISE_CONV_2D", [3, 4, 5], [6], second, "DepthwiseConv2DOptions"),
        Op("CONV_2D", [6, 7, 8], [9], {"Padding": 1, "StrideW": 1, "StrideH": 1}, "Conv2DOptions"),
        Op("ADD", [6, 9], [10], {"FusedActivationFunction": 0}, "AddOptions"),
        Op("AVERAGE_POOL_2D", [10], [11], pool, "Pool2DOptions"),
        Op("RESHAPE", [11, 12], [13], {}, "ReshapeOptions"),
        Op("FULLY_CONNECTED", [13, 14, 15], [16], {"FusedActivationFunction": 0}, "FullyConnectedOptions"),
        Op("SOFTMAX", [16], [17], {"Beta": 1.0}, "SoftmaxOptions"),
    ]
    return tensors, ops
