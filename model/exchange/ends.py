"""What goes into an imported network and what leaves it, by names that its owner knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.node import Node

__all__ = ["End", "keyed", "network_of", "renamed"]


@dataclass(frozen=True)
class End:
    """A tensor at the network's edge: ``name`` in the file of the input or output that its owner knows,
    ``tensor`` in the file whose integers travel, ``layer`` in the network; real = scale (integer - zero)."""

    name: str
    tensor: str
    layer: str
    scale: float
    zero: int


def renamed(b: Builder, outputs: Sequence[End]) -> dict[str, str]:
    """New names of the layers that give the outputs: the file's, where there are several and no other tensor
    is called so. InputError where two outputs are one layer."""
    if len(outputs) == 1:
        return {}
    names: dict[str, str] = {}
    for end in outputs:
        if end.layer in names:
            raise InputError(
                f"its outputs {names[end.layer]!r} and {end.name!r} are the same tensor: keep one"
            )
        names[end.layer] = end.name
    return {layer: name for layer, name in names.items() if name and name not in b.types}


def network_of(
    b: Builder, inputs: Mapping[Input, End], outputs: Sequence[End], meta: dict[str, str]
) -> Network:
    """The network of everything that ``outputs`` need; scales and zero points go into the metadata.

    Raises InputError where an output is an input, or an input is not needed.
    """
    names = renamed(b, outputs)
    for end in outputs:
        if not b.nodes or any(end.layer == one.name for one in inputs):
            raise InputError(f"it has no layer between its input and its output {end.name!r}")
    nodes = [_called(node, names) for node in b.needed(*(end.layer for end in outputs))]
    read = {name for node in nodes for name in node.inputs}
    for one in inputs:
        if one.name not in read:
            raise InputError(f"its input {one.name!r} is read by no layer that an output needs")
    leaving = [replace(end, layer=names.get(end.layer, end.layer)) for end in outputs]
    first, *more = inputs
    return Network(
        nodes,
        first.dims,
        (first.lo, first.hi),
        first.name,
        meta=meta | keyed("input", list(inputs.values())) | keyed("output", leaving),
        input_dtype=first.dtype,
        more_inputs=tuple(more),
        outputs=tuple(end.layer for end in leaving),
    )


def _called(node: Node, names: Mapping[str, str]) -> Node:
    """The node under the new names."""
    if not names:
        return node
    inputs = tuple(names.get(name, name) for name in node.inputs)
    return replace(node, name=names.get(node.name, node.name), inputs=inputs)


def keyed(side: str, ends: Sequence[End]) -> dict[str, str]:
    """Metadata: ``source_SIDE``, ``SIDE_scale``, ``SIDE_zero`` of the first end, and the same with
    ``.LAYER`` after it of the others."""
    made = {}
    for place, end in enumerate(ends):
        key = f".{end.layer}" if place else ""
        made[f"source_{side}{key}"] = end.tensor
        made[f"{side}_scale{key}"], made[f"{side}_zero{key}"] = repr(end.scale), str(end.zero)
    return made
