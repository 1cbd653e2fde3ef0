"""Small networks with random weights that touch every layer type."""

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

LEVELS_W = np.array([-25, -8, 0, 9, 24])
LEVELS_A = np.array([0, 3, 6, 9, 13, 17])


def thresholds(
    rng: np.random.Generator, channels: int, spread: int, n: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(rng.integers(-spread, spread, (channels, n)), axis=1), rng.choice(
        np.array([-1, 1], np.int8), channels
    )


def piecewise(
    rng: np.random.Generator, name: str, source: str, inputs: int, outputs: int, k: int = 3, **more: object
) -> PiecewiseConv:
    codes = rng.integers(0, 5, (outputs, inputs // more.get("group", 1), k, k)).astype(np.uint8)
    return PiecewiseConv(name, (source,), codes, LEVELS_W, LEVELS_A, **more)


def digits_like(seed: int = 0, size: int = 8, width: int = 4, moduli: tuple[int, ...] = ()) -> Network:
    """The shape of the digits network at small width."""
    rng = np.random.default_rng(seed)
    w2 = 2 * width
    nodes = [
        Conv(
            "conv0",
            ("image",),
            rng.integers(-40, 41, (width, 1, 5, 5)),
            pad=(2, 2, 2, 2),
            engine="fermat",
            moduli=moduli,
        ),
        Threshold("act0", ("conv0",), *thresholds(rng, width, 1500)),
        piecewise(rng, "conv1", "act0", width, w2, pad=(1, 1, 1, 1)),
        Threshold("act1", ("conv1",), *thresholds(rng, w2, 800)),
        MaxPool("pool", ("act1",), (2, 2), (2, 2)),
        piecewise(rng, "conv2", "pool", w2, w2, pad=(1, 1, 1, 1)),
        Threshold("act2", ("conv2",), *thresholds(rng, w2, 900)),
        piecewise(rng, "conv3", "act2", w2, w2, pad=(1, 1, 1, 1)),
        Affine(
            "scale3", ("conv3",), rng.integers(-900, 900, w2), rng.integers(-9000, 9000, w2), 12, -512, 511
        ),
        Levels("skip", ("pool",), np.array([0, 20, 45, 66, 90, 127])),
        Add("add", ("scale3", "skip")),
        SumPool("sum", ("add",)),
        Affine("requantise", ("sum",), np.full(w2, 1), np.full(w2, 16), 5, -128, 127),
        Dense("dense", ("requantise",), rng.integers(-127, 128, (10, w2)), rng.integers(-1000, 1000, 10)),
    ]
    return Network(nodes, (1, size, size), (0, 16), meta={"dataset": "random"})


def everything(seed: int = 0) -> Network:
    """INT16 and grouped and strided and dilated layers, integer pooling, joins, argmax."""
    rng = np.random.default_rng(seed)
    nodes = [
        Conv(
            "stem",
            ("image",),
            rng.integers(-127, 128, (4, 3, 3, 3)),
            stride=(2, 1),
            pad=(1, 0, 1, 2),
            engine="direct",
        ),
        Affine("narrow", ("stem",), rng.integers(1, 40, 4), np.zeros(4, np.int64), 6, -32768, 32767),
        Conv(
            "wide",
            ("narrow",),
            rng.integers(-32767, 32768, (4, 1, 3, 3)),
            16,
            pad=(1, 1, 1, 1),
            group=4,
            engine="direct",
        ),
        Affine("shrink", ("wide",), np.full(4, 3), np.full(4, 1 << 20), 21, -2000, 2000),
        MaxPool("pool", ("shrink",), (3, 2), (1, 2), (1, 0, 1, 0)),
        Threshold("act", ("pool",), *thresholds(rng, 4, 300)),
        piecewise(rng, "left", "act", 4, 6, pad=(2, 2, 2, 2), dilation=(2, 2), group=2),
        piecewise(rng, "right", "act", 4, 2, k=1),
        Concat("join", ("left", "right")),
        SumPool("sums", ("join",), (1, 2)),
        Dense("dense", ("sums",), rng.integers(-127, 128, (7, 8 * 6 * 3))),
        ArgMax("top", ("dense",)),
    ]
    return Network(nodes, (3, 12, 12))
