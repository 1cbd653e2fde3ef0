"""Saving a network as one ONNX file and loading it back, checked to the last bit."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    Threshold,
)
from fermatnet.model.network.onnx_functions import DOMAIN, OPSET, function
from fermatnet.model.network.rules import sum_kernel

__all__ = ["load", "save", "sha256", "to_model"]

_FORMAT = "1"
_PREFIX = "fermatnet."


def _op(node: Node, net: Network) -> str:
    if isinstance(node, Conv):
        return f"ConvInt{node.weight_bits}"
    if isinstance(node, Concat):
        return f"Concat{len(node.inputs)}"
    if isinstance(node, MaxPool) and net.is_index(node.name):
        return "MaxPoolIndex"
    return type(node).__name__


def _window(node: Any) -> dict[str, Any]:
    return {"strides": list(node.stride), "pads": list(node.pad), "dilations": list(node.dilation), "group": node.group}


def _attributes(node: Node, net: Network) -> dict[str, Any]:
    if isinstance(node, Conv):
        zero = {"x_zero": 128 if net.types[node.inputs[0]].signed else 0} if node.weight_bits == 8 else {}
        return {**_window(node), **zero, "engine": node.engine, "moduli": [0, *node.moduli], "length": node.length}
    if isinstance(node, PiecewiseConv):
        return _window(node)
    if isinstance(node, Affine):
        return {"divisor": 1 << node.shift, "lo": node.lo, "hi": node.hi}
    if isinstance(node, MaxPool):
        return {"kernel_shape": list(node.kernel), "strides": list(node.stride), "pads": list(node.pad)}
    if isinstance(node, SumPool):
        x = net.types[node.inputs[0]]
        kh, kw = sum_kernel(node, x)
        return {"blocks": [-1, x.shape[0], x.shape[1] // kh, kh, x.shape[2] // kw, kw]}
    return {}


# the arrays of each node type and the type they are stored in ("w": int8 or int16 by weight_bits)
_ARRAYS: dict[type[Node], dict[str, str]] = {
    Conv: {"weight": "w"}, PiecewiseConv: {"codes": "u1", "levels_w": "i1", "levels_a": "i1"},
    Threshold: {"thresholds": "i8", "sign": "i1"}, Affine: {"multiplier": "i8", "offset": "i8"},
    Levels: {"levels": "i8"}, Dense: {"weight": "w", "bias": "i8"},
}


def _arrays(node: Node) -> dict[str, np.ndarray]:
    arrays = {}
    for name, kind in _ARRAYS.get(type(node), {}).items():
        value = getattr(node, name)
        if name == "bias" and value.size == 0:
            value = np.zeros(node.weight.shape[0], np.int64)  # type: ignore[attr-defined]
        arrays[name] = value.astype(f"i{node.weight_bits // 8}" if kind == "w" else kind)  # type: ignore[attr-defined]
    return arrays


def _digest(model: ModelProto) -> str:
    """SHA-256 over the initializers: name, type, shape and bytes of each, in file order."""
    digest = hashlib.sha256()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        digest.update(f"{tensor.name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _structure_digest(model: ModelProto) -> str:
    """SHA-256 over everything else: nodes, functions, tensor types and the metadata but for the two hashes."""
    bare = ModelProto()
    bare.CopyFrom(model)
    del bare.graph.initializer[:]
    kept = [entry for entry in model.metadata_props if not entry.key.startswith(f"{_PREFIX}sha256")]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def to_model(net: Network) -> ModelProto:
    """The ONNX model of a network: one node a layer in the domain ``fermatnet``, functions, initializers, metadata."""
    nodes, initializers = [], []
    for node in net.nodes:
        arrays = _arrays(node)
        initializers += [numpy_helper.from_array(np.ascontiguousarray(array), f"{node.name}.{name}") for name, array in arrays.items()]
        inputs = [*node.inputs, *(f"{node.name}.{name}" for name in arrays)]
        nodes.append(helper.make_node(_op(node, net), inputs, [node.name], name=node.name, domain=DOMAIN, **_attributes(node, net)))
    image = helper.make_tensor_value_info(net.input_name, TensorProto.UINT8, ["batch", *net.input_shape])
    kind = TensorProto.UINT8 if net.is_index(net.output) else TensorProto.INT64
    result = helper.make_tensor_value_info(net.output, kind, ["batch", *net.types[net.output].shape])
    graph = helper.make_graph(nodes, "fermatnet", [image], [result], initializers)
    for name, tensor in net.types.items():  # shapes and ranges for readers such as Netron
        if name not in (net.input_name, net.output):
            info = helper.make_tensor_value_info(name, TensorProto.UINT8 if net.is_index(name) else TensorProto.INT64, ["batch", *tensor.shape])
            info.doc_string = f"values {tensor.lo}..{tensor.hi}"
            graph.value_info.append(info)
    functions = [function(op) for op in sorted({node.op_type for node in nodes})]
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=10, producer_name="fermatnet")
    entries = {**net.meta, "format": _FORMAT, "input_range": f"{net.input_range[0]},{net.input_range[1]}", "sha256": _digest(model)}
    helper.set_model_props(model, {_PREFIX + key: str(value) for key, value in sorted(entries.items())})
    digest = _structure_digest(model)
    model.metadata_props.append(onnx.StringStringEntryProto(key=f"{_PREFIX}sha256_structure", value=digest))
    return model


def sha256(net: Network) -> str:
    """The hash over the weights that the network's file carries, whether it was saved already or not."""
    return _digest(to_model(net))


