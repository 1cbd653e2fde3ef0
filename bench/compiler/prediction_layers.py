"""Single layers of many kinds, shapes and folds: what resource prediction is fitted on, and what it is then
held against."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import wiring

from fermatnet.bench.compiler.drawn_layers import drawn
from fermatnet.bench.compiler.layer_draws import first_draw, second_draw, third_draw
from fermatnet.bench.compiler.layer_kinds import (
    Layers,
    added,
    affine,
    beat,
    block,
    dense,
    integer,
    piece_index,
    piecewise,
    pool,
    threshold,
    window,
)
from fermatnet.hw.layers import Fold, Placement, layer_of
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import (
    ArgMax,
    Levels,
    MaxPool,
    Node,
    SumPool,
)

__all__ = ["Case", "cases"]

ONE = Fold()
TREES = {"xc7": "lut6", "ecp5-85k": "ecp5"}


@dataclass(frozen=True)
class Case:
    """One layer. ``fitted``: its synthesis set the constants of `fermatnet.hw.resources`; the others judge
    them. ``draw``: 0 for layers that were looked at while the prediction was made, else of which draw by
    chance: 1 changed the mapping to ecp5 once more, 2 the price of memories on xc7, 3 came after that, 4
    showed what registers in a row and loose memories cost, 5 came after all changes."""

    name: str
    fitted: bool
    nodes: tuple[Node, ...]  # the last one is the layer, those before give it its input
    shape: tuple[int, int, int]
    fold: Fold = ONE
    lanes: tuple[int, ...] = ()
    part: tuple[Any, ...] = ()  # a block that no node stands for: class and arguments
    draw: int = 0

    def layer(self, device: str) -> Any:
        """The compiler's view of it."""
        net = Network(list(self.nodes), self.shape, output=self.nodes[-1].name)
        return layer_of(net, self.nodes[-1], TREES[device])

    def component(self, device: str) -> wiring.Component:
        """The hardware of this layer (or of the part named) for a device."""
        if self.part:
            kind, *arguments = self.part
            return kind(*arguments)
        layer = self.layer(device)
        lanes = tuple(self.lanes or layer.pace(self.fold, [], 1)[0])
        return layer.block(Placement(self.fold, lanes)).build()


