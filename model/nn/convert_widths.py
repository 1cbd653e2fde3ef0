"""Where a converted network needs one more rounding: a layer with weights takes integers of few bits in one
unit, and sums, concatenations and averages are wider than that, or come in several units.
"""

from typing import Any

from torch import fx, nn

from fermatnet.model.nn.fixed_point import BatchNorm, FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.layers import AvgPool2d, Conv2d, Linear, SumPool
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.operators.names import DIFFERENCES, JOINS, PRODUCTS, SUMS
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["insert_after", "new_step", "wide"]

BITS = 8  # of the integers that a layer with weights takes, and a product
_WIDER = (*SUMS, *DIFFERENCES, *PRODUCTS, *JOINS)


def wide(root: Any, graph: fx.Graph) -> list[tuple[fx.Node, list[fx.Node]]]:
    """(step, the layers with weights that read it) for every step whose values such a layer cannot take as
    they are."""
    found: dict[fx.Node, bool] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            found[node] = _is_wide(root.get_submodule(str(node.target)), found.get(node.args[0], False))
        else:
            found[node] = node.target in _WIDER or any(
                found.get(arg, False) for arg in node.args if isinstance(arg, fx.Node)
            )
    readers: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.nodes:
        layer = root.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, nn.Sequential) and len(layer):
            layer = layer[0]  # with a factor after it
        if isinstance(layer, Conv2d | Linear) or (node.op == "call_function" and node.target in PRODUCTS):
            for source in node.all_input_nodes:
                if found.get(source, False):
                    readers.setdefault(source, []).append(node)
    return list(readers.items())


def _is_wide(layer: nn.Module, before: bool) -> bool:
    if isinstance(layer, nn.Sequential) and len(layer):
        layer = layer[-1]
    if isinstance(layer, Conv2d | Linear | SumPool | AvgPool2d):
        return True
    if isinstance(layer, FixedBias | FixedNorm | Rescale | UniformActivation):
        return layer.bits > BITS
    if isinstance(layer, BatchNorm):
        return False  # in full precision: only activations read it
    return before and isinstance(
        layer, Move | nn.MaxPool2d | nn.Flatten | nn.Identity | nn.Dropout | nn.Dropout2d | nn.ReLU
    )


def insert_after(
    graph: fx.Graph, root: nn.Module, node: fx.Node, layer: nn.Module, readers: list[fx.Node] | None = None
) -> fx.Node:
    """``layer`` as a step after ``node``, read by its readers (None: by all) in its place."""
    name = f"{node.name}_fixed"
    while hasattr(root, name):
        name += "_again"
    root.add_module(name, layer)
    with graph.inserting_after(node):
        made = graph.create_node("call_module", name, (node,))
    node.replace_all_uses_with(
        made, delete_user_cb=lambda user: user is not made and (readers is None or user in readers)
    )
    return made


def new_step(c: Any, name: str, layer: nn.Module, source: fx.Node) -> fx.Node:
    """``layer`` as a new step of the converter ``c`` that reads ``source``, at the graph's place of
    insertion."""
    while hasattr(c.root, name):
        name += "_again"
    c.root.add_module(name, layer)
    c.replaced.add(name)
    return c.graph.create_node("call_module", name, (source,))