def save(net: Network, path: str | Path) -> None:
    """Writes the network file; under its final name only when it is whole."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(to_model(net).SerializeToString(deterministic=True))


def _node(proto: NodeProto, arrays: dict[str, np.ndarray]) -> Node:
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    own = {name: arrays[name] for name in proto.input if name in arrays}
    inputs = tuple(name for name in proto.input if name not in arrays)
    fields: dict[str, Any] = {}
    for name, array in own.items():
        key = name.removeprefix(f"{proto.name}.")
        fields[key] = array if array.dtype in (np.uint8, np.int8) and key in ("codes", "sign") else array.astype(np.int64)
    if "strides" in attributes and proto.op_type not in ("MaxPool", "MaxPoolIndex"):
        fields |= {"stride": tuple(attributes["strides"]), "pad": tuple(attributes["pads"]), "dilation": tuple(attributes["dilations"]),
                   "group": attributes["group"]}
    kind = proto.op_type.rstrip("0123456789")
    if kind == "ConvInt":
        fields |= {"engine": attributes["engine"].decode(), "moduli": tuple(attributes["moduli"][1:]), "length": attributes["length"],
                   "weight_bits": int(proto.op_type.removeprefix("ConvInt"))}
        return Conv(proto.name, inputs, **fields)
    if kind == "Affine":
        divisor = attributes["divisor"]
        if divisor < 1 or divisor & (divisor - 1):
            raise InputError(f"divisor must be a power of two, not {divisor}")
        return Affine(proto.name, inputs, **fields, shift=divisor.bit_length() - 1, lo=attributes["lo"], hi=attributes["hi"])
    if kind in ("MaxPool", "MaxPoolIndex"):
        return MaxPool(proto.name, inputs, tuple(attributes["kernel_shape"]), tuple(attributes["strides"]), tuple(attributes["pads"]))
    if kind == "SumPool":
        return SumPool(proto.name, inputs, (attributes["blocks"][3], attributes["blocks"][5]))
    if kind == "Dense":
        return Dense(proto.name, inputs, **fields, weight_bits=8 * arrays[f"{proto.name}.weight"].dtype.itemsize)
    types: dict[str, type[Node]] = {t.__name__: t for t in (PiecewiseConv, Threshold, Levels, Add, Concat, ArgMax)}
    if kind not in types:
        raise InputError(f"unknown op {proto.op_type!r}")
    return types[kind](proto.name, inputs, **fields)


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
    meta = {entry.key.removeprefix(_PREFIX): entry.value for entry in model.metadata_props if entry.key.startswith(_PREFIX)}
    if "format" not in meta:
        raise InputError(f"{path}: an ONNX file, but not a fermatnet network (no fermatnet metadata)")
    if meta["format"] != _FORMAT:
        raise InputError(f"{path}: network format {meta['format']!r}, this version reads {_FORMAT!r}")
    for key, digest, what in (("sha256", _digest, "weights"), ("sha256_structure", _structure_digest, "structure")):
        if meta.get(key) != digest(model):
            raise InputError(f"{path}: the SHA-256 of its {what} does not match: the file is damaged or was edited")
    return meta


def load(path: str | Path) -> Network:
    """Reads and checks a network file; InputError with one line on anything that is wrong, naming the layer."""
    path = Path(path)
    model = _parse(path)
    try:
        meta = _checked_meta(model, path)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: the SHA-256 cannot be taken, the file is damaged ({type(error).__name__})") from error
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for proto in model.graph.node:
        try:
            nodes.append(_node(proto, arrays))
        except (InputError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{path}: layer {proto.name!r}: {error}") from error
    image = model.graph.input[0]
    shape = tuple(dim.dim_value for dim in image.type.tensor_type.shape.dim[1:])
    lo, hi = (int(part) for part in meta["input_range"].split(","))
    extra = {key: value for key, value in meta.items() if key not in ("format", "input_range", "sha256", "sha256_structure")}
    extra["sha256"] = meta["sha256"]
    try:
        return Network(nodes, shape, (lo, hi), image.name, model.graph.output[0].name, extra)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
