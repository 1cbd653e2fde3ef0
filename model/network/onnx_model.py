"""A network as one ONNX model: a node a layer in the domain ``fermatnet``, functions that say what each op
means, weights, metadata."""

import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import (
    Affine,
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

__all__ = ["FORMAT", "PREFIX", "structure_digest", "to_model", "weights_digest"]

FORMAT = "1"
PREFIX = "fermatnet."


def _op(node: Node, net: Network) -> str:
    if isinstance(node, Conv):
        return f"ConvInt{node.weight_bits}"
    if isinstance(node, Concat):
        # the image comes as uint8, other integers as int64
        mixed = not net.is_index(node.name) and net.input_name in node.inputs
        return f"Concat{'Int' if mixed else ''}{len(node.inputs)}"
    if isinstance(node, MaxPool) and net.is_index(node.name):
        return "MaxPoolIndex"
    return type(node).__name__


def _window(node: Any) -> dict[str, Any]:
    return {
        "strides": list(node.stride),
        "pads": list(node.pad),
        "dilations": list(node.dilation),
        "group": node.group,
    }


def _attributes(node: Node, net: Network) -> dict[str, Any]:
    if isinstance(node, Conv):
        zero = {"x_zero": 128 if net.types[node.inputs[0]].signed else 0} if node.weight_bits == 8 else {}
        return {
            **_window(node),
            **zero,
            "engine": node.engine,
            "moduli": [0, *node.moduli],
            "length": node.length,
        }
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
    Conv: {"weight": "w"},
    PiecewiseConv: {"codes": "u1", "levels_w": "i1", "levels_a": "i1"},
    Threshold: {"thresholds": "i8", "sign": "i1"},
    Affine: {"multiplier": "i8", "offset": "i8"},
    Levels: {"levels": "i8"},
    Dense: {"weight": "w", "bias": "i8"},
}


def _arrays(node: Node) -> dict[str, np.ndarray]:
    arrays = {}
    for name, kind in _ARRAYS.get(type(node), {}).items():
        value = getattr(node, name)
        if name == "bias" and value.size == 0:
            value = np.zeros(node.weight.shape[0], np.int64)  # type: ignore[attr-defined]
        arrays[name] = value.astype(f"i{node.weight_bits // 8}" if kind == "w" else kind)  # type: ignore[attr-defined]
    return arrays


def weights_digest(model: ModelProto) -> str:
    """SHA-256 over the initializers: name, type, shape and bytes of each, in file order."""
    digest = hashlib.sha256()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        digest.update(f"{tensor.name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def structure_digest(model: ModelProto) -> str:
    """SHA-256 over everything else: nodes, functions, tensor types and the metadata but for the two
    hashes."""
    bare = ModelProto()
    bare.CopyFrom(model)
    del bare.graph.initializer[:]
    kept = [entry for entry in model.metadata_props if not entry.key.startswith(f"{PREFIX}sha256")]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def to_model(net: Network) -> ModelProto:
    """The ONNX model of a network: one node a layer in the domain ``fermatnet``, functions, initializers,
    metadata."""
    nodes, initializers = [], []
    for node in net.nodes:
        arrays = _arrays(node)
        initializers += [
            numpy_helper.from_array(np.ascontiguousarray(array), f"{node.name}.{name}")
            for name, array in arrays.items()
        ]
        inputs = [*node.inputs, *(f"{node.name}.{name}" for name in arrays)]
        nodes.append(
            helper.make_node(
                _op(node, net), inputs, [node.name], name=node.name, domain=DOMAIN, **_attributes(node, net)
            )
        )
    image = helper.make_tensor_value_info(net.input_name, TensorProto.UINT8, ["batch", *net.input_shape])
    kind = TensorProto.UINT8 if net.is_index(net.output) else TensorProto.INT64
    result = helper.make_tensor_value_info(net.output, kind, ["batch", *net.types[net.output].shape])
    graph = helper.make_graph(nodes, "fermatnet", [image], [result], initializers)
    for name, tensor in net.types.items():  # shapes and ranges for readers such as Netron
        if name not in (net.input_name, net.output):
            info = helper.make_tensor_value_info(
                name, TensorProto.UINT8 if net.is_index(name) else TensorProto.INT64, ["batch", *tensor.shape]
            )
            info.doc_string = f"values {tensor.lo}..{tensor.hi}"
            graph.value_info.append(info)
    functions = [function(op) for op in sorted({node.op_type for node in nodes})]
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(
        graph, functions=functions, opset_imports=opsets, ir_version=10, producer_name="fermatnet"
    )
    entries = {
        **net.meta,
        "format": FORMAT,
        "input_range": f"{net.input_range[0]},{net.input_range[1]}",
        "sha256": weights_digest(model),
    }
    helper.set_model_props(model, {PREFIX + key: str(value) for key, value in sorted(entries.items())})
    digest = structure_digest(model)
    model.metadata_props.append(onnx.StringStringEntryProto(key=f"{PREFIX}sha256_structure", value=digest))
    return model
