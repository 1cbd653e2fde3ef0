"""What a call of the table becomes in the graph: the layer that does the same, or one of the few forms that
are no layers. And what the tensors around a call have to be.
"""

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.nn.layers import Constant, Positions
from fermatnet.model.nn.moves import Gather
from fermatnet.model.nn.operators.layouts import canonical
from fermatnet.model.nn.operators.names import RECTIFIERS, TOP
from fermatnet.model.nn.operators.rules import Site

__all__ = [
    "arithmetic",
    "axis",
    "both_sides",
    "cat",
    "clamp",
    "constant_of",
    "divisor",
    "dropout",
    "largest",
    "last_vector",
    "made",
    "map_average",
    "mean",
    "negate",
    "one_a_channel",
    "only_positions",
    "operand",
    "saturate",
    "square",
    "taken_positions",
    "to_layer",
    "vector_axis",
]


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
    """A rectifier, or a clamp with the ends that the call has."""
    low = site.given.get("min", site.given.get("min_val"))
    top = site.given.get("max", site.given.get("max_val"))
    if low == 0 and top is None:
        return nn.ReLU()
    ends = (-float("inf") if low is None else float(low), float("inf") if top is None else float(top))
    return nn.Hardtanh(*ends)


def is_rectified(value: Any, site: Site) -> bool:
    """Whether the argument is a rectifier's output that nobody else reads."""
    return isinstance(value, fx.Node) and rectifies(value, site) and len(value.users) == 1


def rectifies(node: fx.Node, site: Site) -> bool:
    """Whether a node is a rectifier, as a layer, function or method."""
    if node.op == "call_module":
        return isinstance(site.layer(node), nn.ReLU)
    return node.op in ("call_function", "call_method") and node.target in RECTIFIERS


def read_of(node: fx.Node) -> fx.Node:
    """What a rectifier reads, however the call names it."""
    first: Any = node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("self"))
    return first


def saturate(site: Site) -> None:
    """An upper end; after a rectifier that nobody else reads, one layer with it."""
    first, top = site.read, float(site.given["max"])
    rectified = is_rectified(first, site) and top > 0
    name = f"{site.node.name}_layer"
    site.source.add_module(name, nn.Hardtanh(0.0 if rectified else -float("inf"), top))
    read = read_of(first) if rectified else first
    site.node.op, site.node.target, site.node.args, site.node.kwargs = "call_module", name, (read,), {}
    if rectified:
        site.graph.erase_node(first)


def _tensors(site: Site) -> list[fx.Node]:
    """The operands that are tensors of the network."""
    found = [site.given.get(name, site.given.get("input")) for name in ("self", "other")]
    return [x for x in found if isinstance(x, fx.Node) and x.op != "get_attr"]


def one_a_channel(site: Site) -> str:
    """Empty where two tensors have one shape, one of them is a value a channel, or one a constant; else what
    is wrong."""
    read = [site.shapes.get(x, ()) for x in _tensors(site)]
    small, large = min(read, key=prod), max(read, key=prod)
    fits = small[:2] == large[:2] and all(side == 1 for side in small[2:]) and len(small) == len(large)
    if small == large or fits:
        return ""
    return (
        f"it takes tensors of {' and '.join(map(str, read))}: both must have the same shape, or one of them "
        "a value a channel, (n, C, 1, 1)"
    )


def _spread(site: Site, x: fx.Node) -> fx.Node:
    """A value a channel as a map of the step's size."""
    after, before = canonical(site.after), canonical(site.shapes[x])
    if after == before:
        return x
    name = f"{site.node.name}_spread"
    site.source.add_module(name, Gather(None, [0] * after[1], [0] * after[2]))
    with site.graph.inserting_before(site.node):
        made = site.graph.create_node("call_module", name, (x,))
    site.shapes[made] = site.shapes[site.node]
    return made


