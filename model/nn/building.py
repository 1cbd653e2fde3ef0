"""A network of the zoo under a scheme with a map: its builder asks for layers one by one and does not say
where they go, so it runs twice. The first run tells the names, the second makes every layer by its scheme.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partialmethod
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.mixed import assign, readers
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.nn.walk import trace

__all__ = ["Plan", "build_mixed", "plan_of"]

_WEIGHTED = ("conv", "stem", "linear", "dense", "weight", "edge_weight")
_ACTIVATIONS = ("norm_activation", "activation")
_WHOLE = ("fixed_norm", "rescale")  # the same in every scheme: they only ask whether all can be exported
_EDGES = ("stem", "dense", "edge_weight")


@dataclass(frozen=True)
class _Calls(Scheme):
    """A scheme that remembers what it was asked for, and answers each call by the scheme of its number in
    ``chosen``."""

    chosen: dict[int, Scheme] = field(default_factory=dict, compare=False)
    made: list[tuple[str, Any]] = field(default_factory=list, compare=False)

    def call(self, factory: str, *args: Any, **more: Any) -> Any:
        """What the scheme makes; None where it makes nothing (weights in full precision)."""
        plain = Scheme(self.name, self.weights, self.activations, self.edge_bits, self.layers)
        how = plain if factory in _WHOLE else self.chosen.get(len(self.made), plain.common)
        module = getattr(how, factory)(*args, **more)
        self.made.append((factory, module))
        return module


for _factory in (*_WEIGHTED, *_ACTIVATIONS, *_WHOLE):
    setattr(_Calls, _factory, partialmethod(_Calls.call, _factory))


@dataclass(frozen=True)
class Plan:
    """The layers that a builder asks for: ``weighted`` and ``activations``, name by number of the call;
    ``edges``: first and last layers among them; ``readers``: of an activation, the weighted ones that take
    its values; ``calls``: the factories in their order."""

    calls: list[str]
    weighted: dict[int, str]
    activations: dict[int, str]
    edges: set[int]
    readers: dict[int, list[int]]

    def groups(self) -> list[list[str]]:
        """Inner layers with weights that have to share a scheme, since one activation feeds them."""
        joined = {key: [key] for key in self.weighted if key not in self.edges}
        for found in self.readers.values():
            inner = [key for key in found if key in joined]
            whole = sorted({other for key in inner for other in joined[key]})
            joined |= dict.fromkeys(whole, whole)
        unique = {tuple(keys) for keys in joined.values()}
        return [[self.weighted[key] for key in keys] for keys in sorted(unique)]


def plan_of(build: Callable[[Scheme], nn.Module], how: Scheme) -> Plan:
    """What ``build`` asks the scheme ``how`` for. The random numbers of torch are left as they were."""
    calls = _Calls(how.name, how.weights, how.activations, how.edge_bits, how.layers)
    with torch.random.fork_rng(devices=[]):
        network = build(calls)
    names = {id(module): name for name, module in network.named_modules()}
    weighted, activations = dict[int, str](), dict[int, str]()
    for number, (factory, module) in enumerate(calls.made):
        if factory not in _WHOLE and (name := _name(module, names)) is not None:
            (weighted if factory in _WEIGHTED else activations)[number] = name
    steps = [node for node in trace(network).nodes if node.op == "call_module"]
    by_name: dict[str, int] = {name: number for number, name in (weighted | activations).items()}
    owner = {node: at for node in steps if (at := _owner(str(node.target), by_name)) is not None}
    return Plan(
        [factory for factory, _ in calls.made],
        weighted,
        activations,
        {number for number in weighted if calls.made[number][0] in _EDGES},
        {number: _readers(number, owner, weighted, network) for number in activations},
    )


def _name(module: Any, names: dict[int, str]) -> str | None:
    """Where a module is in the network; of a Sequential that was taken apart, its first layer; of a quantizer
    the layer that has it."""
    if isinstance(module, nn.Sequential) and id(module) not in names:
        module = next(iter(module), None)
    name = names.get(id(module))
    return None if name is None else name.removesuffix(".quantizer")


def _owner(target: str, by_name: dict[str, int]) -> int | None:
    """The layer, or the one around it, that a call of the scheme made."""
    while target not in by_name and "." in target:
        target = target.rpartition(".")[0]
    return by_name.get(target)


def _readers(
    number: int, owner: dict[fx.Node, int], weighted: dict[int, str], network: nn.Module
) -> list[int]:
    own = [node for node, by in owner.items() if by == number]
    inside = {node for node, by in owner.items() if by in weighted}
    others = [node for node, by in owner.items() if by != number and by not in weighted]
    found = readers(own, lambda node: _layer(network, node), inside, others)
    return sorted({owner[node] for node in found})


def _layer(network: nn.Module, node: fx.Node) -> Any:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def build_mixed(build: Callable[[Scheme], nn.Module], how: Scheme) -> nn.Module:
    """The network of ``build`` with the scheme that its map gives to each layer. InputError for a pattern
    that covers none, naming near ones."""
    plan = plan_of(build, how)
    chosen, _ = assign(
        how,
        {key: (name,) for key, name in plan.weighted.items()},
        {key: (name,) for key, name in plan.activations.items()},
        plan.readers,
    )
    calls = _Calls(how.name, how.weights, how.activations, how.edge_bits, how.layers, chosen)
    network = build(calls)
    if [factory for factory, _ in calls.made] != plan.calls:
        raise InputError("the network's builder asks for other layers the second time: it takes no map")
    return network
