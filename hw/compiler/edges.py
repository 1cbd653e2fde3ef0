"""The link between two layers: its lanes, its queues, and the conversion from one width to the other."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fermatnet.hw import timing
from fermatnet.hw.layers import beats_of
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.block_fifo import BlockFifo
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.model.network.types import TensorType

__all__ = ["CUT", "Edge", "conversions", "converter"]

CUT = 2  # places of a queue that only keeps ready from running through many blocks in one cycle

WIDE = 256
"""Bits of a serialiser above which it rests behind every piece, where there is time."""


@dataclass(frozen=True)
class Edge:
    """One input of one layer: lanes as they come and as the block takes them, queues before and after the
    conversion (0: none), and whether the conversion ``rests`` for a cycle a beat of the wider side, so that
    its ready is a register; ``halves``: behind every piece (`fermatnet.hw.stream.width`); ``clock``: by which
    deep queues are made."""

    producer: str
    consumer: str
    index: int
    lanes_from: int
    lanes_to: int
    width: int  # bits of one value
    before: int = 0
    after: int = 0
    rests: bool = False
    halves: bool = False
    clock: Clock | None = None

    @property
    def key(self) -> tuple[str, int]:
        """The layer that reads the edge, and which of its inputs it is."""
        return self.consumer, self.index

    @property
    def take_delay(self) -> int:
        """Cycles from the one in which its conversion sees a beat to the one in which it takes it."""
        return int(self.halves)

    def cut(self) -> "Edge":
        """The edge with a queue of `CUT` places on the narrow side of its conversion, none of it resting."""
        if self.lanes_from > self.lanes_to:
            return replace(self, rests=False, halves=False, after=max(self.after, CUT))
        return replace(self, rests=False, before=max(self.before, CUT))

    def hurried(self) -> "Edge":
        """The edge with fewer rests: none behind every piece, or else none; with a queue in their place."""
        return replace(self.cut(), rests=self.halves)

    @property
    def wide(self) -> bool:
        """Whether the bits of a serialiser are too many for one enable in a cycle."""
        return self.lanes_from % self.lanes_to == 0 and self.lanes_from * self.width > WIDE

    def rest_cycles(self, tensor: TensorType, halves: bool = False) -> int:
        """Cycles an image through a conversion that rests."""
        if halves:
            return 2 * beats_of(tensor, self.lanes_to)
        return sum(beats_of(tensor, lanes) for lanes in conversions(self.lanes_from, self.lanes_to)[:2])

    def latencies(self) -> tuple[int, int]:
        """Cycles the queues add."""
        return self._latency(self.before, self.lanes_from), self._latency(self.after, self.lanes_to)

    def _latency(self, depth: int, lanes: int) -> int:
        if not depth:
            return 0
        if self.in_blocks(depth, lanes):
            return BlockFifo.latency
        return 2 if Fifo.is_deep(self.width * lanes, depth) else 1

    def in_blocks(self, depth: int, lanes: int) -> bool:
        """Whether a queue of it is a `BlockFifo`."""
        return BlockFifo.pays(self.width * lanes, depth, self.clock)


def conversions(lanes_from: int, lanes_to: int) -> list[int]:
    """Lanes on the way from one width to the other: collect to the least common multiple, then serialise."""
    if lanes_from == lanes_to:
        return [lanes_from]
    common = int(np.lcm(lanes_from, lanes_to))
    return [lanes_from, *([common] if common not in (lanes_from, lanes_to) else []), lanes_to]


def converter(edge: Edge) -> Any:
    """Timing of the conversion on an edge; None without one."""
    ratios = [
        b // a if b > a else a // b
        for a, b in itertools.pairwise(conversions(edge.lanes_from, edge.lanes_to))
    ]
    if not ratios:
        return None
    if len(ratios) == 2:
        return timing.Repack(ratios[0], ratios[1], edge.rests)
    if edge.lanes_to > edge.lanes_from:
        return timing.Collect(ratios[0], edge.rests)
    return timing.Serialise(ratios[0], edge.rests, edge.halves)