def constant_of(value: Any, site: Site) -> torch.Tensor | None:
    """(1,) or (C,) float64 of a number or a buffer that is one value a channel; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        made = torch.tensor([float(value)], dtype=torch.float64)
        return made if bool(torch.isfinite(made).all()) else None
    if not isinstance(value, fx.Node) or value.op != "get_attr":
        return None
    path, _, name = str(value.target).rpartition(".")
    held = getattr(site.source.get_submodule(path), name, None)
    if not isinstance(held, torch.Tensor) or isinstance(held, nn.Parameter) or not held.is_floating_point():
        return None
    if held.numel() == 1:
        return held.detach().double().reshape(1)
    shape, after = tuple(held.shape), site.after
    aligned = (1,) * (len(after) - len(shape)) + shape
    fits = len(aligned) == len(after) and aligned[1] == after[1] and held.numel() == after[1]
    return held.detach().double().reshape(-1) if fits else None


def operand(value: Any, site: Site) -> bool:
    """Whether a value is a tensor of the network, or a constant that it can hold, beside such a tensor."""
    if isinstance(value, fx.Node) and value.op != "get_attr":
        return value in site.shapes
    return constant_of(value, site) is not None and bool(_tensors(site))


def divisor(value: Any, site: Site) -> bool:
    """Whether a value is a constant other than zero."""
    found = constant_of(value, site)
    return found is not None and bool((found != 0).all()) and bool(_tensors(site))


def arithmetic(site: Site, function: Callable[..., Any]) -> None:
    """A sum, difference, product or quotient in its plainest form: of two tensors, or gain x + offset."""
    a: Any = site.given.get("self", site.given.get("input"))
    b: Any = site.given.get("other")
    node = site.node
    if len(_tensors(site)) == 2:
        if function is not torch.mul:  # which the hardware has for a value a channel
            a, b = _spread(site, a), _spread(site, b)
        node.op, node.target, node.args, node.kwargs = "call_function", function, (a, b), {}
        return
    (x,) = _tensors(site)
    one = constant_of(b if x is a else a, site)
    assert one is not None
    ones, none = torch.ones_like(one), torch.zeros_like(one)
    gain, offset = {
        torch.add: (ones, one),
        torch.mul: (one, none),
        torch.sub: (ones, -one) if x is a else (-ones, one),
        torch.div: (1 / one, none),
    }[function]
    to_layer(site, x, Constant(gain.expand(site.after[1]).float(), offset.expand(site.after[1]).float()))


def to_layer(site: Site, read: fx.Node, layer: nn.Module) -> None:
    """The step becomes a layer that reads ``read``."""
    name = f"{site.node.name}_layer"
    site.source.add_module(name, layer)
    site.node.op, site.node.target, site.node.args, site.node.kwargs = "call_module", name, (read,), {}
    site.node.meta["call"] = True


def negate(site: Site) -> None:
    """-x, by a constant."""
    ones = torch.ones(site.after[1])
    to_layer(site, site.read, Constant(-ones, 0 * ones))


def square(site: Site) -> None:
    """x * x."""
    site.node.op, site.node.target = "call_function", torch.mul
    site.node.args, site.node.kwargs = (site.read, site.read), {}


def last_vector(site: Site) -> str:
    """Empty where positions of a vector's largest values are all that leaves, else what is wrong."""
    vector = len(site.before) == 2 or all(side == 1 for side in site.before[2:])
    readers = [r for user in site.node.users for r in ([user] if not taken_positions(user) else user.users)]
    if vector and all(reader.op == "output" for reader in readers):
        return ""
    return (
        "only at the end of the network, of a vector (n, K): take it off the end and do it on the outputs; "
        "inside, use nn.MaxPool2d"
    )


def vector_axis(value: Any, site: Site) -> bool:
    """Whether a dimension is that of the values of each image."""
    return isinstance(value, int) and bool(site.before) and value % len(site.before) == 1


def taken_positions(node: fx.Node) -> bool:
    """Whether a step takes the positions out of what topk returns."""
    found = node.args[0] if node.target is operator.getitem else None
    return isinstance(found, fx.Node) and found.target in TOP and bool(node.args[1] == 1)


def only_positions(site: Site) -> str:
    """Empty where nothing but the positions of topk is read."""
    if all(taken_positions(user) for user in site.node.users):
        return last_vector(site)
    return "its values are read: only its positions, topk(...)[1], have hardware"


def largest(site: Site) -> None:
    """argmax as a layer."""
    to_layer(site, site.read, Positions(0, tuple(site.after[1:])))


def axis(value: Any, site: Site) -> bool:
    """Whether the dimension is one of channels, rows or columns."""
    return isinstance(value, int) and value % max(len(site.after), 1) > 0


def cat(site: Site) -> None:
    """A concatenation in its plainest form; the dimension as maps (n, C, H, W) count it."""
    dimension, count = int(site.given["dim"]) % len(site.after), len(site.after)
    site.node.op, site.node.target = "call_function", torch.cat
    at = 3 if count == 3 and dimension == 2 else dimension
    site.node.args, site.node.kwargs = (list(site.given["tensors"]), at), {}


def map_average(site: Site) -> str:
    """Empty where maps (n, C, H, W) or rows (n, C, L) come in, else what is wrong."""
    return "" if len(site.before) in (3, 4) else f"it takes maps (n, C, H, W), here {site.before}"


def both_sides(value: Any, site: Site) -> bool:
    """Whether the dimensions are all of the map's: height and width, or the row's only one."""
    dimensions, count = value if isinstance(value, list | tuple) else (value,), len(site.before)
    return (
        count in (3, 4)
        and all(isinstance(d, int) for d in dimensions)
        and sorted(d % count for d in dimensions) == list(range(2, count))
    )


def mean(site: Site) -> None:
    """The mean over the map: a pooling layer, and flatten where the map's dimensions go."""
    node, name = site.node, f"{site.node.name}_layer"
    site.source.add_module(name, nn.AvgPool2d(canonical(site.before)[1:]))  # type: ignore[arg-type]
    if len(site.after) == len(site.before):
        node.op, node.target, node.args, node.kwargs = "call_module", name, (site.read,), {}
        return
    with site.graph.inserting_before(node):
        pooled = site.graph.create_node("call_module", name, (site.read,))
    site.shapes[pooled] = (*site.after, 1, 1)
    node.op, node.target, node.args, node.kwargs = "call_function", torch.flatten, (pooled, 1), {}
