"""Single layers of many kinds, shapes and folds: what resource prediction is fitted on, and what it is then
held against."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import data, wiring

from fermatnet.hw.layers import Fold, Placement, layer_of
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Conv,
    Dense,
    Levels,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    Threshold,
)

__all__ = ["Case", "cases"]

ONE = Fold()
Layers = dict[str, dict[str, Any]]  # fields of a `Case` by its name
TREES = {"xc7": "lut6", "ecp5-85k": "ecp5"}


@dataclass(frozen=True)
class Case:
    """One layer. ``fitted``: its synthesis set the constants of `fermatnet.hw.resources`; the others judge
    them. ``draw``: 0 for layers that were looked at while the prediction was made, else of which draw by
    chance: 1 changed the mapping to ecp5 once more, 2 the price of memories on xc7, 3 came after all
    changes."""

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
        if self.part:
            kind, *arguments = self.part
            return kind(*arguments)
        layer = self.layer(device)
        lanes = tuple(self.lanes or layer.pace(self.fold, [], 1)[0])
        return layer.block(Placement(self.fold, lanes)).build()


def _levels(rng: np.random.Generator, count: int, top: int, signed: bool) -> np.ndarray:
    """``count`` distinct levels beside zero, up to about ``top``."""
    if not signed:
        return np.concatenate([[0], np.sort(rng.choice(np.arange(1, top), count, replace=False))])
    half = np.sort(rng.choice(np.arange(1, top), count // 2, replace=False))
    return np.concatenate([-half[::-1], [0], half])


def _index(rng: np.random.Generator, channels: int, n: int) -> Threshold:
    return Threshold(
        "act",
        ("image",),
        np.sort(rng.integers(0, 256, (channels, n)), axis=1),
        rng.choice([-1, 1], channels).astype(np.int8),
    )


def _piecewise(seed, shape, out, kernel, fold, *, m=4, n=5, stride=1, top=(40, 100), group=1):
    rng = np.random.default_rng(seed)
    levels = _levels(rng, m, top[0], True), _levels(rng, n, top[1], False) if top[1] else np.arange(n + 1)
    codes = rng.integers(0, m + 1, (out, shape[0] // group, kernel, kernel), dtype=np.uint8)
    conv = PiecewiseConv(
        "op", ("act",), codes, *levels, stride=(stride,) * 2, pad=(kernel // 2,) * 4, group=group
    )
    return {"nodes": (_index(rng, shape[0], n), conv), "shape": shape, "fold": Fold(*fold)}


def _integer(seed, shape, out, kernel, fold, *, stride=1, group=1, engine="direct", reach=127):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-reach, reach + 1, (out, shape[0] // group, kernel, kernel))
    conv = Conv("op", ("image",), weight, 8, (stride,) * 2, (kernel // 2,) * 4, (1, 1), group, engine)
    return {"nodes": (conv,), "shape": shape, "fold": Fold(*fold)}


def _dense(seed, shape, out, fold):
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    return {
        "nodes": (
            Dense("op", ("image",), rng.integers(-127, 128, (out, size)), rng.integers(-999, 999, out)),
        ),
        "shape": shape,
        "fold": Fold(*fold),
    }


def _scaled(
    rng: np.random.Generator, channels: int, bits: int, source: str = "image", name: str = "wide"
) -> Affine:
    """Values of ``bits`` bits, signed."""
    top = 1 << bits - 1
    return Affine(
        name,
        (source,),
        rng.integers(1, 1 << 15, channels),
        rng.integers(-top, top, channels),
        4,
        -top,
        top - 1,
    )


def _threshold(seed, channels, n, bits, lanes):
    rng = np.random.default_rng(seed)
    top = 1 << bits - 1
    limits = np.sort(rng.integers(-top, top, (channels, n)), axis=1)
    return {
        "nodes": (
            _scaled(rng, channels, bits),
            Threshold("op", ("wide",), limits, rng.choice([-1, 1], channels).astype(np.int8)),
        ),
        "shape": (channels, 8, 8),
        "lanes": (lanes,),
    }


def _affine(seed, channels, bits, lanes):
    rng = np.random.default_rng(seed)
    scale = Affine(
        "op", ("wide",), rng.integers(1, 64, channels), rng.integers(-2000, 2000, channels), 6, -2048, 2047
    )
    return {"nodes": (_scaled(rng, channels, bits), scale), "shape": (channels, 8, 8), "lanes": (lanes,)}


def _add(seed, channels, bits, lanes):
    rng = np.random.default_rng(seed)
    return {
        "nodes": (
            _scaled(rng, channels, bits, name="a"),
            _scaled(rng, channels, bits - 2, name="b"),
            Add("op", ("a", "b")),
        ),
        "shape": (channels, 8, 8),
        "lanes": (lanes, lanes),
    }


def _pool(shape, lanes, node):
    return {"nodes": (node,), "shape": shape, "fold": Fold(lanes, lanes), "lanes": (lanes,)}


def _block(*part):
    return {"nodes": (), "shape": (1, 1, 1), "part": part}


def _window(*arguments, **geometry):
    return _block(partial(SlidingWindow, *arguments, **geometry))


def _beat(bits: int, lanes: int) -> data.ArrayLayout:
    return data.ArrayLayout(unsigned(bits), lanes)


def _fitted() -> Layers:
    """What set the constants."""
    return {
        "piecewise 3x3 16>16, M4 N5, 2x8": _piecewise(1, (16, 12, 12), 16, 3, (2, 8)),
        "piecewise 1x1 32>16, M2 N1, 4x16": _piecewise(2, (32, 8, 8), 16, 1, (4, 16), m=2, n=1, top=(2, 2)),
        "piecewise 3x3/2 8>32, M8 N7, 4x4": _piecewise(3, (8, 16, 16), 32, 3, (4, 4), m=8, n=7, top=(60, 0)),
        "piecewise 3x3 64>64, M4 N5, 4x16": _piecewise(4, (64, 8, 8), 64, 3, (4, 16), top=(40, 0)),
        "integer 3x3 3>16, 4x3": _integer(5, (3, 32, 32), 16, 3, (4, 3)),
        "integer 5x5 8>8, 1x2": _integer(6, (8, 10, 10), 8, 5, (1, 2)),
        "integer 3x3 8>8, 3 bit, 2x4": _integer(7, (8, 16, 16), 8, 3, (2, 4), reach=3),
        "depthwise 3x3 16, 4": _integer(8, (16, 12, 12), 16, 3, (4, 4), group=16),
        "fermat 5x5 2>4": _integer(9, (2, 12, 12), 4, 5, (1, 1), engine="fermat"),
        "dense 64>10, 2x4": _dense(10, (4, 4, 4), 10, (2, 4)),
        "threshold 16, N5, 14 bit, 4": _threshold(11, 16, 5, 14, 4),
        "threshold 32, N7, 11 bit, 1": _threshold(12, 32, 7, 11, 1),
        "affine 16, 14 bit, 2": _affine(13, 16, 14, 2),
        "add 16, 12 bit, 4": _add(14, 16, 12, 4),
        "max pool 2x2 16, 4": _pool((16, 12, 12), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 8x8 16, 2": _pool((16, 8, 8), 2, SumPool("op", ("image",))),
        "queue 8 x 24 bit": _block(Fifo, _beat(8, 3), 8),
        "queue 200 x 32 bit": _block(Fifo, _beat(8, 4), 200),
        "width 2>8": _block(WidthConverter, unsigned(6), 2, 8, 8),
        "arg max 10, 2": _pool((10, 1, 1), 2, ArgMax("op", ("image",))),
    }


def _known() -> Layers:
    """What judges, and was looked at while the prediction was made."""
    return {
        "piecewise 3x3 24>12, M4 N3, 3x6": _piecewise(31, (24, 10, 10), 12, 3, (3, 6), n=3),
        "piecewise 3x3/2 16>32, M4 N5, 8x4": _piecewise(32, (16, 16, 16), 32, 3, (8, 4), top=(30, 0)),
        "piecewise 1x1/2 32>64, M4 N5, 2x32": _piecewise(33, (32, 16, 16), 64, 1, (2, 32), stride=2),
        "piecewise 5x5 8>8, M6 N7, 1x8": _piecewise(34, (8, 14, 14), 8, 5, (1, 8), m=6, n=7, top=(50, 90)),
        "piecewise 3x3 32>32, M2 N1, 8x32": _piecewise(
            35, (32, 16, 16), 32, 3, (8, 32), m=2, n=1, top=(2, 2)
        ),
        "piecewise 3x3 16>16, 4 groups, 1x4": _piecewise(
            36, (16, 12, 12), 16, 3, (1, 4), group=4, top=(40, 0)
        ),
        "integer 3x3/2 4>12, 3x2": _integer(37, (4, 20, 20), 12, 3, (3, 2), stride=2),
        "integer 7x7 3>8, 2x3": _integer(38, (3, 28, 28), 8, 7, (2, 3)),
        "integer 3x3 12>6, 4 bit, 3x6": _integer(39, (12, 10, 10), 6, 3, (3, 6), reach=7),
        "integer 1x1 16>24, 4x8": _integer(40, (16, 8, 8), 24, 1, (4, 8)),
        "depthwise 5x5 24, 6": _integer(41, (24, 9, 9), 24, 5, (6, 6), group=24),
        "depthwise 3x3/2 8, 1": _integer(42, (8, 16, 16), 8, 3, (1, 1), stride=2, group=8),
        "fermat 5x5 3>6": _integer(43, (3, 16, 16), 6, 5, (2, 1), engine="fermat"),
        "fermat 3x3 4>8": _integer(50, (4, 14, 14), 8, 3, (1, 1), engine="fermat"),
        "dense 144>12, 3x8": _dense(44, (16, 3, 3), 12, (3, 8)),
        "dense 512>10, 1x16": _dense(51, (32, 4, 4), 10, (1, 16)),
        "dense 64>40, 8x4": _dense(52, (64, 1, 1), 40, (8, 4)),
        "window 3x3 24, 3 bit, 6": _window(unsigned(3), 24, 12, 12, kernel=(3, 3), pad=(1, 1, 1, 1), lanes=6),
        "window 5x5/2 8, 8 bit, 4": _window(
            unsigned(8), 8, 28, 28, kernel=(5, 5), stride=(2, 2), pad=(2, 2, 2, 2), lanes=4, repeats=4
        ),
        "window 1x1/2 16, 5 bit, 16": _window(
            unsigned(5), 16, 16, 16, kernel=(1, 1), stride=(2, 2), lanes=16
        ),
        "threshold 24, N3, 16 bit, 8": _threshold(45, 24, 3, 16, 8),
        "threshold 64, N5, 12 bit, 2": _threshold(46, 64, 5, 12, 2),
        "affine 32, 16 bit, 4": _affine(47, 32, 16, 4),
        "add 32, 14 bit, 8": _add(48, 32, 14, 8),
        "max pool 3x3/2 24, 6": _pool(
            (24, 14, 14), 6, MaxPool("op", ("image",), (3, 3), (2, 2), (1, 1, 1, 1))
        ),
        "sum pool 2x2 32, 4": _pool((32, 10, 10), 4, SumPool("op", ("image",), (2, 2))),
        "levels 16, N7, 4": {
            "nodes": (
                _index(np.random.default_rng(49), 16, 7),
                Levels("op", ("act",), np.array([0, 9, 14, 25, 33, 47, 60, 71])),
            ),
            "shape": (16, 8, 8),
            "lanes": (4,),
        },
        "queue 20 x 30 bit": _block(Fifo, _beat(10, 3), 20),
        "queue 500 x 24 bit": _block(Fifo, _beat(12, 2), 500),
        "width 12>3": _block(WidthConverter, unsigned(5), 12, 3, 12),
        "fork of 3": _block(Fork, _beat(5, 4), 3),
    }


def _first_draw() -> Layers:
    """By random.Random(20261121): kernel, channels, stride, M, N, folds, size, greatest levels."""
    return {
        "piecewise 3x3/2 24>32, M2 N5, 1x1": _piecewise(
            61, (24, 13, 13), 32, 3, (1, 1), m=2, n=5, stride=2, top=(22, 52)
        ),
        "piecewise 3x3 16>32, M6 N5, 1x2": _piecewise(62, (16, 21, 21), 32, 3, (1, 2), m=6, n=5, top=(15, 0)),
        "piecewise 3x3 16>12, M4 N5, 1x4": _piecewise(
            63, (16, 24, 24), 12, 3, (1, 4), m=4, n=5, top=(100, 116)
        ),
        "piecewise 1x1/2 20>20, M4 N3, 4x10": _piecewise(
            64, (20, 19, 19), 20, 1, (4, 10), m=4, n=3, stride=2, top=(117, 51)
        ),
        "piecewise 5x5 48>40, M2 N3, 8x4": _piecewise(
            65, (48, 22, 22), 40, 5, (8, 4), m=2, n=3, top=(92, 71)
        ),
        "piecewise 5x5 48>48, M8 N5, 8x2": _piecewise(
            66, (48, 20, 20), 48, 5, (8, 2), m=8, n=5, top=(23, 65)
        ),
        "integer 5x5/2 3>16, 1x3": _integer(67, (3, 9, 9), 16, 5, (1, 3), stride=2),
        "integer 5x5/2 8>24, 4 bit, 1x2": _integer(68, (8, 26, 26), 24, 5, (1, 2), stride=2, reach=7),
        "integer 7x7/2 12>16, 6 bit, 1x4": _integer(69, (12, 12, 12), 16, 7, (1, 4), stride=2, reach=31),
        "depthwise 5x5 12, 4": _integer(70, (12, 16, 16), 12, 5, (4, 4), group=12),
        "fermat 7x7 2>4": _integer(71, (2, 19, 19), 4, 7, (1, 1), engine="fermat"),
        "dense 80>32, 8x10": _dense(72, (20, 2, 2), 32, (8, 10)),
        "dense 192>24, 6x12": _dense(73, (12, 4, 4), 24, (6, 12)),
        "window 5x5/2 24, 6 bit, 1": _window(
            unsigned(6), 24, 11, 11, kernel=(5, 5), stride=(2, 2), pad=(2, 2, 2, 2), lanes=1
        ),
        "threshold 8, N5, 18 bit, 4": _threshold(74, 8, 5, 18, 4),
        "affine 8, 13 bit, 1": _affine(75, 8, 13, 1),
        "add 20, 8 bit, 1": _add(76, 20, 8, 1),
        "max pool 2x2 40, 1": _pool((40, 13, 13), 1, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 2x2 16, 2": _pool((16, 12, 12), 2, SumPool("op", ("image",), (2, 2))),
        "queue 161 x 16 bit": _block(Fifo, _beat(8, 2), 161),
        "width 6>12": _block(WidthConverter, unsigned(7), 6, 12, 12),
    }


def _second_draw() -> Layers:
    """As the first, by random.Random(20261122)."""
    return {
        "piecewise 3x3 40>8, M8 N1, 2x5": _piecewise(81, (40, 23, 23), 8, 3, (2, 5), m=8, n=1, top=(99, 0)),
        "piecewise 3x3/2 24>40, M6 N7, 4x3": _piecewise(
            82, (24, 12, 12), 40, 3, (4, 3), m=6, n=7, stride=2, top=(116, 58)
        ),
        "piecewise 5x5/2 20>24, M4 N7, 2x10": _piecewise(
            83, (20, 20, 20), 24, 5, (2, 10), m=4, n=7, stride=2, top=(37, 0)
        ),
        "piecewise 1x1 48>32, M4 N3, 4x12": _piecewise(
            84, (48, 16, 16), 32, 1, (4, 12), m=4, n=3, top=(27, 0)
        ),
        "piecewise 5x5 20>48, M6 N5, 4x2": _piecewise(
            85, (20, 22, 22), 48, 5, (4, 2), m=6, n=5, top=(82, 78)
        ),
        "piecewise 3x3 40>8, M4 N7, 2x2": _piecewise(86, (40, 16, 16), 8, 3, (2, 2), m=4, n=7, top=(57, 20)),
        "integer 1x1/2 8>16, 4 bit, 2x1": _integer(87, (8, 23, 23), 16, 1, (2, 1), stride=2, reach=7),
        "integer 3x3 8>16, 6 bit, 1x4": _integer(88, (8, 24, 24), 16, 3, (1, 4), reach=31),
        "integer 1x1/2 3>40, 3 bit, 1x1": _integer(89, (3, 18, 18), 40, 1, (1, 1), stride=2, reach=3),
        "depthwise 3x3 12, 4": _integer(90, (12, 22, 22), 12, 3, (4, 4), group=12),
        "fermat 3x3 4>6": _integer(91, (4, 19, 19), 6, 3, (1, 1), engine="fermat"),
        "dense 256>10, 1x8": _dense(92, (16, 4, 4), 10, (1, 8)),
        "dense 32>32, 8x8": _dense(93, (32, 1, 1), 32, (8, 8)),
        "window 3x3/2 8, 6 bit, 1": _window(
            unsigned(6), 8, 25, 25, kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1), lanes=1
        ),
        "threshold 48, N3, 13 bit, 4": _threshold(94, 48, 3, 13, 4),
        "affine 40, 13 bit, 2": _affine(95, 40, 13, 2),
        "add 8, 14 bit, 4": _add(96, 8, 14, 4),
        "max pool 2x2 8, 4": _pool((8, 10, 10), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 3x3 8, 1": _pool((8, 12, 12), 1, SumPool("op", ("image",), (3, 3))),
        "queue 222 x 11 bit": _block(Fifo, _beat(11, 1), 222),
        "width 4>8": _block(WidthConverter, unsigned(5), 4, 8, 8),
    }


def _third_draw() -> Layers:
    """As the first, by random.Random(20261123)."""
    return {
        "piecewise 5x5/2 16>16, M2 N7, 8x2": _piecewise(
            101, (16, 8, 8), 16, 5, (8, 2), m=2, n=7, stride=2, top=(85, 0)
        ),
        "piecewise 5x5/2 24>12, M2 N5, 3x4": _piecewise(
            102, (24, 18, 18), 12, 5, (3, 4), m=2, n=5, stride=2, top=(7, 13)
        ),
        "piecewise 1x1 48>20, M8 N1, 4x12": _piecewise(
            103, (48, 20, 20), 20, 1, (4, 12), m=8, n=1, top=(74, 49)
        ),
        "piecewise 5x5 8>24, M6 N3, 1x4": _piecewise(104, (8, 20, 20), 24, 5, (1, 4), m=6, n=3, top=(69, 0)),
        "piecewise 3x3 8>40, M6 N3, 2x8": _piecewise(105, (8, 22, 22), 40, 3, (2, 8), m=6, n=3, top=(77, 0)),
        "piecewise 5x5 8>16, M2 N7, 2x4": _piecewise(106, (8, 13, 13), 16, 5, (2, 4), m=2, n=7, top=(93, 97)),
        "integer 5x5/2 12>32, 6 bit, 1x6": _integer(107, (12, 22, 22), 32, 5, (1, 6), stride=2, reach=31),
        "integer 3x3/2 12>8, 3 bit, 1x1": _integer(108, (12, 24, 24), 8, 3, (1, 1), stride=2, reach=3),
        "integer 3x3/2 3>8, 4 bit, 1x3": _integer(109, (3, 23, 23), 8, 3, (1, 3), stride=2, reach=7),
        "depthwise 3x3 20, 5": _integer(110, (20, 20, 20), 20, 3, (5, 5), group=20),
        "fermat 5x5 3>6, 14x14": _integer(111, (3, 14, 14), 6, 5, (1, 1), engine="fermat"),
        "dense 72>20, 4x2": _dense(112, (8, 3, 3), 20, (4, 2)),
        "dense 512>32, 2x4": _dense(113, (32, 4, 4), 32, (2, 4)),
        "window 5x5 8, 8 bit, 2": _window(unsigned(8), 8, 13, 13, kernel=(5, 5), pad=(2, 2, 2, 2), lanes=2),
        "threshold 16, N3, 15 bit, 1": _threshold(114, 16, 3, 15, 1),
        "affine 32, 16 bit, 2": _affine(115, 32, 16, 2),
        "add 12, 11 bit, 4": _add(116, 12, 11, 4),
        "max pool 2x2 20, 4": _pool((20, 14, 14), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 2x2 12, 2": _pool((12, 12, 12), 2, SumPool("op", ("image",), (2, 2))),
        "queue 120 x 21 bit": _block(Fifo, _beat(21, 1), 120),
        "width 16>8": _block(WidthConverter, unsigned(7), 16, 8, 16),
    }


def cases() -> list[Case]:
    """All of them, always the same."""
    groups = ((0, _fitted), (0, _known), (1, _first_draw), (2, _second_draw), (3, _third_draw))
    return [
        Case(name, group is _fitted, draw=draw, **values)
        for draw, group in groups
        for name, values in group().items()
    ]
