# amaranth: UnusedElaboratable=no
"""What every layer is to the compiler: a plan that knows its folds, its cycles, its cost, its worst case, and
the block that computes it."""

import copy
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.rtl.clock import DEFAULT_MHZ, Clock
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Node, TensorType

__all__ = [
    "Block",
    "Fold",
    "Layer",
    "Placement",
    "StreamRate",
    "beats_of",
    "divisors",
    "shape_of",
]


def divisors(n: int) -> list[int]:
    """Every divisor of ``n``, ascending."""
    return [k for k in range(1, n + 1) if n % k == 0]


def shape_of(tensor: TensorType) -> Shape:
    """How one value of a tensor travels: as narrow as its proven range."""
    return Shape(tensor.bits, tensor.signed)


def beats_of(tensor: TensorType, lanes: int) -> int:
    """Beats an image of a tensor, ``lanes`` channels a beat."""
    channels, height, width = tensor.shape
    return height * width * (channels // lanes)


@dataclass(frozen=True, order=True)
class Fold:
    """Parallelism of one layer: ``pe`` outputs by ``simd`` inputs (pools and depthwise layers: ``pe``
    lanes)."""

    pe: int = 1
    simd: int = 1


@dataclass(frozen=True)
class StreamRate:
    """How a tensor travels: channels a beat, and cycles between two beats that its readers may take: its
    producer's least, or more of them where the period leaves time."""

    lanes: int
    interval: int


@dataclass(frozen=True)
class Placement:
    """Where a layer's block stands in a design: its fold, the lanes it takes at each input, how these inputs
    travel before they are brought to those lanes, and whether its weights come from a stream ``w``."""

    fold: Fold
    lanes: tuple[int, ...]
    incoming: tuple[StreamRate, ...] = ()
    streamed: bool = False


class Block:
    """The plan of a placed block: its timing, the memory it needs, and how it is built.

    This one stands for a block with nothing to decide after its timing is known; `build` hands out
    ``component`` itself.
    """

    ring_bits = 0
    """Bits of the ring of rows that it keeps, at the least number of rows."""
    weight_bits = 0
    """Bits of the weights that a stream could bring instead of a memory; 0: none."""

    def __init__(self, component: Any, model: Any = None):
        self.component = component
        self.model = model or timing.Chain(component.latency, getattr(component, "gap", 1))

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        """The component (ports ``i`` or ``i0``, ``i1``, ..., and ``o``), to be called once: with ``rows`` of
        ring (0: the least), and with its weights from a stream ``w`` where ``streamed``, as its placement
        says."""
        return self.component


class Layer:
    """The plan of one node: nothing in it changes once it is made.

    A subclass knows one kind of block. It must have `pace` and `block`; `folds`, `cycles` and `cost` where
    there is a choice; `bounds` and `widest` where it has weights that a reloadable design may be given anew.

    Parameters
    ----------
    net, node : Network, Node
        The layer, and the network whose types it has.
    target : str
        What compressor trees are made for: "generic", "lut6", "ecp5" or "asic".
    contents : Node or None
        The node whose weights the block's memories hold, where ``node`` is the widest of its kind.
    """

    foldable = False
    ready_tables = 1
    """Tables that ready comes through on its way from the output to the input, where each of them counts."""

    def __init__(self, net: Network, node: Any, target: str = "generic", contents: Any = None):
        inputs = tuple(net.types[name] for name in node.inputs)
        vars(self).update(
            net=net,
            node=node,
            name=node.name,
            target=target,
            contents=contents,
            inputs=inputs,
            output=net.types[node.name],
        )

    clock_mhz = DEFAULT_MHZ
    """The clock that blocks are pipelined for."""
    multiply = "auto"
    """How its array multiplies: "auto", or one of the `ways`."""
    net: Network
    node: Any
    name: str
    target: str
    contents: Any
    inputs: tuple[TensorType, ...]
    output: TensorType

    def at_clock(self, mhz: float) -> "Layer":
        """The same layer with blocks pipelined for a clock of ``mhz``."""
        made = copy.copy(self)
        vars(made)["clock_mhz"] = mhz
        return made

    def multiplying(self, way: str) -> "Layer":
        """The same layer, multiplying in one of the `ways`."""
        made = copy.copy(self)
        vars(made)["multiply"] = way
        return made

    def ways(self, fold: Fold) -> dict[str, tuple[float, int]]:
        """(tables, hard multipliers) of each way in which the block can multiply at a fold, about
        (`fermatnet.hw.arrays.products.choice`); none where it has no array of multipliers."""
        return {}

    def way(self, fold: Fold) -> str:
        """The one of the `ways` that it takes."""
        return self.multiply

    @property
    def clock(self) -> Clock:
        """The clock, on the logic that the blocks are made for."""
        return Clock(self.clock_mhz, self.target)

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"layer {self.name!r} is a plan and does not change: make another one")

    @classmethod
    def of(cls, net: Network, node: Any, target: str = "generic", contents: Any = None) -> "Layer":
        """The layer for a node; a class that stands for several kinds of blocks chooses here."""
        return cls(net, node, target, contents)

    @property
    def kind(self) -> str:
        """Type of the node, by name."""
        return type(self.node).__name__

    def folds(self) -> list[Fold]:
        """Every fold that the block can have."""
        return [Fold()]

    def cycles(self, fold: Fold) -> int:
        """Cycles an image of the block itself, whatever its neighbours do."""
        return 1

    def cost(self, fold: Fold) -> float:
        """Look-up tables of the block at a fold, about: microseconds, deterministic."""
        return fold.pe * 2.0 * shape_of(self.inputs[0]).width + 100

    def pace(self, fold: Fold, incoming: list[StreamRate], period: int) -> tuple[list[int], StreamRate]:
        """With how many lanes the block takes each input, and how its output travels."""
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def block(self, at: Placement) -> Block:
        """The block in its place."""
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def interval(self, lanes: int, incoming: tuple[StreamRate, ...]) -> int:
        """Cycles between beats that the block is built for; 1 for a block that does not ask."""
        return 1

    def windowed(self, fold: Fold) -> bool:
        """Whether a buffer stands at the input."""
        return False

    def registered(self, fold: Fold, lanes: int) -> bool:
        """Whether the ready of its input, of ``lanes``, comes from registers."""
        return self.windowed(fold)

    def queued(self, fold: Fold) -> bool:
        """Whether the output's ready ends in a queue, and moves nothing else."""
        return not self.windowed(fold)

    def streamable(self) -> bool:
        """Whether the weights can come from a stream."""
        return False

    @classmethod
    def bounds(cls, node: Any) -> dict[str, int]:
        """Magnitudes that a reloadable design will hold where the layer's type does not say, by field."""
        return {}

    @classmethod
    def widest(cls, node: Any, bounds: dict[str, int]) -> Node:
        """The node with the most extreme weights of its type and of ``bounds``: a block made for it takes any
        others."""
        return node

    def narrowest(self, incoming: StreamRate, period: int, tensor: TensorType) -> int:
        """Fewest lanes that keep up with the producer and divide its lanes."""
        for lanes in divisors(incoming.lanes):
            if incoming.lanes // lanes <= incoming.interval and beats_of(tensor, lanes) <= period:
                return lanes
        return incoming.lanes
