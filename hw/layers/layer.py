# amaranth: UnusedElaboratable=no
"""What every layer is to the compiler: folds, lanes, cycles, the component and its timing."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import TensorType

__all__ = ["Fold", "Layer", "StreamRate", "beats_of", "divisors", "shape_of"]


def divisors(n: int) -> list[int]:
    """All divisors of n >= 1, ascending."""
    return [k for k in range(1, n + 1) if n % k == 0]


def shape_of(tensor: TensorType) -> Shape:
    """How one value of a tensor travels: as narrow as its proven range."""
    return Shape(tensor.bits, tensor.signed)


def beats_of(tensor: TensorType, lanes: int) -> int:
    """Beats that an image of the tensor (C, H, W) takes with so many channels a beat."""
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
    """How a tensor travels: channels a beat, and cycles between two beats at least."""

    lanes: int
    interval: int


class Layer:
    """One node, seen by the compiler; subclasses know one kind of block each.

    ``pace(fold, incoming, period)`` says with how many lanes the block takes each input and how it emits;
    ``build`` makes the component (ports ``i`` or ``i0``, ``i1``, ..., and ``o``); ``model`` is its timing.
    """

    foldable = False
    external = False  # weights come from a stream
    target = "generic"  # what compressor trees are made for

    def __init__(self, net: Network, node: Any):
        self.net, self.node, self.name = net, node, node.name
        self.inputs = [net.types[name] for name in node.inputs]
        self.output = net.types[node.name]

    @property
    def kind(self) -> str:
        return type(self.node).__name__

    def folds(self) -> list[Fold]:
        return [Fold()]

    def cycles(self, fold: Fold) -> int:
        """Cycles an image of the block itself, whatever its neighbours do."""
        return 1

    def pace(self, fold: Fold, incoming: list[StreamRate], period: int) -> tuple[list[int], StreamRate]:
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def build(self, fold: Fold, lanes: list[int], rows: int = 0) -> wiring.Component:
        raise InputError(f"layer {self.name!r}: a {self.kind} cannot be generated")

    def model(self, component: Any, fold: Fold, lanes: list[int]) -> Any:
        return timing.Chain(component.latency, getattr(component, "gap", 1))

    def windowed(self, fold: Fold) -> bool:
        """Whether a buffer stands at the input, so that its ready comes from registers."""
        return False

    def narrowest(self, incoming: StreamRate, period: int, tensor: TensorType) -> int:
        """Fewest lanes that keep up with the producer and divide its lanes."""
        for lanes in divisors(incoming.lanes):
            if incoming.lanes // lanes <= incoming.interval and beats_of(tensor, lanes) <= period:
                return lanes
        return incoming.lanes
