"""Layers joined into operations: a source (convolution, pooling, a stored tensor) and what follows it.

Elementwise layers run on the blocks of the operation that computes their
last input, so their inputs are never stored for them. Concat costs nothing: each part is written at its place
in every concatenation.
"""

from dataclasses import dataclass, field

import numpy as np

from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import (
    Add,
    AddConstant,
    Affine,
    Concat,
    Levels,
    LogicJoin,
    Lookup,
    Multiply,
    Node,
    Requantize,
    Threshold,
)
from fermatnet.runtime.packed.storage import within_words

__all__ = ["ELEMENTWISE", "Operation", "Place", "fuse", "parts_of", "places_of"]

ELEMENTWISE = (Threshold, Affine, Levels, Add, Requantize, Lookup, Multiply, AddConstant, LogicJoin)
# Elementwise layers of one operation: the kernels have eight block buffers, and six layers never need more,
# because a value is live only while a later one of at most two operands reads it.
MOST_STEPS = 6


@dataclass(eq=False)
class Operation:
    """source: the node that fills blocks, None where ``reads`` is loaded as it is; nodes: elementwise layers.

    name: the tensor that the source makes; generic: everything in int64; external: the Fermat kernels compute
    the source and store it, and an operation that loads it follows; fresh: nobody has written ``name`` in
    every form it is wanted in before.
    """

    name: str
    reads: str
    source: Node | None
    generic: bool = False
    external: bool = False
    fresh: bool = True
    nodes: list[Node] = field(default_factory=list)

    @property
    def values(self) -> list[str]:
        """Tensors that exist as blocks here."""
        return [self.name, *(node.name for node in self.nodes)]


@dataclass(frozen=True)
class Place:
    """Where a tensor is part of another one: that one's name and the channel of it where ours begin."""

    tensor: str
    channel: int


def parts_of(net: Network, name: str) -> list[Place]:
    """The tensors that are really computed for ``name``, with their first channels in it; itself where it is
    no concatenation.
    """
    node = next((node for node in net.nodes if node.name == name), None)
    if not isinstance(node, Concat) or node.axis != 1:
        return [Place(name, 0)]
    places, channel = [], 0
    for part in node.inputs:
        places += [Place(inner.tensor, channel + inner.channel) for inner in parts_of(net, part)]
        channel += net.types[part].shape[0]
    return places


def places_of(net: Network) -> dict[str, list[Place]]:
    """For every computed tensor the tensors it is written to: itself and the concatenations it is part of."""
    places: dict[str, list[Place]] = {}
    for name in net.types:
        for part in parts_of(net, name):
            places.setdefault(part.tensor, []).append(Place(name, part.channel))
    return places


def _wide(net: Network, node: Node) -> bool:
    """Whether an elementwise layer needs more than 32 bits somewhere."""
    if not all(within_words(net.types[name]) for name in (node.name, *node.inputs)):
        return True
    if not isinstance(node, Affine):
        return False
    if abs(node.multiplier.astype(np.int64)).max() >= 1 << 31:
        return True
    ends = [
        int(m) * end + int(o) >> node.shift
        for m, o in zip(node.multiplier, node.offset, strict=True)
        for end in (net.types[node.inputs[0]].lo, net.types[node.inputs[0]].hi)
    ]
    return not -(1 << 31) < min(ends) <= max(ends) < (1 << 31) - 1


class _Fuser:
    """Operations in the making."""

    def __init__(self, net: Network, generic: set[str], external: set[str]):
        self.net, self.generic, self.external = net, generic, external
        self.operations: list[Operation] = []
        self.home: dict[str, int] = {}  # of every tensor made in blocks, its operation
        self.loads: dict[
            str, int
        ] = {}  # of every tensor that is loaded whole, the latest operation that does

    def begin(self, operation: Operation) -> int:
        self.operations.append(operation)
        return len(self.operations) - 1

    def ready(self, name: str) -> int:
        """The operation after which a tensor is stored, were it asked for."""
        return max(self.home.get(part.tensor, -1) for part in parts_of(self.net, name))

    def possible(self, node: Node, place: int, wide: bool) -> bool:
        """Whether an elementwise layer can run in that operation."""
        operation = self.operations[place]
        if self.net.types[operation.name].shape != self.net.types[node.name].shape:
            return False  # of a product: one value a channel
        known = all(name in operation.values or self.ready(name) < place for name in node.inputs)
        return known and (operation.generic or not wide) and len(operation.nodes) < MOST_STEPS

    def load(self, name: str, wide: bool, fresh: bool = False) -> int:
        generic = wide or not within_words(self.net.types[name])
        self.loads[name] = self.begin(
            Operation(name, name, None, generic, fresh=fresh or name == self.net.input_name)
        )
        return self.loads[name]

    def place(self, node: Node) -> int:
        """The operation for an elementwise layer: the one that makes its last input, or one that loads an
        input whole.
        """
        wide = _wide(self.net, node)
        makers = [self.home[name] for name in node.inputs if name in self.home]
        loaded = [self.loads[name] for name in node.inputs if name in self.loads]
        for candidate in (*sorted(makers, reverse=True)[:1], *sorted(loaded, reverse=True)):
            if self.possible(node, candidate, wide):
                return candidate
        return self.load(node.inputs[0], wide)

    def add(self, node: Node) -> None:
        if isinstance(node, Concat) and node.axis == 1:
            return
        if isinstance(node, ELEMENTWISE):
            self.home[node.name] = self.place(node)
            self.operations[self.home[node.name]].nodes.append(node)
            return
        if node.name in self.external:
            self.begin(Operation(node.name, node.inputs[0], node, external=True))
            self.home[node.name] = self.load(node.name, False, fresh=True)
            return
        narrow = all(within_words(self.net.types[name]) for name in (node.name, *node.inputs))
        self.home[node.name] = self.begin(
            Operation(node.name, node.inputs[0], node, node.name in self.generic or not narrow)
        )


def fuse(net: Network, generic: set[str], external: set[str]) -> list[Operation]:
    """Operations in the order in which they run. ``generic``: sources that need int64; ``external``: those of
    the Fermat kernels.
    """
    fuser = _Fuser(net, generic, external)
    if any(isinstance(node, ELEMENTWISE) for node in net.consumers(net.input_name)):
        fuser.load(net.input_name, False)
    for node in net.nodes:
        fuser.add(node)
    return fuser.operations
