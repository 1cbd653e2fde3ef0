"""What an engine must know of a network before it may run it: nothing in the file is left out in silence."""

from dataclasses import MISSING, fields

from fermatnet.model.network.graph import Network
from fermatnet.model.network.node import Node

__all__ = ["BASE", "unhandled"]

# layers and their fields that every engine of `fermatnet.runtime` reads; a layer type, or a field of
# one, that is not here is refused unless the field has its default value
BASE: dict[str, frozenset[str]] = {
    "Conv": frozenset(
        {"weight", "weight_bits", "stride", "pad", "dilation", "group", "engine", "moduli", "length"}
    ),
    "PiecewiseConv": frozenset({"codes", "levels_w", "levels_a", "stride", "pad", "dilation", "group"}),
    "Threshold": frozenset({"thresholds", "sign"}),
    "Affine": frozenset({"multiplier", "offset", "shift", "lo", "hi"}),
    "Levels": frozenset({"levels"}),
    "MaxPool": frozenset({"kernel", "stride", "pad"}),
    "SumPool": frozenset({"kernel"}),
    "Add": frozenset(),
    "Concat": frozenset(),
    "Dense": frozenset({"weight", "bias", "weight_bits"}),
    "ArgMax": frozenset(),
}


def unhandled(
    net: Network, known: dict[str, frozenset[str]] = BASE, dtypes: tuple[str, ...] = ("uint8",)
) -> str:
    """The first thing in a network that an engine with these layers, fields and types of inputs does not
    handle, in words; "" where there is none."""
    if len(net.inputs) != 1 or len(net.outputs) != 1:
        return f"{len(net.inputs)} inputs and {len(net.outputs)} outputs; one of each is handled"
    if net.input_dtype not in dtypes:
        return f"images are {net.input_dtype}, {' and '.join(dtypes)} are handled"
    for node in net.nodes:
        gap = _of_node(node, known)
        if gap:
            return f"layer {node.name!r}: {gap}"
    return ""


def _of_node(node: Node, known: dict[str, frozenset[str]]) -> str:
    kind = type(node).__name__
    if kind not in known:
        return f"a {kind}"
    for item in fields(node):
        if item.name in known[kind] or item.name in ("name", "inputs"):
            continue
        value = getattr(node, item.name)
        if item.default is MISSING or value != item.default:
            return f"{item.name} = {value!r} of a {kind}"
    return ""
