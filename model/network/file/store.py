"""Saving a network as one ONNX file and loading it back, checked to the last bit."""

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.network.file.model import FORMAT, PREFIX, structure_digest, to_model, weights_digest
from fermatnet.model.network.graph import Network
from fermatnet.model.network.inputs import DTYPES, Input
from fermatnet.model.network.layers import LAYERS
from fermatnet.model.network.node import Node

__all__ = ["load", "save", "sha256"]


def sha256(net: Network) -> str:
    """The hash over the weights that the network's file carries, whether it was saved already or not."""
    return weights_digest(to_model(net))


def save(net: Network, path: str | Path) -> None:
    """Writes the network file; under its final name only when it is whole.

    Parameters
    ----------
    net : to be written
    path : of the file (ONNX); one that exists is replaced

    Raises InputError where the path cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(to_model(net).SerializeToString(deterministic=True))


# metadata that is not the owner's
_STRUCTURE = ("format", "input_range", "input_dims", "sha256", "sha256_structure")
_KEPT_NARROW = ("codes", "sign")  # arrays that a layer holds in the file's own type; all others are int64


def _node(proto: NodeProto, arrays: dict[str, np.ndarray]) -> Node:
    layer = next((candidate for candidate in LAYERS if candidate.op_named(proto.op_type) is not None), None)
    if layer is None:
        raise InputError(f"unknown op {proto.op_type!r}")
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    own = {name.removeprefix(f"{proto.name}."): arrays[name] for name in proto.input if name in arrays}
    if "weight" in own:
        attributes["weight_bits"] = 8 * own["weight"].dtype.itemsize
    inputs = tuple(name for name in proto.input if name not in arrays)
    fields = {
        key: array if key in _KEPT_NARROW and array.itemsize == 1 else array.astype(np.int64)
        for key, array in own.items()
    }
    return layer.read(proto.name, inputs, proto.op_type, attributes, fields)


def _parse(path: Path) -> ModelProto:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a network file")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # protobuf raises its own types; whatever they are, the file is not ONNX
        raise InputError(f"{path}: not an ONNX file, or a truncated one") from error
    if not model.graph.node:
        raise InputError(f"{path}: not an ONNX file, or a truncated one")
    return model


def _checked_meta(model: ModelProto, path: Path) -> dict[str, str]:
    meta = {
        entry.key.removeprefix(PREFIX): entry.value
        for entry in model.metadata_props
        if entry.key.startswith(PREFIX)
    }
    if "format" not in meta:
        raise InputError(
            f"{path}: an ONNX file, but not a fermatnet network (no fermatnet metadata): make one of it by "
            "`fermatnet import FILE --out net.onnx`"
        )
    if meta["format"] != FORMAT:
        raise InputError(f"{path}: network format {meta['format']!r}, this version reads {FORMAT!r}")
    for key, digest, what in (
        ("sha256", weights_digest, "weights"),
        ("sha256_structure", structure_digest, "structure"),
    ):
        if meta.get(key) != digest(model):
            raise InputError(
                f"{path}: the SHA-256 of its {what} does not match: the file is damaged or was edited"
            )
    return meta


def load(path: str | Path) -> Network:
    """Reads and checks a network file.

    Parameters
    ----------
    path : an ONNX file that `save` wrote, of this version or an older one

    Raises InputError with one line on anything that is wrong, naming the layer; nothing is half-loaded.
    """
    path = Path(path)
    model = _parse(path)
    try:
        meta = _checked_meta(model, path)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: the SHA-256 cannot be taken, the file is damaged ({type(error).__name__})"
        ) from error
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, array in arrays.items():
        if array.dtype.kind not in "iu":
            raise InputError(f"{path}: array {name!r} must hold integers, not {array.dtype}")
    nodes = [_read(proto, arrays, path) for proto in model.graph.node]
    if not model.graph.input or not model.graph.output:
        raise InputError(f"{path}: a network has inputs and outputs, this file lacks them")
    inputs = [
        _input(proto, meta, f".{proto.name}" if k else "", path) for k, proto in enumerate(model.graph.input)
    ]
    extra = {key: value for key, value in meta.items() if key.partition(".")[0] not in _STRUCTURE}
    extra["sha256"] = meta["sha256"]
    try:
        first, outputs = inputs[0], tuple(proto.name for proto in model.graph.output)
        net = Network(
            nodes,
            first.dims,
            (first.lo, first.hi),
            first.name,
            meta=extra,
            input_dtype=first.dtype,
            more_inputs=tuple(inputs[1:]),
            outputs=outputs,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    _need_all_understood(model, to_model(net), path)
    return net


def _input(proto: ValueInfoProto, meta: dict[str, str], suffix: str, path: Path) -> Input:
    kind = proto.type.tensor_type
    shape = tuple(dim.dim_value for dim in kind.shape.dim[1:])
    dtype = next((name for name in DTYPES if kind.elem_type == getattr(TensorProto, name.upper())), None)
    if dtype is None:
        raise InputError(f"{path}: input {proto.name!r} must hold {', '.join(DTYPES)}")
    range_text, dims = meta.get(f"input_range{suffix}", ""), meta.get(f"input_dims{suffix}")
    span = re.fullmatch(r"(-?\d{1,5}),(-?\d{1,5})", range_text)
    if span is None:
        raise InputError(
            f"{path}: input {proto.name!r}: input_range must be two numbers of its type, not {range_text!r}"
        )
    if dims is not None and not re.fullmatch(r"\d{1,9}(,\d{1,9})?", dims):
        raise InputError(f"{path}: input_dims must be one or two numbers, not {dims!r}")
    try:
        net_input = Input(
            proto.name, tuple(map(int, dims.split(","))) if dims else shape, int(span[1]), int(span[2]), dtype
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if net_input.shape != shape:
        raise InputError(f"{path}: input_dims {dims} is not the input's shape {shape}")
    return net_input


def _read(proto: NodeProto, arrays: dict[str, np.ndarray], path: Path) -> Node:
    try:
        return _node(proto, arrays)
    except InputError as error:
        raise InputError(f"{path}: layer {proto.name!r}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{path}: layer {proto.name!r}: its attributes and arrays are not those of a {proto.op_type}"
        ) from error


def _need_all_understood(model: ModelProto, again: ModelProto, path: Path) -> None:
    """Another reader (onnxruntime) goes by all that the file says, so nothing may stand there that would be
    written differently."""
    for proto, own in zip(model.graph.node, again.graph.node, strict=True):
        if proto != own:
            raise InputError(
                f"{path}: layer {proto.name!r}: its attributes, inputs or outputs are not what this version "
                "writes for it"
            )
    kinds, known = (
        {tensor.name: (tensor.data_type, tuple(tensor.dims)) for tensor in m.graph.initializer}
        for m in (model, again)
    )
    for name in sorted(kinds.keys() | known.keys()):
        if kinds.get(name) != known.get(name):
            raise InputError(
                f"{path}: array {name!r} is read by no layer, or has another type or shape than its layer "
                "needs"
            )
    for what in ("input", "output"):
        if getattr(model.graph, what) != getattr(again.graph, what):
            raise InputError(f"{path}: the type or shape of its {what} is not what its layers give")
    meaning, ours = ({function.name: list(function.node) for function in m.functions} for m in (model, again))
    for name in ours:
        if meaning.get(name) != ours[name]:
            raise InputError(f"{path}: it defines the op {name} in another way than this version")
