"""Random networks of the layers that imported models hold: signed and wide inputs, requantisation, tables,
layers that move values, products, sums of windows, joined rows and columns, sorted answers.

Made by `Choices` as those of `fermatnet.bench.samples.networks`, so that a failing one shrinks.
"""

from collections.abc import Callable

import numpy as np

from fermatnet.bench.samples.networks import Choices
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, nodes
from fermatnet.model.network.graph import needed
from fermatnet.model.network.types import TensorType

__all__ = ["build", "drawn"]

RANGES = ((0, 255), (-128, 127), (-2048, 2047))
PIXELS = 100  # of a map, at the most


class _Builder:
    """A network under construction, every tensor of it narrow enough for a convolution."""

    def __init__(self, choices: Choices, seed: int):
        self.choices, self.values = choices, np.random.default_rng(seed)
        self.shape = (choices.integer(1, 4), choices.integer(2, 5), choices.integer(2, 5))
        self.range = RANGES[choices.integer(0, 2)]
        self.nodes: list[nodes.Node] = []

    def tensor(self, name: str) -> TensorType:
        if name == "image":
            return TensorType(self.shape, *self.range)
        return Network(needed(self.nodes, name), self.shape, self.range, output=name).types[name]

    def add(self, kind: type[nodes.Node], inputs: tuple[str, ...], *fields: object) -> str:
        self.nodes.append(kind(f"{kind.__name__.lower()}{len(self.nodes)}", inputs, *fields))
        return self.nodes[-1].name

    def narrow(self, x: str) -> str:
        """Within eight bits: by a scale, two roundings, or a table where the range is small."""
        kind, choices = self.tensor(x), self.choices
        size, channels = max(1, kind.hi - kind.lo), kind.shape[0]
        way = choices.integer(0, 2)
        if way == 2 and size < 1 << 10:
            return self.add(nodes.Lookup, (x,), self.values.integers(-128, 128, size + 1), kind.lo)
        multiplier = self.values.integers(-(1 << 20), 1 << 20, channels)
        shift = max(0, size.bit_length() + 20 - 8)
        offset = self.values.integers(-(1 << shift), 1 << shift, channels)
        if way == 1:
            at = self.values.integers(kind.lo, kind.hi + 1, (channels, 1))
            by = self.values.integers(-1, 2, (channels, 1))
            second = self.values.integers(0, 3, channels)
            return self.add(nodes.Requantize, (x,), multiplier, offset, shift, second, -3, -100, 99, at, by)
        return self.add(nodes.Affine, (x,), multiplier, offset, shift, -128, 127)

    def conv(self, x: str) -> str:
        kind, choices = self.tensor(x), self.choices
        kernel = tuple(choices.integer(1, min(3, size)) for size in kind.shape[1:])
        pad = tuple(choices.integer(0, kernel[side % 2] - 1) for side in range(4))
        weight = self.values.integers(-127, 128, (choices.pick([1, 2, 4]), kind.shape[0], *kernel))
        value = int(self.values.integers(kind.lo, kind.hi + 1)) if any(pad) else 0
        return self.add(nodes.Conv, (x,), weight, 8, (1, 1), pad, (1, 1), 1, "direct", (), 0, value)


def _pad(b: _Builder, x: str) -> str:
    pad = tuple(b.choices.integer(0, 2) for _ in range(4))
    return b.add(nodes.Pad, (x,), pad, int(b.values.integers(-128, 128)))


def _slice(b: _Builder, x: str) -> str:
    size = b.tensor(x).shape[1:]
    start = tuple(b.choices.integer(0, extent - 1) for extent in size)
    step = (b.choices.integer(1, 2), b.choices.integer(1, 3))
    return b.add(nodes.Slice, (x,), start, size, step)


def _upsample(b: _Builder, x: str) -> str:
    factor = (b.choices.integer(1, 2), b.choices.integer(1, 3))
    if b.choices.integer(0, 1):
        return b.add(nodes.Upsample, (x,), factor, "insert", int(b.values.integers(-128, 128)))
    return b.add(nodes.Upsample, (x,), factor)