def _fitted() -> Layers:
    """What set the constants."""
    return {
        "piecewise 3x3 16>16, M4 N5, 2x8": piecewise(1, (16, 12, 12), 16, 3, (2, 8)),
        "piecewise 1x1 32>16, M2 N1, 4x16": piecewise(2, (32, 8, 8), 16, 1, (4, 16), m=2, n=1, top=(2, 2)),
        "piecewise 3x3/2 8>32, M8 N7, 4x4": piecewise(3, (8, 16, 16), 32, 3, (4, 4), m=8, n=7, top=(60, 0)),
        "piecewise 3x3 64>64, M4 N5, 4x16": piecewise(4, (64, 8, 8), 64, 3, (4, 16), top=(40, 0)),
        "integer 3x3 3>16, 4x3": integer(5, (3, 32, 32), 16, 3, (4, 3)),
        "integer 5x5 8>8, 1x2": integer(6, (8, 10, 10), 8, 5, (1, 2)),
        "integer 3x3 8>8, 3 bit, 2x4": integer(7, (8, 16, 16), 8, 3, (2, 4), reach=3),
        "depthwise 3x3 16, 4": integer(8, (16, 12, 12), 16, 3, (4, 4), group=16),
        "fermat 5x5 2>4": integer(9, (2, 12, 12), 4, 5, (1, 1), engine="fermat"),
        "dense 64>10, 2x4": dense(10, (4, 4, 4), 10, (2, 4)),
        "threshold 16, N5, 14 bit, 4": threshold(11, 16, 5, 14, 4),
        "threshold 32, N7, 11 bit, 1": threshold(12, 32, 7, 11, 1),
        "affine 16, 14 bit, 2": affine(13, 16, 14, 2),
        "add 16, 12 bit, 4": added(14, 16, 12, 4),
        "max pool 2x2 16, 4": pool((16, 12, 12), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 8x8 16, 2": pool((16, 8, 8), 2, SumPool("op", ("image",))),
        "queue 8 x 24 bit": block(Fifo, beat(8, 3), 8),
        "queue 200 x 32 bit": block(Fifo, beat(8, 4), 200),
        "width 2>8": block(WidthConverter, unsigned(6), 2, 8, 8),
        "arg max 10, 2": pool((10, 1, 1), 2, ArgMax("op", ("image",))),
    }


def _known() -> Layers:
    """What judges, and was looked at while the prediction was made."""
    return {
        "piecewise 3x3 24>12, M4 N3, 3x6": piecewise(31, (24, 10, 10), 12, 3, (3, 6), n=3),
        "piecewise 3x3/2 16>32, M4 N5, 8x4": piecewise(32, (16, 16, 16), 32, 3, (8, 4), top=(30, 0)),
        "piecewise 1x1/2 32>64, M4 N5, 2x32": piecewise(33, (32, 16, 16), 64, 1, (2, 32), stride=2),
        "piecewise 5x5 8>8, M6 N7, 1x8": piecewise(34, (8, 14, 14), 8, 5, (1, 8), m=6, n=7, top=(50, 90)),
        "piecewise 3x3 32>32, M2 N1, 8x32": piecewise(35, (32, 16, 16), 32, 3, (8, 32), m=2, n=1, top=(2, 2)),
        "piecewise 3x3 16>16, 4 groups, 1x4": piecewise(
            36, (16, 12, 12), 16, 3, (1, 4), group=4, top=(40, 0)
        ),
        "integer 3x3/2 4>12, 3x2": integer(37, (4, 20, 20), 12, 3, (3, 2), stride=2),
        "integer 7x7 3>8, 2x3": integer(38, (3, 28, 28), 8, 7, (2, 3)),
        "integer 3x3 12>6, 4 bit, 3x6": integer(39, (12, 10, 10), 6, 3, (3, 6), reach=7),
        "integer 1x1 16>24, 4x8": integer(40, (16, 8, 8), 24, 1, (4, 8)),
        "depthwise 5x5 24, 6": integer(41, (24, 9, 9), 24, 5, (6, 6), group=24),
        "depthwise 3x3/2 8, 1": integer(42, (8, 16, 16), 8, 3, (1, 1), stride=2, group=8),
        "fermat 5x5 3>6": integer(43, (3, 16, 16), 6, 5, (2, 1), engine="fermat"),
        "fermat 3x3 4>8": integer(50, (4, 14, 14), 8, 3, (1, 1), engine="fermat"),
        "dense 144>12, 3x8": dense(44, (16, 3, 3), 12, (3, 8)),
        "dense 512>10, 1x16": dense(51, (32, 4, 4), 10, (1, 16)),
        "dense 64>40, 8x4": dense(52, (64, 1, 1), 40, (8, 4)),
        "window 3x3 24, 3 bit, 6": window(unsigned(3), 24, 12, 12, kernel=(3, 3), pad=(1, 1, 1, 1), lanes=6),
        "window 5x5/2 8, 8 bit, 4": window(
            unsigned(8), 8, 28, 28, kernel=(5, 5), stride=(2, 2), pad=(2, 2, 2, 2), lanes=4, repeats=4
        ),
        "window 1x1/2 16, 5 bit, 16": window(unsigned(5), 16, 16, 16, kernel=(1, 1), stride=(2, 2), lanes=16),
        "threshold 24, N3, 16 bit, 8": threshold(45, 24, 3, 16, 8),
        "threshold 64, N5, 12 bit, 2": threshold(46, 64, 5, 12, 2),
        "affine 32, 16 bit, 4": affine(47, 32, 16, 4),
        "add 32, 14 bit, 8": added(48, 32, 14, 8),
        "max pool 3x3/2 24, 6": pool(
            (24, 14, 14), 6, MaxPool("op", ("image",), (3, 3), (2, 2), (1, 1, 1, 1))
        ),
        "sum pool 2x2 32, 4": pool((32, 10, 10), 4, SumPool("op", ("image",), (2, 2))),
        "levels 16, N7, 4": {
            "nodes": (
                piece_index(np.random.default_rng(49), 16, 7),
                Levels("op", ("act",), np.array([0, 9, 14, 25, 33, 47, 60, 71])),
            ),
            "shape": (16, 8, 8),
            "lanes": (4,),
        },
        "queue 20 x 30 bit": block(Fifo, beat(10, 3), 20),
        "queue 500 x 24 bit": block(Fifo, beat(12, 2), 500),
        "width 12>3": block(WidthConverter, unsigned(5), 12, 3, 12),
        "fork of 3": block(Fork, beat(5, 4), 3),
    }


SEEDS = (20261128, 20261130, 20261201)
"""Of the draws behind the third, each made by a seed alone, arguments too."""


def cases() -> list[Case]:
    """All of them, always the same."""
    draws: list[Callable[[], Layers]] = [first_draw, second_draw, third_draw]
    draws += [partial(drawn, seed) for seed in SEEDS]
    groups: list[tuple[int, Callable[[], Layers]]] = [(0, _fitted), (0, _known), *enumerate(draws, 1)]
    return [
        Case(name, group is _fitted, draw=draw, **values)
        for draw, group in groups
        for name, values in group().items()
    ]
