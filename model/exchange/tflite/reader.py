"""From the operators of a TensorFlow Lite int8 model to the layers of a network file, integer for integer."""

from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.tflite.file import Model, Operation, Tensor, parse
from fermatnet.model.exchange.tflite.layers import Layers
from fermatnet.model.network import Network
from fermatnet.model.network.builder import Builder

__all__ = ["read"]

_TAILS = ("SOFTMAX", "LOGISTIC", "DEQUANTIZE")  # monotone ends that the hardware leaves to the host


def _entry(model: Model) -> Tensor:
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is read"
        )
    return model.tensors[model.inputs[0]]


def _body(model: Model) -> tuple[list[Operation], int, int, list[str]]:
    """(operations between the int8 input and the last int8 tensor, these two tensors, what was taken off)."""
    operations, first, last = list(model.operations), model.inputs[0], model.outputs[0]
    taken = []
    if operations and operations[0].kind == "QUANTIZE" and model.tensors[first].dtype == "float32":
        taken.append(
            f"QUANTIZE at the input: give the integers of {model.tensors[operations[0].outputs[0]].name!r}"
        )
        first = operations.pop(0).outputs[0]
    while operations and operations[-1].kind in _TAILS and operations[-1].outputs[0] == last:
        end = operations.pop()
        last = end.inputs[0]
        taken.append(
            f"{end.kind} at the end: what comes out are the integers of {model.tensors[last].name!r}"
        )
    return operations, first, last, taken


def _dims(tensor: Tensor) -> tuple[int, ...]:
    """(H, W, C) -> (C, H, W); vectors and rows of channels as they are."""
    if not tensor.shape or tensor.shape[0] != 1:
        raise InputError(f"tensor {tensor.name!r} must have a batch of 1, not shape {tensor.shape}")
    inner = tensor.shape[1:]
    if len(inner) == 3:
        return (inner[2], inner[0], inner[1])
    if len(inner) == 2:
        return (inner[1], inner[0])
    if len(inner) == 1:
        return inner
    raise InputError(f"tensor {tensor.name!r} has {len(tensor.shape)} dimensions; 2 to 4 are read")


def read(path: str | Path) -> Network:
    """The network of an int8 file. Metadata: ``source`` "tflite", ``source_input`` and ``source_output``
    (tensor names), ``input_scale``, ``input_zero``, ``output_scale``, ``output_zero``, ``taken_off``.

    Input: int8 (n, C, H, W), or the vector, whatever layout the file has; output: the integers of the file's
    last quantized tensor.
    Raises InputError in one line that names the layer: operators, options, types and shapes that are not
    read.
    """
    model = parse(path)
    try:
        return _network(model)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _network(model: Model) -> Network:
    _entry(model)
    operations, first, last, taken = _body(model)
    if not operations:
        raise InputError("it has no layer between its input and its output")
    entry, end = model.tensors[first], model.tensors[last]
    if entry.dtype != "int8":
        raise InputError(
            f"its input {entry.name!r} is {entry.dtype}; quantize the model to int8, its input too"
        )
    dims = _dims(entry)
    builder = Builder(dims if len(dims) == 3 else (dims[0], 1, dims[1] if len(dims) == 2 else 1), (-128, 127))
    layers = Layers(model, builder)
    layers.put(first, "image")
    for operation in operations:
        layers.add(operation)
    if last not in layers.operands.names:
        raise InputError(f"its output {end.name!r} is written by no layer")
    meta = {
        "source": "tflite",
        "source_input": entry.name,
        "source_output": end.name,
        "input_scale": repr(entry.one_scale),
        "input_zero": str(entry.one_zero),
        "output_scale": repr(end.one_scale),
        "output_zero": str(end.one_zero),
        **({"taken_off": "; ".join(taken)} if taken else {}),
    }
    output = layers.operands.names[last]
    return Network(builder.needed(output), dims, (-128, 127), output=output, meta=meta, input_dtype="int8")
