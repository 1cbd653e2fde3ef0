"""Networks at the edges: 64-bit sums, extreme thresholds, nested joins, every storage."""

import numpy as np

from fermatnet.model.network import Network
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    PiecewiseConv,
    SumPool,
    Threshold,
)
from fermatnet.runtime.packed import build


def forms() -> list[str]:
    return list(build.forms()) if not build.why_not() else []


def images(net: Network, count: int = 5, seed: int = 0) -> np.ndarray:
    """Random images, and those of the least, the greatest and alternating pixels."""
    lo, hi = net.input_range
    x = np.random.default_rng(seed).integers(lo, hi + 1, (count, *net.input_shape)).astype(np.uint8)
    x[0], x[1] = lo, hi
    x[2] = np.where(np.indices(net.input_shape).sum(axis=0) % 2, lo, hi)
    return x


def extreme_bytes() -> Network:
    """Every weight at +-127 under pixels of 255, signed bytes and 16 bits behind it, 255 thresholds, a table
    of 256.
    """
    sign = np.where(np.indices((20, 3, 3, 3)).sum(axis=0) % 3 == 0, -127, 127)
    limits = np.sort(np.random.default_rng(1).integers(-800_000, 800_000, (20, 255)), axis=1)
    return Network(
        [
            Conv("stem", ("image",), sign, pad=(1, 1, 1, 1), engine="direct"),
            Affine("signed", ("stem",), np.full(20, 3), np.full(20, 1 << 12), 13, -128, 127),
            Conv("second", ("signed",), np.full((20, 20, 3, 3), -127), pad=(1, 1, 1, 1), engine="direct"),
            Affine("halves", ("second",), np.full(20, -1), np.zeros(20, np.int64), 4, -32768, 32767),
            Conv("third", ("halves",), np.full((5, 20, 1, 1), 1), 16, engine="direct"),
            Threshold("fine", ("stem",), limits, np.where(np.arange(20) % 2, -1, 1).astype(np.int8)),
            Levels("table", ("fine",), np.arange(256) ** 2 - 9000),
            Add("sum", ("table", "halves")),
            Concat("join", ("sum", "third")),
            Dense("dense", ("join",), np.where(np.arange(7 * 25 * 30).reshape(7, -1) % 2, -3, 2)),
        ],
        (3, 5, 6),
    )


def long_sums() -> Network:
    """INT16 sums beyond 32 bits, pooled, joined and brought back by Affine and Threshold."""
    rng = np.random.default_rng(2)
    nodes = [
        Affine("wide", ("image",), np.full(6, 128), np.full(6, -5), 0, -32768, 32767),
        Conv(
            "long",
            ("wide",),
            rng.integers(-32767, 32768, (8, 6, 3, 3)),
            16,
            engine="direct",
            pad=(1, 1, 1, 1),
        ),
        MaxPool("pool", ("long",), (2, 2), (2, 2), (1, 1, 0, 0)),
        Affine("back", ("pool",), np.full(8, 1), np.full(8, 1 << 18), 19, -30000, 30000),
        Threshold(
            "act",
            ("pool",),
            np.sort(rng.integers(-1 << 40, 1 << 40, (8, 3)), axis=1),
            np.where(np.arange(8) % 2, 1, -1).astype(np.int8),
        ),
        PiecewiseConv(
            "piece",
            ("act",),
            rng.integers(0, 3, (8, 8, 3, 3)).astype(np.uint8),
            np.array([-2, 0, 3]),
            np.array([0, 1, 5, 9]),
            pad=(1, 1, 1, 1),
        ),
        Add("add", ("back", "piece")),
        SumPool("sum", ("add",)),
        Dense(
            "dense",
            ("sum",),
            rng.integers(-32767, 32768, (3, 8)),
            np.array([1, -(1 << 31), (1 << 31) - 1]),
            16,
        ),
    ]
    nodes[-1].weight = nodes[-1].weight // 4000
    nodes[-1].bias = np.array([1, -7, 9])
    return Network(nodes, (6, 7, 7))


def joins() -> Network:
    """The image as piece indices and as integers, joins of joins, one tensor read in five ways, a sum of a
    tensor with itself.
    """
    rng = np.random.default_rng(3)
    limits = np.sort(rng.integers(0, 256, (3, 3)), axis=1)
    return Network(
        [
            Threshold("pixels", ("image",), limits, np.ones(3, np.int8)),
            PiecewiseConv(
                "grow",
                ("pixels",),
                rng.integers(0, 5, (5, 3, 3, 3)).astype(np.uint8),
                np.array([-9, -4, 0, 4, 9]),
                np.array([0, 1, 2, 3]),
                pad=(1, 1, 1, 1),
            ),
            Threshold(
                "act",
                ("grow",),
                np.sort(rng.integers(-60, 60, (5, 3)), axis=1),
                np.array([1, -1, 1, -1, 1], np.int8),
            ),
            Concat("first", ("pixels", "act")),
            Concat("second", ("first", "act", "pixels")),
            MaxPool("pool", ("second",), (3, 2), (1, 2), (1, 0, 1, 0)),
            PiecewiseConv(
                "mix",
                ("pool",),
                rng.integers(0, 3, (12, 4, 1, 1)).astype(np.uint8),
                np.array([-1, 0, 1]),
                np.array([0, 2, 3, 7]),
                group=4,
            ),
            Levels("values", ("second",), np.array([-5, 0, 7, 300])),
            Add("twice", ("values", "values")),
            Concat("ints", ("twice", "image")),
            Affine(
                "scaled", ("ints",), rng.integers(-100, 100, 19), rng.integers(-999, 999, 19), 5, -128, 127
            ),
            Conv(
                "deep",
                ("scaled",),
                rng.integers(-127, 128, (19, 1, 3, 3)),
                pad=(1, 1, 1, 1),
                group=19,
                engine="direct",
            ),
            SumPool("left", ("mix",)),
            SumPool("right", ("deep",)),
            Concat("all", ("left", "right")),
            Dense("dense", ("all",), rng.integers(-9, 10, (6, 31))),
            ArgMax("top", ("dense",)),
        ],
        (3, 6, 6),
    )


def binary() -> Network:
    """+-1 weights and one-bit activations, as a binary network has them, with grouped and dilated layers of
    whole bytes.
    """
    rng = np.random.default_rng(4)

    def conv(name: str, source: str, outputs: int, inputs: int, kernel: int, **more: object) -> PiecewiseConv:
        codes = 2 * rng.integers(0, 2, (outputs, inputs, kernel, kernel)).astype(np.uint8)
        levels_w, levels_a = np.array([-3, 0, 3]), np.array([0, 5])
        return PiecewiseConv(name, (source,), codes, levels_w, levels_a, **more)  # type: ignore[arg-type]

    def act(name: str, source: str, channels: int, spread: int) -> Threshold:
        return Threshold(
            name,
            (source,),
            rng.integers(-spread, spread, (channels, 1)),
            rng.choice(np.array([-1, 1], np.int8), channels),
        )

    return Network(
        [
            act("a0", "image", 16, 128),
            conv("c1", "a0", 64, 16, 3, pad=(1, 1, 1, 1)),
            act("a1", "c1", 64, 200),
            conv("c2", "a1", 48, 32, 3, group=2, stride=(2, 1), dilation=(1, 2), pad=(1, 2, 0, 1)),
            act("a2", "c2", 48, 400),
            MaxPool("pool", ("a2",), (2, 2), (2, 2)),
            conv("c3", "pool", 40, 48, 1),
            act("a3", "c3", 40, 100),
            conv("c4", "a3", 10, 40, 2),
        ],
        (16, 10, 12),
    )
