"""A network as one ONNX model: a node a layer in the domain ``fermatnet``, functions that say what each op
means, weights, metadata."""

import hashlib

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from fermatnet.model.network.file.functions import DOMAIN, OPSET, function
from fermatnet.model.network.graph import Network
from fermatnet.model.network.inputs import DTYPES

__all__ = ["FORMAT", "PREFIX", "structure_digest", "to_model", "weights_digest"]

FORMAT = "1"
PREFIX = "fermatnet."
_STORED = {name: getattr(TensorProto, name.upper()) for name in DTYPES}


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


def _leaving(net: Network, name: str) -> ValueInfoProto:
    kind = TensorProto.UINT8 if net.is_index(name) else TensorProto.INT64
    return helper.make_tensor_value_info(name, kind, ["batch", *net.types[name].shape])


def _input_entries(net: Network) -> dict[str, str]:
    """Range of every input, and its shape where that is a vector or a row."""
    entries = {}
    for k, net_input in enumerate(net.inputs):
        suffix = f".{net_input.name}" if k else ""
        entries[f"input_range{suffix}"] = f"{net_input.lo},{net_input.hi}"
        if len(net_input.dims) < 3:
            entries[f"input_dims{suffix}"] = ",".join(map(str, net_input.dims))
    return entries


def to_model(net: Network) -> ModelProto:
    """The ONNX model of a network: one node a layer in the domain ``fermatnet``, functions, initializers,
    metadata."""
    nodes, initializers = [], []
    for node in net.nodes:
        arrays = node.arrays()
        initializers += [
            numpy_helper.from_array(np.ascontiguousarray(array), f"{node.name}.{name}")
            for name, array in arrays.items()
        ]
        inputs = [*node.inputs, *(f"{node.name}.{name}" for name in arrays)]
        nodes.append(
            helper.make_node(
                node.op(net), inputs, [node.name], name=node.name, domain=DOMAIN, **node.attributes(net)
            )
        )
    images = [
        helper.make_tensor_value_info(net_input.name, _STORED[net_input.dtype], ["batch", *net_input.shape])
        for net_input in net.inputs
    ]
    results = [_leaving(net, name) for name in net.outputs]
    graph = helper.make_graph(nodes, "fermatnet", images, results, initializers)
    for name, tensor in net.types.items():  # shapes and ranges for readers such as Netron
        if not net.is_input(name) and name not in net.outputs:
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
    entries = {**net.meta, **_input_entries(net), "format": FORMAT, "sha256": weights_digest(model)}
    helper.set_model_props(model, {PREFIX + key: str(value) for key, value in sorted(entries.items())})
    digest = structure_digest(model)
    model.metadata_props.append(onnx.StringStringEntryProto(key=f"{PREFIX}sha256_structure", value=digest))
    return model
