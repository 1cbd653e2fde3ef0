"""From the operators of a TensorFlow Lite int8 model to the layers of a network file, integer for integer."""

from dataclasses import replace
from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.ends import End, network_of
from fermatnet.model.exchange.tflite.file import Model, Operation, Tensor, parse
from fermatnet.model.exchange.tflite.layers import Layers
from fermatnet.model.exchange.tflite.operands import INT8
from fermatnet.model.network import Network
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.inputs import Input

__all__ = ["read"]

_TAILS = ("SOFTMAX", "LOGISTIC", "DEQUANTIZE")  # monotone ends that the hardware leaves to the host


def _entries(model: Model, operations: list[Operation], taken: list[str]) -> list[int]:
    """The int8 tensor of every input; a QUANTIZE of a float one is taken off ``operations``."""
    found = []
    for number in model.inputs:
        readers = [operation for operation in operations if number in operation.inputs]
        if model.tensors[number].dtype == "float32" and [one.kind for one in readers] == ["QUANTIZE"]:
            number = readers[0].outputs[0]
            taken.append(f"QUANTIZE at the input: give the integers of {model.tensors[number].name!r}")
            operations.remove(readers[0])
        found.append(number)
    return found


def _ends(model: Model, operations: list[Operation], taken: list[str]) -> list[int]:
    """The last int8 tensor before every output; what is after it is taken off ``operations``."""
    found = []
    for number in model.outputs:
        while True:
            maker = next((one for one in operations if number in one.outputs), None)
            read = any(number in one.inputs for one in operations)
            if maker is None or maker.kind not in _TAILS or read:
                break
            operations.remove(maker)
            number = maker.inputs[0]
            taken.append(
                f"{maker.kind} at the end: what comes out are the integers of {model.tensors[number].name!r}"
            )
        found.append(number)
    return found


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
    last quantized tensor. Several inputs and outputs have the file's names, and the metadata hold the scales
    of all but the first under ``input_scale.NAME`` and so on.
    Raises InputError in one line that names the layer: operators, options, types and shapes that are not
    read.
    """
    model = parse(path)
    try:
        return _network(model)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _network(model: Model) -> Network:
    if not model.inputs or not model.outputs:
        raise InputError(f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs")
    operations, taken = list(model.operations), list[str]()
    entries, lasts = _entries(model, operations, taken), _ends(model, operations, taken)
    inputs = {
        _input(model, number, tensor): End(
            model.tensors[number].name, tensor.name, "", tensor.one_scale, tensor.one_zero
        )
        for number, tensor in zip(model.inputs, (model.tensors[entry] for entry in entries), strict=True)
    }
    layers = _layers(model, operations, entries, list(inputs))
    outputs = []
    for number, last in zip(model.outputs, lasts, strict=True):
        end = model.tensors[last]
        if last not in layers.operands.names:
            raise InputError(f"its output {end.name!r} is written by no layer")
        name = layers.operands.names[last]
        outputs.append(End(model.tensors[number].name, end.name, name, end.one_scale, end.one_zero))
    meta = {"source": "tflite", **({"taken_off": "; ".join(taken)} if taken else {})}
    named = {one: replace(end, layer=one.name) for one, end in inputs.items()}
    return network_of(layers.builder, named, outputs, meta)


def _input(model: Model, number: int, tensor: Tensor) -> Input:
    """The network's input for the file's input ``number``, whose integers are ``tensor``."""
    if tensor.dtype != "int8":
        raise InputError(
            f"its input {tensor.name!r} is {tensor.dtype}; quantize the model to int8, its input too"
        )
    name = model.tensors[number].name if len(model.inputs) > 1 else "image"
    return Input(name, _dims(tensor), *INT8, "int8")


def _layers(model: Model, operations: list[Operation], entries: list[int], inputs: list[Input]) -> Layers:
    if not operations:
        raise InputError("it has no layer between its input and its output")
    builder = Builder(inputs[0].shape, INT8, inputs[0].name)
    for one in inputs[1:]:
        if one.name in builder.types:
            raise InputError(f"two of its inputs are called {one.name!r}: call one otherwise")
        builder.types[one.name] = one.type
    layers = Layers(model, builder)
    for entry, one in zip(entries, inputs, strict=True):
        layers.put(entry, one.name)
    for operation in operations:
        layers.add(operation)
    return layers
