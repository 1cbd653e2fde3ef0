"""Which tensors of a model share their unit, and which layers lie between them: what a factor of a tensor can
be moved into.

A positive factor passes through rectifiers, pools and reshapes, and has to be one and the same for all inputs
of a sum or a concatenation: such tensors form a *group*. Layers with weights, norms, biases and rescalings
stand between two groups.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight
from fermatnet.model.nn.walk import Window, input_names, walk

__all__ = ["Edge", "Groups", "groups", "one_step"]


def one_step(layer: Any) -> bool:
    """Whether a layer has integer weights with one symmetric step for the tensor."""
    quantizer = getattr(layer, "quantizer", None)
    return isinstance(quantizer, UniformWeight) and quantizer.symmetric and not quantizer.channels


@dataclass(eq=False)
class _Value:
    """A tensor: its group's number, the layer with weights that wrote it (None: another step), and what reads
    it."""

    group: int
    source: nn.Module | None = None
    readers: list[nn.Module | None] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """A layer that can take a factor of its input and one of its output: groups of the two."""

    module: Any
    before: int
    after: int


@dataclass
class Groups:
    """What `groups` found.

    edges : layers between groups;  rounding : group of each quantizer of activations;
    pinned : groups whose factor must stay 1 (the image, the result, what a layer of another kind reads or
    writes);
    mixed : groups whose tensors do not have the same channels (concatenations, reshapes);
    followed : (layer with weights, the fixed-point layer that alone reads it)
    """

    edges: list[Edge]
    rounding: dict[nn.Module, int]
    pinned: set[int]
    mixed: set[int]
    followed: list[tuple[Any, Any]]

    def channelwise(self, group: int) -> bool:
        """Whether each channel of the group can have its own factor for nothing: only norms and biases read
        it."""
        readers = [edge.module for edge in self.edges if edge.before == group]
        writers = [edge.module for edge in self.edges if edge.after == group]
        return (
            bool(readers)
            and group not in self.mixed
            and all(isinstance(m, FixedNorm | FixedBias) for m in readers)
            and not any(isinstance(m, Rescale) for m in writers)
        )

    def powers_of_two(self, group: int) -> list[tuple[Any, int]]:
        """(layer, 1 or -1) of the layers whose weights take up the group's factor, or its inverse, and have
        nothing after them to help."""
        alone = [
            edge
            for edge in self.edges
            if one_step(edge.module) and all(edge.module is not layer for layer, _ in self.followed)
        ]
        return [(edge.module, 1) for edge in alone if edge.before == group] + [
            (edge.module, -1) for edge in alone if edge.after == group
        ]


class _Grouping:
    """Visitor of :func:`fermatnet.model.nn.walk.walk`."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.edges: list[Edge] = []
        self.rounding: dict[nn.Module, int] = {}
        self.pinned: set[int] = set()
        self.mixed: set[int] = set()
        self.values: list[_Value] = []
        self.seen: list[nn.Module] = []

    def find(self, group: int) -> int:
        while self.parent[group] != group:
            group = self.parent[group]
        return group

    def value(self, group: int | None = None, source: nn.Module | None = None) -> _Value:
        if group is None:
            group = len(self.parent)
            self.parent.append(group)
        self.values.append(_Value(group, source))
        return self.values[-1]

    def _same(self, x: _Value, reader: nn.Module | None = None) -> _Value:
        x.readers.append(reader)
        return self.value(x.group)

    def _between(self, module: nn.Module, x: _Value, source: nn.Module | None = None) -> _Value:
        x.readers.append(module)
        y = self.value(source=source)
        self.edges.append(Edge(module, x.group, y.group))
        self.seen.append(module)
        return y

    def _pinned(self, module: nn.Module | None, x: _Value) -> _Value:
        """A step of which nothing is known: neither its input nor its output can be scaled."""
        x.readers.append(module)
        y = self.value()
        self.pinned |= {x.group, y.group}
        return y

    def _joined(self, xs: list[_Value]) -> _Value:
        for x in xs:
            x.readers.append(None)
            self.parent[self.find(x.group)] = self.find(xs[0].group)
        return self.value(xs[0].group)

    # ---- the steps

    def pixels(self, name: str, module: Any, x: _Value) -> _Value:
        return self._same(x)

    def conv(self, name: str, module: Any, x: _Value) -> _Value:
        return self._between(module, x, module)

    linear = conv

    def fixed(self, name: str, module: Any, x: _Value) -> _Value:
        if isinstance(module, UniformActivation):
            y = self._same(x, module)
            self.seen.append(module)
        else:
            y = self._between(module, x)
            if not module.learned:
                self.pinned.add(y.group)
        self.rounding[module] = y.group
        return y

    def norm(self, name: str, module: Any, x: _Value) -> _Value:
        return self._pinned(module, x)

    def pieces(self, name: str, module: Any, x: _Value) -> _Value:
        return self._pinned(module, x)

    def relu(self, name: str, module: Any, x: _Value) -> _Value:
        return self._same(x)

    def maxpool(self, name: str, module: Any, x: _Value) -> _Value:
        return self._same(x)

    def sumpool(self, name: str, window: Window, average: bool, x: _Value) -> _Value:
        return self._same(x)

    def curve(self, name: str, module: Any, x: _Value) -> _Value:
        y = self._pinned(module, x)
        self.rounding[module.after] = y.group
        return y

    def moved(self, name: str, module: Any, x: _Value) -> _Value:
        self.mixed.add(x.group)  # channels may change places
        return self._same(x)

    def positions(self, name: str, module: Any, x: _Value) -> _Value:
        return self._pinned(module, x)

    def add(self, name: str, a: _Value, b: _Value) -> _Value:
        return self._joined([a, b])

    subtract = add

    def multiply(self, name: str, a: _Value, b: _Value) -> _Value:
        y = self._pinned(None, a)
        b.readers.append(None)
        self.pinned.add(b.group)
        return y

    def logic(self, name: str, module: Any, a: _Value, b: _Value) -> _Value:
        b.readers.append(module)
        self.pinned.add(b.group)
        return self._pinned(module, a)

    def concat(self, name: str, xs: list[_Value], axis: int) -> _Value:
        self.mixed.add(xs[0].group)
        return self._joined(xs)

    def flatten(self, name: str, x: _Value) -> _Value:
        self.mixed.add(x.group)
        return self._same(x)