def _select(b: _Builder, x: str) -> str:
    count = b.choices.integer(1, 5)
    return b.add(nodes.SelectChannels, (x,), b.values.integers(0, b.tensor(x).shape[0], count))


def _to_space(b: _Builder, x: str) -> str:
    order = b.values.integers(0, b.tensor(x).shape[0], 4 * b.choices.integer(1, 2))
    return b.add(nodes.DepthToSpace, (b.add(nodes.SelectChannels, (x,), order),), 2)


def _sum(b: _Builder, x: str) -> str:
    size = b.tensor(x).shape[1:]
    kernel = tuple(b.choices.integer(1, min(3, extent)) for extent in size)
    pad = tuple(b.choices.integer(0, kernel[side % 2] - 1) for side in range(4))
    stride, value = (b.choices.integer(1, 2), b.choices.integer(1, 2)), int(b.values.integers(-128, 128))
    return b.add(nodes.SumPool, (x,), kernel, stride, pad, value if any(pad) else 0)


def _constant(b: _Builder, x: str) -> str:
    return b.add(nodes.AddConstant, (x,), b.values.integers(-200, 200, b.tensor(x).shape))


def _gate(b: _Builder, x: str) -> str:
    """Squeeze and excite: every channel by a function of its sum."""
    gate = b.narrow(b.add(nodes.SumPool, (x,)))
    return b.add(nodes.Multiply, (x, gate), (int(b.values.integers(-9, 10)), 1))


def _product(b: _Builder, x: str) -> str:
    """By another function of itself, pixel by pixel."""
    channels = b.tensor(x).shape[0]
    weight = b.values.integers(-127, 128, (channels, channels, 1, 1))
    return b.add(nodes.Multiply, (x, b.narrow(b.add(nodes.Conv, (x,), weight))), (2, -3))


def _join(b: _Builder, x: str) -> str:
    """With another function of itself, along any axis."""
    return b.add(nodes.Concat, (x, b.narrow(_constant(b, x))), b.choices.integer(1, 3))


STEPS: tuple[Callable[[_Builder, str], str], ...] = (
    _Builder.conv,
    _pad,
    _slice,
    _upsample,
    _select,
    _to_space,
    _sum,
    _constant,
    _gate,
    _product,
    _join,
)


def build(choices: Choices, seed: int = 0) -> Network:
    """A small network by the given choices, its weights by ``seed``."""
    b = _Builder(choices, seed)
    x = b.conv("image") if choices.integer(0, 2) else b.narrow("image")
    for _ in range(choices.integer(1, 4)):
        if b.tensor(x).bits > 8:
            x = b.narrow(x)
        x = choices.pick(STEPS)(b, x)
        if b.tensor(x).shape[1] * b.tensor(x).shape[2] > PIXELS:
            raise InputError("a map too large for a simulation in Python")
    tail = choices.integer(0, 3)
    if tail >= 2:
        x = b.narrow(x) if b.tensor(x).bits > 8 else x
        size = int(np.prod(b.tensor(x).shape))
        weight = b.values.integers(-127, 128, (choices.integer(2, 5), size))
        x = b.add(nodes.Dense, (x,), weight, b.values.integers(-999, 1000, len(weight)))
        if tail == 3:
            b.add(nodes.TopK, (x,), choices.integer(1, len(weight)))
    return Network(b.nodes, b.shape, b.range)


def drawn(seed: int) -> tuple[Network, Choices]:
    """The network of a seed, the same one every time, and the choices that made it."""
    for attempt in range(100):
        choices = Choices(seed + 1_000_003 * attempt)
        try:
            return build(choices, seed), choices
        except InputError:
            continue  # beyond 32 bits, a map too large: draw again
    raise AssertionError("no valid network in 100 draws")
