"""One form for a traced model, before it is converted: steps written as functions become layers, reshapes
become flatten, and a bias that a batch norm follows moves into the norm (which takes any constant away again,
so that nothing changes).
"""

import operator
from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

__all__ = ["as_layers", "fold_biases"]

Shapes = dict[fx.Node, tuple[int, ...]]

# functions that are layers: the layer, and what comes after the input in a call
_LAYERS: dict[Any, tuple[type[nn.Module], tuple[str, ...]]] = {
    functional.max_pool2d: (nn.MaxPool2d, ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    torch.max_pool2d: (nn.MaxPool2d, ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    functional.avg_pool2d: (
        nn.AvgPool2d,
        ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    functional.adaptive_avg_pool2d: (nn.AdaptiveAvgPool2d, ("output_size",)),
    functional.dropout: (nn.Dropout, ("p",)),
    functional.dropout2d: (nn.Dropout2d, ("p",)),
}
_RESHAPES = ("view", "reshape", "flatten", "squeeze", torch.reshape, torch.flatten, torch.squeeze)
_SIZES = ("size", "dim", getattr, operator.getitem, operator.mul)


def as_layers(source: nn.Module, graph: fx.Graph, shapes: Shapes) -> None:
    """Rewrites ``graph`` in place; new layers are added to ``source``. ``shapes``: of every step, for a batch
    of more than one image."""
    for node in list(graph.nodes):
        if node.op not in ("call_function", "call_method") or not node.args or node not in shapes:
            continue
        before = shapes.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None
        if before is None:
            continue
        if node.target in _LAYERS:
            _become(source, node, _layer(*_LAYERS[node.target], node))
        elif node.target in ("mean", torch.mean) and len(before) == 4 and _dimensions(node) == {2, 3}:
            _average(source, graph, node, shapes)
        elif (
            node.target in _RESHAPES
            and len(before) in (2, 4)
            and shapes[node] == (before[0], prod(before[1:]))
        ):
            node.op, node.target, node.args, node.kwargs = (
                "call_function",
                torch.flatten,
                (node.args[0], 1),
                {},
            )
        elif (
            node.target in _RESHAPES
            and len(before) == 4
            and before[2:] == (1, 1)
            and shapes[node] == (*before[:2], 1)
        ):
            # one of two squeezes
            node.op, node.target, node.args, node.kwargs = (
                "call_function",
                torch.flatten,
                (node.args[0], 1),
                {},
            )
            shapes[node] = before[:2]
    for node in reversed(list(graph.nodes)):
        if node.target in _SIZES and not node.users:
            graph.erase_node(node)


def _layer(kind: type[nn.Module], names: tuple[str, ...], node: fx.Node) -> nn.Module:
    given: Mapping[str, Any] = {
        **dict(zip(names, node.args[1:], strict=False)),
        **{key: value for key, value in node.kwargs.items() if key in names},
    }
    return kind(**given)


def _become(source: nn.Module, node: fx.Node, layer: nn.Module) -> None:
    name = f"{node.name}_layer"
    source.add_module(name, layer)
    node.op, node.target, node.args, node.kwargs = "call_module", name, (node.args[0],), {}


def _dimensions(node: fx.Node) -> set[int]:
    found = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", ())
    return {int(d) % 4 for d in (found if isinstance(found, tuple | list) else (found,))}  # type: ignore[arg-type, call-overload]


def _average(source: nn.Module, graph: fx.Graph, node: fx.Node, shapes: Shapes) -> None:
    """The mean over the map: a pooling layer, and flatten where the map's dimensions go."""
    name = f"{node.name}_layer"
    source.add_module(name, nn.AdaptiveAvgPool2d(1))
    if len(shapes[node]) == 4:
        node.op, node.target, node.args, node.kwargs = "call_module", name, (node.args[0],), {}
        return
    with graph.inserting_before(node):
        pooled = graph.create_node("call_module", name, (node.args[0],))
    shapes[pooled] = (*shapes[node], 1, 1)
    node.op, node.target, node.args, node.kwargs = "call_function", torch.flatten, (pooled, 1), {}


@torch.no_grad()
def fold_biases(source: nn.Module, graph: fx.Graph) -> None:
    """W x + b and then a norm is W x and the norm with its mean less b. Layers that are used twice stay as
    they are."""
    steps = [node for node in graph.nodes if node.op == "call_module"]
    uses = [str(node.target) for node in steps]
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
            isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            and norm.running_mean is not None
            and max(map(uses.count, (node.target, users[0].target))) == 1
        ):
            norm.running_mean.sub_(layer.bias)
            layer.bias = None
