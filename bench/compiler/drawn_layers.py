"""Layers drawn by a seed, arguments and all: what judges the prediction after everything else was settled."""

from collections.abc import Callable
from random import Random
from typing import Any

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
from fermatnet.model.network.nodes import MaxPool, SumPool

__all__ = ["drawn"]

CHANNELS = (8, 12, 16, 20, 24, 32, 40, 48, 64)


def _divisor(rng: Random, number: int, top: int) -> int:
    return rng.choice([k for k in range(1, top + 1) if number % k == 0])


def _sizes(rng: Random) -> tuple[int, int, int, int]:
    """Channels in and out, size of the map, kernel."""
    return rng.choice(CHANNELS), rng.choice(CHANNELS), rng.randint(8, 24), rng.choice((1, 3, 3, 5))


def _piecewise(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, out, size, kernel = _sizes(rng)
    m, n, stride = rng.choice((2, 4, 6, 8)), rng.choice((1, 2, 3, 5, 7)), rng.choice((1, 1, 2))
    fold = _divisor(rng, out, 8), _divisor(rng, channels, 16)
    top = rng.randint(m + 1, 120), rng.choice((0, rng.randint(n + 2, 120)))
    name = f"piecewise {kernel}x{kernel}/{stride} {channels}>{out}, M{m} N{n}, {fold[0]}x{fold[1]}"
    shape = (channels, size, size)
    return name, piecewise(seed, shape, out, kernel, fold, m=m, n=n, stride=stride, top=top)


def _integer(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, out, size, kernel = _sizes(rng)
    bits, stride = rng.choice((3, 4, 6, 8)), rng.choice((1, 1, 2))
    fold = _divisor(rng, out, 4), _divisor(rng, channels, 6)
    name = f"integer {kernel}x{kernel}/{stride} {channels}>{out}, {bits} bit, {fold[0]}x{fold[1]}"
    reach = (1 << bits - 1) - 1
    return name, integer(seed, (channels, size, size), out, kernel, fold, stride=stride, reach=reach)


def _depthwise(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, _, size, _ = _sizes(rng)
    kernel, lanes = rng.choice((3, 5)), _divisor(rng, channels, 8)
    name = f"depthwise {kernel}x{kernel} {channels}, {lanes}"
    shape = (channels, size, size)
    return name, integer(seed, shape, channels, kernel, (lanes, lanes), group=channels)


def _fermat(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, out, size = rng.randint(1, 4), rng.randint(2, 8), rng.randint(10, 20)
    kernel = rng.choice((3, 5, 7))
    name = f"fermat {kernel}x{kernel} {channels}>{out}"
    return name, integer(seed, (channels, size, size), out, kernel, (1, 1), engine="fermat")


def _dense(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    shape, out = (rng.choice(CHANNELS), *2 * (rng.randint(1, 4),)), rng.randint(8, 40)
    inputs = shape[0] * shape[1] * shape[2]
    fold = _divisor(rng, out, 8), _divisor(rng, inputs, 16)
    return f"dense {inputs}>{out}, {fold[0]}x{fold[1]}", dense(seed, shape, out, fold)


def _window(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, _, size, _ = _sizes(rng)
    kernel, bits, stride = rng.choice((2, 3, 5)), rng.randint(2, 8), rng.choice((1, 2))
    lanes, pad = _divisor(rng, channels, 16), rng.randint(0, kernel - 1)
    geometry = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (pad,) * 4, "lanes": lanes}
    name = f"window {kernel}x{kernel}/{stride} {channels}, {bits} bit, {lanes}"
    return name, window(unsigned(bits), channels, size, size, **geometry)


def _threshold(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, n, bits = rng.choice(CHANNELS), rng.choice((1, 3, 5, 7)), rng.randint(8, 18)
    lanes = _divisor(rng, channels, 8)
    name = f"threshold {channels}, N{n}, {bits} bit, {lanes}"
    return name, threshold(seed, channels, n, bits, lanes)


def _scaled(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    kind = rng.choice((affine, added))
    channels, bits = rng.choice(CHANNELS), rng.randint(8, 16)
    lanes = _divisor(rng, channels, 8)
    return f"{kind.__name__} {channels}, {bits} bit, {lanes}", kind(seed, channels, bits, lanes)


def _pool(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    channels, _, size, _ = _sizes(rng)
    node = rng.choice((MaxPool, SumPool))("op", ("image",), (2, 2), (2, 2))
    lanes = _divisor(rng, channels, 8)
    name = f"{type(node).__name__} 2x2 {channels}, {lanes}"
    return name, pool((channels, size // 2 * 2, size // 2 * 2), lanes, node)


def _plumbing(rng: Random, seed: int) -> tuple[str, dict[str, Any]]:
    bits, lanes = rng.randint(4, 12), rng.randint(1, 4)
    if rng.random() < 0.5:
        places = rng.randint(4, 400)
        return f"queue {places} x {bits * lanes} bit", block(Fifo, beat(bits, lanes), places)
    wide = lanes * rng.randint(2, 4)
    turned = rng.random() < 0.5
    pair = (wide, lanes) if turned else (lanes, wide)
    return f"width {pair[0]}>{pair[1]}, {bits} bit", block(WidthConverter, unsigned(bits), *pair, wide)


KINDS: tuple[tuple[Callable[[Random, int], tuple[str, dict[str, Any]]], int], ...] = (
    (_piecewise, 7),
    (_integer, 4),
    (_depthwise, 1),
    (_fermat, 1),
    (_dense, 2),
    (_window, 1),
    (_threshold, 2),
    (_scaled, 2),
    (_pool, 1),
    (_plumbing, 1),
)
"""How to draw a kind, and its weight."""


def drawn(seed: int, count: int = 20) -> Layers:
    """``count`` layers, the same for the same seed: each of another name, kinds by their weights."""
    rng, found = Random(seed), Layers()
    kinds, weights = zip(*KINDS, strict=True)
    while len(found) < count:
        name, values = rng.choices(kinds, weights)[0](rng, rng.randrange(1 << 30))
        found[name] = values
    return found
