"""Layers that were drawn by chance to judge the prediction, in three draws."""

from amaranth.hdl import unsigned

from fermatnet.bench.compiler.layer_kinds import (
    Layers,
    added,
    affine,
    beat,
    block,
    dense,
    integer,
    piecewise,
    pool,
    threshold,
    window,
)
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.network.nodes import (
    MaxPool,
    SumPool,
)

__all__ = ["first_draw", "second_draw", "third_draw"]


def first_draw() -> Layers:
    """By random.Random(20261121): kernel, channels, stride, M, N, folds, size, greatest levels."""
    return {
        "piecewise 3x3/2 24>32, M2 N5, 1x1": piecewise(
            61, (24, 13, 13), 32, 3, (1, 1), m=2, n=5, stride=2, top=(22, 52)
        ),
        "piecewise 3x3 16>32, M6 N5, 1x2": piecewise(62, (16, 21, 21), 32, 3, (1, 2), m=6, n=5, top=(15, 0)),
        "piecewise 3x3 16>12, M4 N5, 1x4": piecewise(
            63, (16, 24, 24), 12, 3, (1, 4), m=4, n=5, top=(100, 116)
        ),
        "piecewise 1x1/2 20>20, M4 N3, 4x10": piecewise(
            64, (20, 19, 19), 20, 1, (4, 10), m=4, n=3, stride=2, top=(117, 51)
        ),
        "piecewise 5x5 48>40, M2 N3, 8x4": piecewise(65, (48, 22, 22), 40, 5, (8, 4), m=2, n=3, top=(92, 71)),
        "piecewise 5x5 48>48, M8 N5, 8x2": piecewise(66, (48, 20, 20), 48, 5, (8, 2), m=8, n=5, top=(23, 65)),
        "integer 5x5/2 3>16, 1x3": integer(67, (3, 9, 9), 16, 5, (1, 3), stride=2),
        "integer 5x5/2 8>24, 4 bit, 1x2": integer(68, (8, 26, 26), 24, 5, (1, 2), stride=2, reach=7),
        "integer 7x7/2 12>16, 6 bit, 1x4": integer(69, (12, 12, 12), 16, 7, (1, 4), stride=2, reach=31),
        "depthwise 5x5 12, 4": integer(70, (12, 16, 16), 12, 5, (4, 4), group=12),
        "fermat 7x7 2>4": integer(71, (2, 19, 19), 4, 7, (1, 1), engine="fermat"),
        "dense 80>32, 8x10": dense(72, (20, 2, 2), 32, (8, 10)),
        "dense 192>24, 6x12": dense(73, (12, 4, 4), 24, (6, 12)),
        "window 5x5/2 24, 6 bit, 1": window(
            unsigned(6), 24, 11, 11, kernel=(5, 5), stride=(2, 2), pad=(2, 2, 2, 2), lanes=1
        ),
        "threshold 8, N5, 18 bit, 4": threshold(74, 8, 5, 18, 4),
        "affine 8, 13 bit, 1": affine(75, 8, 13, 1),
        "add 20, 8 bit, 1": added(76, 20, 8, 1),
        "max pool 2x2 40, 1": pool((40, 13, 13), 1, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 2x2 16, 2": pool((16, 12, 12), 2, SumPool("op", ("image",), (2, 2))),
        "queue 161 x 16 bit": block(Fifo, beat(8, 2), 161),
        "width 6>12": block(WidthConverter, unsigned(7), 6, 12, 12),
    }


def second_draw() -> Layers:
    """As the first, by random.Random(20261122)."""
    return {
        "piecewise 3x3 40>8, M8 N1, 2x5": piecewise(81, (40, 23, 23), 8, 3, (2, 5), m=8, n=1, top=(99, 0)),
        "piecewise 3x3/2 24>40, M6 N7, 4x3": piecewise(
            82, (24, 12, 12), 40, 3, (4, 3), m=6, n=7, stride=2, top=(116, 58)
        ),
        "piecewise 5x5/2 20>24, M4 N7, 2x10": piecewise(
            83, (20, 20, 20), 24, 5, (2, 10), m=4, n=7, stride=2, top=(37, 0)
        ),
        "piecewise 1x1 48>32, M4 N3, 4x12": piecewise(
            84, (48, 16, 16), 32, 1, (4, 12), m=4, n=3, top=(27, 0)
        ),
        "piecewise 5x5 20>48, M6 N5, 4x2": piecewise(85, (20, 22, 22), 48, 5, (4, 2), m=6, n=5, top=(82, 78)),
        "piecewise 3x3 40>8, M4 N7, 2x2": piecewise(86, (40, 16, 16), 8, 3, (2, 2), m=4, n=7, top=(57, 20)),
        "integer 1x1/2 8>16, 4 bit, 2x1": integer(87, (8, 23, 23), 16, 1, (2, 1), stride=2, reach=7),
        "integer 3x3 8>16, 6 bit, 1x4": integer(88, (8, 24, 24), 16, 3, (1, 4), reach=31),
        "integer 1x1/2 3>40, 3 bit, 1x1": integer(89, (3, 18, 18), 40, 1, (1, 1), stride=2, reach=3),
        "depthwise 3x3 12, 4": integer(90, (12, 22, 22), 12, 3, (4, 4), group=12),
        "fermat 3x3 4>6": integer(91, (4, 19, 19), 6, 3, (1, 1), engine="fermat"),
        "dense 256>10, 1x8": dense(92, (16, 4, 4), 10, (1, 8)),
        "dense 32>32, 8x8": dense(93, (32, 1, 1), 32, (8, 8)),
        "window 3x3/2 8, 6 bit, 1": window(
            unsigned(6), 8, 25, 25, kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1), lanes=1
        ),
        "threshold 48, N3, 13 bit, 4": threshold(94, 48, 3, 13, 4),
        "affine 40, 13 bit, 2": affine(95, 40, 13, 2),
        "add 8, 14 bit, 4": added(96, 8, 14, 4),
        "max pool 2x2 8, 4": pool((8, 10, 10), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 3x3 8, 1": pool((8, 12, 12), 1, SumPool("op", ("image",), (3, 3))),
        "queue 222 x 11 bit": block(Fifo, beat(11, 1), 222),
        "width 4>8": block(WidthConverter, unsigned(5), 4, 8, 8),
    }


def third_draw() -> Layers:
    """As the first, by random.Random(20261123)."""
    return {
        "piecewise 5x5/2 16>16, M2 N7, 8x2": piecewise(
            101, (16, 8, 8), 16, 5, (8, 2), m=2, n=7, stride=2, top=(85, 0)
        ),
        "piecewise 5x5/2 24>12, M2 N5, 3x4": piecewise(
            102, (24, 18, 18), 12, 5, (3, 4), m=2, n=5, stride=2, top=(7, 13)
        ),
        "piecewise 1x1 48>20, M8 N1, 4x12": piecewise(
            103, (48, 20, 20), 20, 1, (4, 12), m=8, n=1, top=(74, 49)
        ),
        "piecewise 5x5 8>24, M6 N3, 1x4": piecewise(104, (8, 20, 20), 24, 5, (1, 4), m=6, n=3, top=(69, 0)),
        "piecewise 3x3 8>40, M6 N3, 2x8": piecewise(105, (8, 22, 22), 40, 3, (2, 8), m=6, n=3, top=(77, 0)),
        "piecewise 5x5 8>16, M2 N7, 2x4": piecewise(106, (8, 13, 13), 16, 5, (2, 4), m=2, n=7, top=(93, 97)),
        "integer 5x5/2 12>32, 6 bit, 1x6": integer(107, (12, 22, 22), 32, 5, (1, 6), stride=2, reach=31),
        "integer 3x3/2 12>8, 3 bit, 1x1": integer(108, (12, 24, 24), 8, 3, (1, 1), stride=2, reach=3),
        "integer 3x3/2 3>8, 4 bit, 1x3": integer(109, (3, 23, 23), 8, 3, (1, 3), stride=2, reach=7),
        "depthwise 3x3 20, 5": integer(110, (20, 20, 20), 20, 3, (5, 5), group=20),
        "fermat 5x5 3>6, 14x14": integer(111, (3, 14, 14), 6, 5, (1, 1), engine="fermat"),
        "dense 72>20, 4x2": dense(112, (8, 3, 3), 20, (4, 2)),
        "dense 512>32, 2x4": dense(113, (32, 4, 4), 32, (2, 4)),
        "window 5x5 8, 8 bit, 2": window(unsigned(8), 8, 13, 13, kernel=(5, 5), pad=(2, 2, 2, 2), lanes=2),
        "threshold 16, N3, 15 bit, 1": threshold(114, 16, 3, 15, 1),
        "affine 32, 16 bit, 2": affine(115, 32, 16, 2),
        "add 12, 11 bit, 4": added(116, 12, 11, 4),
        "max pool 2x2 20, 4": pool((20, 14, 14), 4, MaxPool("op", ("image",), (2, 2), (2, 2))),
        "sum pool 2x2 12, 2": pool((12, 12, 12), 2, SumPool("op", ("image",), (2, 2))),
        "queue 120 x 21 bit": block(Fifo, beat(21, 1), 120),
        "width 16>8": block(WidthConverter, unsigned(7), 16, 8, 16),
    }
