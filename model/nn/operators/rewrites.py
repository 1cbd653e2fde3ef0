"""What a call of the table becomes in the graph: the layer that does the same, or one of the few forms that
are no layers. And what the tensors around a call have to be.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from fermatnet.model.nn.operators.rules import Site

__all__ = [
    "RELUS",
    "add",
    "both_sides",
    "cat",
    "channels",
    "clamp",
    "dropout",
    "flatten",
    "is_rectified",
    "made",
    "map_average",
    "mean",
    "read_of",
    "rectifies",
    "same_shapes",
    "saturate",
    "whole_images",
    "zeros",
]

RELUS = (functional.relu, functional.relu_, torch.relu, torch.relu_, "relu", "relu_")


def made(kind: type[nn.Module], *names: str) -> Callable[[Site], nn.Module]:
    """The layer of that kind with the call's arguments of these names; an empty list is torch's way to write
    "as the kernel"."""

    def make(site: Site) -> nn.Module:
        given = {name: site.given[name] for name in names if name in site.given}
        return kind(**{name: None if value in ([], ()) else value for name, value in given.items()})

    return make


def dropout(kind: type[nn.Module]) -> Callable[[Site], nn.Module]:
    """The dropout of that kind where the call trains, else nothing."""
    return lambda site: kind(site.given["p"]) if site.node.meta.get("trains") else nn.Identity()


def clamp(site: Site) -> nn.Module:
    """A rectifier, with an upper end where the call has one."""
    top = site.given.get("max", site.given.get("max_val"))
    return nn.ReLU() if top is None else nn.Hardtanh(0.0, float(top))


def zeros(site: Site) -> nn.Module:
    """Zeros around a map."""
    return nn.ZeroPad2d(tuple(site.given["pad"]))  # type: ignore[arg-type]


def is_rectified(value: Any, site: Site) -> bool:
    """Whether the argument is a rectifier's output that nobody else reads."""
    return isinstance(value, fx.Node) and rectifies(value, site) and len(value.users) == 1


def rectifies(node: fx.Node, site: Site) -> bool:
    """Whether a node is a rectifier, as a layer, function or method."""
    if node.op == "call_module":
        return isinstance(site.layer(node), nn.ReLU)
    return node.op in ("call_function", "call_method") and node.target in RELUS


def read_of(node: fx.Node) -> fx.Node:
    """What a rectifier reads, however the call names it."""
    first: Any = node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("self"))
    return first


def saturate(site: Site) -> None:
    """A rectifier and then an upper end: one layer."""
    first = site.read
    name = f"{site.node.name}_layer"
    site.source.add_module(name, nn.Hardtanh(0.0, float(site.given["max"])))
    site.node.op, site.node.target, site.node.args, site.node.kwargs = (
        "call_module",
        name,
        (read_of(first),),
        {},
    )  # type: ignore
    site.graph.erase_node(first)  # type: ignore[arg-type]


def same_shapes(site: Site) -> str:
    """Empty where the two tensors have one shape, else what is wrong."""
    read = [
        site.shapes.get(site.given[name], ())
        for name in ("self", "other")
        if isinstance(site.given.get(name), fx.Node)
    ]
    return (
        ""
        if len(set(read)) == 1
        else f"it adds tensors of {' and '.join(map(str, read))}: both must have the same shape"
    )


def add(site: Site) -> None:
    """A sum in its plainest form."""
    site.node.op, site.node.target = "call_function", torch.add
    site.node.args, site.node.kwargs = (site.given["self"], site.given["other"]), {}


def channels(value: Any, site: Site) -> bool:
    """Whether the dimension is that of the channels."""
    return isinstance(value, int) and value in (1, 1 - len(site.after))


def cat(site: Site) -> None:
    """A concatenation along the channels in its plainest form."""
    site.node.op, site.node.target = "call_function", torch.cat
    site.node.args, site.node.kwargs = (list(site.given["tensors"]), 1), {}


def flatten(site: Site) -> None:
    """Flattened images in their plainest form."""
    site.node.op, site.node.target, site.node.args, site.node.kwargs = (
        "call_function",
        torch.flatten,
        (site.read, 1),
        {},
    )


def whole_images(site: Site) -> str:
    """What a reshape may do: flatten the images, or take sides of one pixel away."""
    before, after = site.before, site.after
    count = 1
    for side in before[1:]:
        count *= side
    flattened = len(before) in (2, 4) and after == (before[0], count)
    squeezed = before[2:] in ((1, 1), (1,)) and after in ((*before[:2], 1), before[:2])
    if flattened or squeezed or after == before:
        return ""
    return (
        f"it turns {before} into {after}: only whole images can be flattened, to (n, C*H*W); "
        "write torch.flatten(x, 1)"
    )


def map_average(site: Site) -> str:
    """Empty where maps (n, C, H, W) come in, else what is wrong."""
    return "" if len(site.before) == 4 else f"it takes maps (n, C, H, W), here {site.before}"


def both_sides(value: Any, site: Site) -> bool:
    """Whether the dimensions are height and width, both."""
    dimensions = value if isinstance(value, list | tuple) else (value,)
    return (
        len(site.before) == 4
        and all(isinstance(d, int) for d in dimensions)
        and sorted(d % 4 for d in dimensions) == [2, 3]
    )


def mean(site: Site) -> None:
    """The mean over the map: a pooling layer, and flatten where the map's dimensions go."""
    node, name = site.node, f"{site.node.name}_layer"
    site.source.add_module(name, nn.AvgPool2d(tuple(site.before[2:])))  # type: ignore[arg-type]
    if len(site.after) == 4:
        node.op, node.target, node.args, node.kwargs = "call_module", name, (site.read,), {}
        return
    with site.graph.inserting_before(node):
        pooled = site.graph.create_node("call_module", name, (site.read,))
    site.shapes[pooled] = (*site.after, 1, 1)
    node.op, node.target, node.args, node.kwargs = "call_function", torch.flatten, (pooled, 1), {}
