"""One form for a traced model, before it is converted: steps written as functions become layers, reshapes
become flatten, every layer takes its plainest form, and a bias that a batch norm follows moves into the norm
(which takes any constant away again, so that nothing changes). The table of
:mod:`fermatnet.model.nn.operators` says what each step becomes.
"""

from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.nn.layers import Constant, Positions, SumPool
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.operators import CALLS, MODULES, known_kind, row_of, site_of
from fermatnet.model.nn.operators.interpolated import as_module
from fermatnet.model.nn.operators.layouts import canonical, interpolates, interpolation, moves_values
from fermatnet.model.nn.operators.rewrites import taken_positions, to_layer
from fermatnet.model.nn.operators.rules import Shapes

__all__ = ["as_layers", "drop_unused", "fold_biases", "leaving"]


def as_layers(source: nn.Module, graph: fx.Graph, shapes: Shapes) -> None:
    """Rewrites ``graph`` in place; new layers are added to ``source``.

    ``shapes``: of every step that is a tensor, for a batch of more than one image. Every step has to be in
    the table with arguments that it accepts (:func:`fermatnet.model.nn.operators.refusals` says "none").
    """
    for node in list(graph.nodes):
        if "moves" in node.meta:
            _moved(source, graph, node, shapes)
            continue
        if taken_positions(node):
            step: Any = node.args[0]
            k = int(site_of(source, graph, step, shapes).given["k"])
            to_layer(site_of(source, graph, node, shapes), step.args[0], Positions(k, (k,)))
            continue
        if node in shapes and node.op == "call_function" and interpolates(source, node):
            to_layer(site_of(source, graph, node, shapes), interpolation(node)["input"], as_module(node))
            continue
        row = row_of(node)
        if row is None or node not in shapes or row.moves:
            continue
        site = site_of(source, graph, node, shapes)
        if row.layer is None:
            row.rewrite(site)
        else:
            to_layer(site, site.read, row.layer(site))
    for node in reversed(list(graph.nodes)):  # sizes that the reshapes read, and the reshapes
        spare = node not in shapes or node.op == "get_attr" or moves_values(source, node)
        if node.op not in ("placeholder", "output") and not node.users and spare:
            graph.erase_node(node)
    for node in list(graph.nodes):
        if node.op == "call_module":
            site = site_of(source, graph, node, shapes)
            if isinstance(site.module, Move | Constant | Positions | SumPool):
                continue
            kind = known_kind(site.module)
            assert kind is not None, (
                f"{node.target}: not in the table of {len(MODULES)} layers and {len(CALLS)} calls"
            )
            MODULES[kind].simplify(site)
    for node, shape in shapes.items():
        if len(shape) == 3:
            shapes[node] = _twin_shape(shape)


def _twin_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Rows (n, C, L) are maps of one row in the twin."""
    return (shape[0], *canonical(shape)) if len(shape) == 3 else shape


def _moved(source: nn.Module, graph: fx.Graph, node: fx.Node, shapes: Shapes) -> None:
    """The layers that move values as the step does, and the steps between it and the tensor that it begins
    with."""
    read, moves = node.meta.pop("moves")
    values = torch.zeros(_twin_shape(shapes[read]))
    for number, layer in enumerate(moves or [nn.Identity()]):
        name = f"{node.name}_moved{number or ''}"
        while hasattr(source, name):
            name += "_again"
        source.add_module(name, layer)
        values = layer(values)
        if number < len(moves) - 1:
            with graph.inserting_before(node):
                read = graph.create_node("call_module", name, (read,))
            shapes[read] = tuple(values.shape)
        else:
            node.op, node.target, node.args, node.kwargs = "call_module", name, (read,), {}


def drop_unused(graph: fx.Graph) -> list[str]:
    """Takes away the steps whose results nobody reads; their names, last first."""
    gone = []
    for node in reversed(list(graph.nodes)):
        if node.op not in ("placeholder", "output") and not node.users:
            gone.append(str(node.target) if node.op == "call_module" else node.name)
            graph.erase_node(node)
    return gone


def leaving(graph: fx.Graph) -> list[fx.Node]:
    """The steps whose results the model returns, in their order."""
    return next(node for node in graph.nodes if node.op == "output").all_input_nodes


@torch.no_grad()
def fold_biases(source: nn.Module, graph: fx.Graph) -> None:
    """W x + b and then a norm is W x and the norm with its mean less b. What is used twice, or shared, stays
    as it is."""
    steps = [node for node in graph.nodes if node.op == "call_module"]
    uses = [str(node.target) for node in steps]
    owners = [id(value) for module in source.modules() for value in module._parameters.values()]
    for node in steps:
        layer: Any = source.get_submodule(str(node.target))
        users = list(node.users)
        if (
            not isinstance(layer, nn.Conv2d | nn.Linear)
            or layer.bias is None
            or len(users) != 1
            or users[0].op != "call_module"
        ):
            continue
        norm: Any = source.get_submodule(str(users[0].target))
        if (
            not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            or norm.running_mean is None
            or owners.count(id(layer.bias)) > 1
        ):
            continue
        if max(map(uses.count, (node.target, users[0].target))) == 1:
            norm.running_mean.sub_(layer.bias)
            layer.bias = None
