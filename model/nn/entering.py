"""Where the raw integers enter a converted network: the layers that take them, and the first layers with
weights, which take the normalisation up. ``c`` is the :class:`fermatnet.model.nn.converter.Converter` at
work."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.nn.convert_widths import insert_after
from fermatnet.model.nn.door.entries import Entry, pixel_names
from fermatnet.model.nn.fixed_point import Rescale

__all__ = ["first_layers", "give_bias", "raw_integers"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_MOST = (1 << 15) - 1  # that a layer with weights takes


def first_layers(graph: fx.Graph, weighted: Sequence[fx.Node]) -> list[fx.Node]:
    """The first of the layers with weights, and the first one behind every further input."""
    found, reached = list(weighted[:1]), dict[fx.Node, set[fx.Node]]()
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    for node in graph.nodes:
        behind = {node} if node.op == "placeholder" else set()
        for source in node.all_input_nodes:
            behind |= reached.get(source, set())
        reached[node] = set() if node in weighted else behind
        if node in weighted and behind & set(inputs[1:]):
            inputs = [one for one in inputs if one not in behind]
            found += [node] if node not in found else []
    return found


def give_bias(c: Any, first: fx.Node) -> None:
    """A place for the constant of the normalisation, where a first layer has neither a bias nor a norm."""
    module = c.layer(first)
    if module.bias is None and not any(isinstance(c.layer(user), _NORMS) for user in first.users):
        module.bias = nn.Parameter(torch.zeros(module.weight.shape[0]))


def raw_integers(c: Any, inputs: Sequence[Entry]) -> None:
    """The samples as integers, first of all."""
    places = [node for node in c.graph.nodes if node.op == "placeholder"]
    for place, name, entry in zip(places, pixel_names(inputs), inputs, strict=True):
        c.root.add_module(name, entry.pixels)
        with c.graph.inserting_after(places[-1]):  # all placeholders come before all layers
            scale = c.graph.call_module(name, (place,))
        place.replace_all_uses_with(scale, delete_user_cb=lambda user, made=scale: user is not made)
        if entry.pixels.range[1] > _MOST:
            insert_after(c.graph, c.root, scale, Rescale(bits=15, fraction=15, signed=False))
            c.changes.note(
                name, "16 bits", "15 bits", "layers with weights take signed integers of 16 bits: halved"
            )
