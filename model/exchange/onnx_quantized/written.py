"""The network of a file that was read to its end: its inputs, outputs, names and metadata."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.onnx_quantized.graph import Graph
from fermatnet.model.exchange.onnx_quantized.outputs import Ending
from fermatnet.model.network import Network
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.node import Node

__all__ = ["Written", "written"]


@dataclass(frozen=True, eq=False)
class Written:
    """``entries``: the file's quantized tensor by the network's input; ``ends``: of the network's outputs, in
    order; ``names``: of the layers that were called otherwise before."""

    network: Network
    entries: dict[str, str]
    ends: tuple[Ending, ...]
    names: dict[str, str]


def written(g: Graph, entries: dict[str, str], ends: Sequence[Ending]) -> Written:
    """The network of everything that ``ends`` need.

    ``entries``: the quantized tensor by the file's input. One output keeps its layer's name; several have
    those of the file's outputs. Raises InputError for outputs that are no layer or the same one.
    """
    source = g.source
    inputs = {name: g.tensors[entries[name]] for name in source.inputs}
    known = {tensor.name for tensor in inputs.values()}
    for name, end in zip(source.outputs, ends, strict=True):
        if not g.builder.nodes or end.tensor.name in known:
            raise InputError(f"it has no layer between its input and its output {name!r}")
        known |= {end.tensor.name} if len(ends) > 1 else set()
    names: dict[str, str] = {}
    if len(ends) > 1:
        names = _renamed(g, {end.tensor.name: name for name, end in zip(source.outputs, ends, strict=True)})
    outputs = tuple(names.get(end.tensor.name, end.tensor.name) for end in ends)
    nodes = _called(g.builder.needed(*(end.tensor.name for end in ends)), names)
    ones = [
        Input(tensor.name, tensor.dims, *tensor.quantization.clip, tensor.quantization.dtype)
        for tensor in inputs.values()
    ]
    read = {name for node in nodes for name in node.inputs}
    for one in ones:
        if one.name not in read:
            raise InputError(f"its input {one.name!r} is read by no layer that an output needs")
    first = ones[0]
    network = Network(
        nodes,
        first.dims,
        (first.lo, first.hi),
        first.name,
        meta=_metadata(g, entries, ends, outputs),
        input_dtype=first.dtype,
        more_inputs=tuple(ones[1:]),
        outputs=outputs,
    )
    own = {tensor.name: entries[name] for name, tensor in inputs.items()}
    return Written(network, own, tuple(ends), names)


def _renamed(g: Graph, wanted: dict[str, str]) -> dict[str, str]:
    """The new names that no other tensor has."""
    return {old: new for old, new in wanted.items() if new and new not in g.builder.types}


def _called(nodes: Sequence[Node], names: dict[str, str]) -> list[Node]:
    return [
        replace(
            node,
            name=names.get(node.name, node.name),
            inputs=tuple(names.get(name, name) for name in node.inputs),
        )
        for node in nodes
    ]


def _metadata(
    g: Graph, entries: dict[str, str], ends: Sequence[Ending], outputs: Sequence[str]
) -> dict[str, str]:
    meta = {"source": "onnx"}
    for place, (name, tensor) in enumerate(entries.items()):
        given, key = g.tensors[tensor].quantization, f".{name}" if place else ""
        meta[f"source_input{key}"] = tensor
        meta[f"input_scale{key}"], meta[f"input_zero{key}"] = repr(given.scale), str(given.zero)
    for place, (end, name) in enumerate(zip(ends, outputs, strict=True)):
        made, key = end.tensor.quantization, f".{name}" if place else ""
        meta[f"source_output{key}"] = end.name
        meta[f"output_scale{key}"] = repr(end.unit if end.unit is not None else made.scale)
        meta[f"output_zero{key}"] = str(0 if end.unit is not None else made.zero)
    taken = [end.taken for end in ends if end.taken]
    return meta | ({"taken_off": "; ".join(taken)} if taken else {})
