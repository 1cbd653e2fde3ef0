"""Which scheme each step of a graph has, where a scheme has a map.

A layer with weights: that of the last pattern that covers its name, else the common one. An activation: the
same by its own name; where no pattern covers it, that of the layers with weights that read its values
(through poolings, moves and concatenations), so that a layer's counts of weights and of activations are those
of its own products; where these layers have several schemes, or there are none, the common one.

Any of these meetings is exact: piece indices are read through their table of levels by integer layers,
integers go into piecewise weights as integers, and sums, shortcuts and concatenations align units by shifts.
Units more than 2^16 apart are refused by the trial export of ``convert``.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.nn.curves import is_curve
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.operators.names import JOINS
from fermatnet.model.nn.patterns import check_patterns
from fermatnet.model.nn.scheme import Scheme

__all__ = ["assign", "readers", "schemes_of"]

_SAME = (Move, nn.MaxPool2d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)
"""Layers that hand on the integers that they read."""


def readers(
    starts: Iterable[fx.Node],
    layer: Callable[[fx.Node], Any],
    weighted: Collection[fx.Node],
    others: Collection[fx.Node],
) -> list[fx.Node]:
    """The steps ``weighted`` that read the values of ``starts`` as they are; ``others``: activations besides
    them, where the search ends. ``layer`` gives the module of a step, or None."""
    found: dict[fx.Node, None] = {}
    open_, seen = list(starts), set(starts)
    while open_:
        for user in open_.pop().users:
            if user in weighted:
                found[user] = None
            elif user not in seen and user not in others and _hands_on(user, layer(user)):
                seen.add(user)
                open_.append(user)
    return list(found)


def _hands_on(node: fx.Node, module: Any) -> bool:
    if node.op == "call_module":
        return isinstance(module, _SAME)
    return node.target in (*JOINS, torch.flatten, "flatten")


def assign(
    scheme: Scheme,
    weighted: Mapping[Any, tuple[str, ...]],
    activations: Mapping[Any, tuple[str, ...]],
    readers: Mapping[Any, Collection[Any]],
) -> tuple[dict[Any, Scheme], list[Any]]:
    """(scheme of every layer, activations whose readers have several and that got the common one).

    Parameters
    ----------
    weighted, activations : the names that patterns may call a layer by
    readers : the layers with weights that read an activation

    InputError for a pattern that covers none of them.
    """
    named = {**weighted, **activations}
    check_patterns([pattern for pattern, _ in scheme.layers], [n for names in named.values() for n in names])
    found = {key: scheme.named(*names) or scheme.common for key, names in weighted.items()}
    torn = []
    for key, names in activations.items():
        own, read = scheme.named(*names), {found[reader] for reader in readers.get(key, ())}
        torn += [key] if own is None and len(read) > 1 else []
        found[key] = own or (read.pop() if len(read) == 1 else scheme.common)
    return found, torn


def schemes_of(c: Any) -> tuple[dict[fx.Node, Scheme], list[fx.Node]]:
    """:func:`assign` for the :class:`fermatnet.model.nn.converter.Converter` ``c`` at its beginning. A module
    that is called several times has a name for each call, too, that of the graph's step."""
    found = [node for node in c.graph.nodes if c.is_relu(node) or is_curve(c.layer(node))]
    calls = Counter(str(node.target) for node in c.graph.nodes)
    names = {}
    for node in (*c.weighted, *found):
        own = node.meta.get("module", str(node.target))
        names[node] = (own, node.name) if calls[str(node.target)] > 1 else (own,)
    read = {node: readers([node], c.layer, c.weighted, found) for node in found}
    return assign(
        c.scheme, {node: names[node] for node in c.weighted}, {node: names[node] for node in found}, read
    )
