"""A TensorFlow Lite file as plain data: tensors with their quantization, operators with all their options,
checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.tflite.operators import OPERATORS, read_options

__all__ = ["Model", "Operation", "Tensor", "is_tflite", "parse"]

_TYPES = {
    getattr(tflite.TensorType, name.upper()): name
    for name in ("int8", "int32", "float32", "uint8", "int16", "int64")
}
_SYMMETRIC = {"int32", "int64"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """``scale`` float64 (1,) or (channels,) along ``axis``, empty where the tensor is not quantized; ``data``
    where it is constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: np.ndarray
    zero: np.ndarray
    axis: int
    data: np.ndarray | None

    @property
    def one_scale(self) -> float:
        """The scale of a tensor that is quantized as a whole; InputError where it has several or none."""
        if len(self.scale) != 1:
            raise InputError(f"tensor {self.name!r} must have one scale, not {len(self.scale) or 'none'}")
        return float(self.scale[0])

    @property
    def one_zero(self) -> int:
        """The zero point, 0 where the file has none."""
        return int(self.zero[0]) if len(self.zero) else 0


@dataclass(frozen=True, eq=False)
class Operation:
    """One operator: ``inputs`` are tensor numbers, -1 where an optional one is left out."""

    kind: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Model:
    """The main graph of a file."""

    tensors: list[Tensor]
    operations: list[Operation]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def is_tflite(data: bytes) -> bool:
    """Whether a file's first bytes are those of a TensorFlow Lite flatbuffer."""
    return data[4:8] == b"TFL3"


def _tensor(model: Any, tensor: Any) -> Tensor:
    name = (tensor.Name() or b"").decode(errors="replace")
    if tensor.Type() not in _TYPES:
        raise InputError(
            f"tensor {name!r} has a type that is not read (number {tensor.Type()}); quantize the model to "
            "int8"
        )
    if tensor.IsVariable() or tensor.Sparsity() is not None:
        raise InputError(
            f"tensor {name!r} is a variable or sparse: convert the model without state and without sparsity"
        )
    dtype = _TYPES[tensor.Type()]
    shape = tuple(int(d) for d in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    scale, zero, axis = np.zeros(0), np.zeros(0, np.int64), 0
    quantization = tensor.Quantization()
    if quantization is not None and quantization.ScaleLength():
        scale = quantization.ScaleAsNumpy().astype(np.float64)
        zero = (
            quantization.ZeroPointAsNumpy().astype(np.int64)
            if quantization.ZeroPointLength()
            else np.zeros(1, np.int64)
        )
        axis = quantization.QuantizedDimension()
        if quantization.DetailsType():
            raise InputError(f"tensor {name!r} has a custom quantization that is not read")
        if not np.isfinite(scale).all() or (scale <= 0).any():
            raise InputError(f"tensor {name!r} has a scale that is not a positive number")
    buffer = model.Buffers(tensor.Buffer())
    data = None
    if buffer is not None and buffer.DataLength():
        raw = buffer.DataAsNumpy()
        if raw.nbytes != int(np.prod(shape)) * np.dtype(dtype).itemsize:
            raise InputError(f"tensor {name!r}: {raw.nbytes} bytes do not fill its shape {shape}")
        data = np.frombuffer(raw.tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return Tensor(name, shape, dtype, scale, zero, axis, data)


def _operation(model: Any, operator: Any, tensors: list[Tensor]) -> Operation:
    code = model.OperatorCodes(operator.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = tflite.opcode2name(number)
    outputs = tuple(int(t) for t in operator.OutputsAsNumpy())
    inputs = tuple(int(t) for t in operator.InputsAsNumpy()) if operator.InputsLength() else ()
    name = tensors[outputs[0]].name if outputs else kind
    if code.CustomCode() is not None:
        raise InputError(
            f"layer {name!r} is the custom operator {code.CustomCode().decode(errors='replace')!r}, which "
            "is not read"
        )
    if kind not in OPERATORS:
        raise InputError(f"layer {name!r}: {kind} is not read; read are {', '.join(sorted(OPERATORS))}")
    return Operation(kind, name, inputs, outputs, read_options(operator, kind, name))


def parse(path: str | Path) -> Model:
    """The main graph; InputError in one line for a file that is damaged, has several graphs, or holds what is
    not read."""
    path = Path(path)
    data = path.read_bytes()
    if not is_tflite(data):
        raise InputError(f"{path}: not a TensorFlow Lite file (its identifier is missing)")
    try:
        model = tflite.Model.GetRootAsModel(data, 0)
        if model.Version() != 3:
            raise InputError(f"{path}: TensorFlow Lite schema {model.Version()}, this version reads 3")
        if model.SubgraphsLength() != 1:
            raise InputError(
                f"{path}: holds {model.SubgraphsLength()} graphs; convert it without control flow"
            )
        graph = model.Subgraphs(0)
        tensors = [_tensor(model, graph.Tensors(k)) for k in range(graph.TensorsLength())]
        operations = [_operation(model, graph.Operators(k), tensors) for k in range(graph.OperatorsLength())]
        ends = [tuple(int(t) for t in part) for part in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())]
    except InputError as error:
        raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    except Exception as error:
        # flatbuffers raises struct, index and type errors of its own on a damaged file
        raise InputError(
            f"{path}: a damaged or truncated TensorFlow Lite file: fetch or convert it again"
        ) from error
    return Model(tensors, operations, ends[0], ends[1])
