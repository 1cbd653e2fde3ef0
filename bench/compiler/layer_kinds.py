"""Single layers by kind, with random weights: nodes, shape, fold and lanes of a case of the prediction."""

from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import unsigned
from amaranth.lib import data

from fermatnet.hw.layers import Fold
from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    Conv,
    Dense,
    PiecewiseConv,
    Threshold,
)

__all__ = [
    "Layers",
    "added",
    "affine",
    "beat",
    "block",
    "dense",
    "integer",
    "piece_index",
    "piecewise",
    "pool",
    "threshold",
    "window",
]

Layers = dict[str, dict[str, Any]]  # fields of a `Case` by its name


def _levels(rng: np.random.Generator, count: int, top: int, signed: bool) -> np.ndarray:
    """``count`` distinct levels beside zero, up to about ``top``."""
    if not signed:
        return np.concatenate([[0], np.sort(rng.choice(np.arange(1, top), count, replace=False))])
    half = np.sort(rng.choice(np.arange(1, top), count // 2, replace=False))
    return np.concatenate([-half[::-1], [0], half])


def piece_index(rng: np.random.Generator, channels: int, n: int) -> Threshold:
    """Piece indices of the image: the layer before a piecewise one."""
    return Threshold(
        "act",
        ("image",),
        np.sort(rng.integers(0, 256, (channels, n)), axis=1),
        rng.choice([-1, 1], channels).astype(np.int8),
    )


def piecewise(seed, shape, out, kernel, fold, *, m=4, n=5, stride=1, top=(40, 100), group=1):
    """A piecewise convolution with M weight and N activation levels up to ``top``."""
    rng = np.random.default_rng(seed)
    levels = _levels(rng, m, top[0], True), _levels(rng, n, top[1], False) if top[1] else np.arange(n + 1)
    codes = rng.integers(0, m + 1, (out, shape[0] // group, kernel, kernel), dtype=np.uint8)
    conv = PiecewiseConv(
        "op", ("act",), codes, *levels, stride=(stride,) * 2, pad=(kernel // 2,) * 4, group=group
    )
    return {"nodes": (piece_index(rng, shape[0], n), conv), "shape": shape, "fold": Fold(*fold)}


def integer(seed, shape, out, kernel, fold, *, stride=1, group=1, engine="direct", reach=127):
    """An 8-bit integer convolution with weights up to ``reach``."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-reach, reach + 1, (out, shape[0] // group, kernel, kernel))
    conv = Conv("op", ("image",), weight, 8, (stride,) * 2, (kernel // 2,) * 4, (1, 1), group, engine)
    return {"nodes": (conv,), "shape": shape, "fold": Fold(*fold)}


def dense(seed, shape, out, fold):
    """A dense layer."""
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


def threshold(seed, channels, n, bits, lanes):
    """Thresholds over signed values of ``bits`` bits."""
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


def affine(seed, channels, bits, lanes):
    """A multiplier, offset and shift a channel over values of ``bits`` bits."""
    rng = np.random.default_rng(seed)
    scale = Affine(
        "op", ("wide",), rng.integers(1, 64, channels), rng.integers(-2000, 2000, channels), 6, -2048, 2047
    )
    return {"nodes": (_scaled(rng, channels, bits), scale), "shape": (channels, 8, 8), "lanes": (lanes,)}


def added(seed, channels, bits, lanes):
    """A sum of two tensors, one of them two bits narrower."""
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


def pool(shape, lanes, node):
    """A pooling ``node`` of the image."""
    return {"nodes": (node,), "shape": shape, "fold": Fold(lanes, lanes), "lanes": (lanes,)}


def block(*part):
    """A block that no node stands for: its class and arguments."""
    return {"nodes": (), "shape": (1, 1, 1), "part": part}


def window(*arguments, **geometry):
    """A sliding window."""
    return block(partial(SlidingWindow, *arguments, **geometry))


def beat(bits: int, lanes: int) -> data.ArrayLayout:
    """The layout of one beat."""
    return data.ArrayLayout(unsigned(bits), lanes)