def groups(model: nn.Module) -> Groups | None:
    """Groups and edges of a model, or None where it has steps that the hardware has no layer for."""
    visitor = _Grouping()
    images = {name: visitor.value() for name in input_names(model)}
    try:
        result = walk(model, visitor, images)  # type: ignore[arg-type]
    except InputError:
        return None
    pinned = visitor.pinned | {value.group for value in (*images.values(), *_results(result))}
    shared = _shared(model) | {module for module, count in Counter(visitor.seen).items() if count > 1}
    for edge in visitor.edges:  # what two steps share cannot take up two factors
        if edge.module in shared:
            pinned |= {edge.before, edge.after}
    # where a rectifier saturates is a number of its own
    pinned |= {
        group for module, group in visitor.rounding.items() if getattr(module, "ceiling", None) is not None
    }
    find = visitor.find
    followed = [
        (value.source, value.readers[0])
        for value in visitor.values
        if value.source is not None
        and len(value.readers) == 1
        and isinstance(value.readers[0], FixedNorm | FixedBias)
        and not {value.source, value.readers[0]} & shared
    ]
    return Groups(
        edges=[Edge(edge.module, find(edge.before), find(edge.after)) for edge in visitor.edges],
        rounding={module: find(group) for module, group in visitor.rounding.items()},
        pinned=set(map(find, pinned)),
        mixed=set(map(find, visitor.mixed)),
        followed=followed,
    )


def _results(value: Any) -> list[_Value]:
    """All that a model returns."""
    if isinstance(value, _Value):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [one for part in parts for one in _results(part)]


def _shared(model: nn.Module) -> set[nn.Module]:
    """Modules that own a parameter or a buffer together with another module."""
    owners: dict[int, set[nn.Module]] = {}
    for module in model.modules():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                owners.setdefault(id(tensor), set()).add(module)
    return set().union(*(together for together in owners.values() if len(together) > 1))
