"""Random residual networks for property tests: every layer type, odd shapes, strides, groups, forks and
joins.

A network is made by a row of small integers (`Choices`): drawn from a seed, or given. A failing row shrinks
to a smaller one that fails the same way (`shrink`), and the row it ends with makes the same network again.
"""

from collections.abc import Sequence

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.graph import needed
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    LogicJoin,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    TensorType,
    Threshold,
)

__all__ = ["Choices", "build", "drawn", "random_network"]


class Choices:
    """Where a network's choices come from: ``given`` ones first, then (with a seed) random ones, else the
    smallest.

    ``taken`` holds the choices as offsets from the least value allowed, so that smaller numbers mean simpler
    networks.
    """

    def __init__(self, seed: int | None = None, given: Sequence[int] = ()):
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.given, self.taken = list(given), list[int]()

    def integer(self, lo: int, hi: int) -> int:
        """The next choice, from lo to hi inclusive: one given, else drawn, else the least."""
        place = len(self.taken)
        if place < len(self.given):
            value = min(self.given[place], hi - lo)
        else:
            value = 0 if self.rng is None else int(self.rng.integers(0, hi - lo + 1))
        self.taken.append(value)
        return lo + value

    def pick(self, options):
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]


class _Builder:
    """A network under construction; ``tensor`` names are node names, shapes and ranges come from the
    network's own rules."""

    def __init__(self, choices: Choices, shape: tuple[int, int, int], seed: int):
        self.choices, self.shape = choices, shape
        self.values = np.random.default_rng(seed)  # weights: not worth shrinking
        self.nodes: list[Node] = []
        self.coded = seed % 5 == 4  # every fifth network; the others stay as they are known by their seeds
        self.logic = seed % 6 == 5

    def type(self, name: str):
        if name == "image":
            return TensorType(self.shape, 0, 255)
        return Network(needed(self.nodes, name), self.shape, output=name).types[name]

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def threshold(self, x: str, pieces: int) -> str:
        kind = self.type(x)
        limits = np.sort(self.values.integers(kind.lo, kind.hi + 1, (kind.shape[0], pieces)), axis=1)
        return self.add(
            Threshold(
                self.name("act"),
                (x,),
                limits.astype(np.int64),
                self.values.choice([-1, 1], kind.shape[0]).astype(np.int8),
            )
        )

    def window(self, kind) -> dict:
        """Kernel, stride, padding and dilation that fit the map."""
        choices = self.choices
        kernel = tuple(choices.integer(1, min(3, size)) for size in kind.shape[1:])
        dilation = tuple(
            choices.integer(1, 2) if 2 * (k - 1) < size else 1
            for k, size in zip(kernel, kind.shape[1:], strict=True)
        )
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pad = tuple(choices.integer(0, reach[side % 2]) for side in range(4))
        return {
            "kernel": kernel,
            "stride": (choices.integer(1, 2), choices.integer(1, 2)),
            "pad": pad,
            "dilation": dilation,
        }

    def piecewise(
        self,
        x: str,
        pieces: int,
        out: int,
        kernel=(1, 1),
        stride=(1, 1),
        pad=(0, 0, 0, 0),
        dilation=(1, 1),
        group=1,
    ) -> str:
        channels = self.type(x).shape[0]
        half = self.choices.integer(1, 3)
        steps = np.cumsum(self.values.integers(1, 12, half))
        levels_w = np.concatenate([-steps[::-1], [0], steps])
        levels_a = np.concatenate([[0], np.cumsum(self.values.integers(1, 6, pieces))])
        codes = self.values.integers(0, 2 * half + 1, (out, channels // group, *kernel)).astype(np.uint8)
        return self.add(
            PiecewiseConv(self.name("conv"), (x,), codes, levels_w, levels_a, stride, pad, dilation, group)
        )

    def scale(self, x: str, lo: int = -128, hi: int = 127) -> str:
        kind = self.type(x)
        size = max(1, kind.hi - kind.lo)
        shift = max(0, size.bit_length() - 2)
        return self.add(
            Affine(
                self.name("scale"),
                (x,),
                self.values.integers(-64, 65, kind.shape[0]),
                self.values.integers(-size, size + 1, kind.shape[0]),
                shift,
                lo,
                hi,
            )
        )


def _stem(b: _Builder) -> str:
    """An integer convolution of the image, sometimes on the Fermat engine."""
    kind, choices = b.type("image"), b.choices
    window = b.window(kind)
    engine = choices.pick(["direct", "direct", "fermat"]) if window["dilation"] == (1, 1) else "direct"
    out = choices.pick([2, 4, 6])
    weight = b.values.integers(-127, 128, (out, kind.shape[0], *window.pop("kernel")))
    if engine == "fermat":
        window = {**window, "pad": (0, 0, 0, 0)} if max(weight.shape[2:]) == 1 else window
    return b.add(
        Conv(
            b.name("stem"),
            ("image",),
            weight,
            8,
            window["stride"],
            window["pad"],
            window["dilation"],
            1,
            engine,
        )
    )


def _residual(b: _Builder, index: str, pieces: int) -> str:
    """Main branch of one or two convolutions, bypass by level table or by a strided 1x1 convolution."""
    choices, kind = b.choices, b.type(index)
    levels = np.cumsum(b.values.integers(0, 9, pieces + 1))
    if choices.integer(0, 2) == 0:
        out, stride = choices.pick([2, 4, 8]), (choices.integer(1, 2), choices.integer(1, 2))
        main = b.piecewise(index, pieces, out, (3, 3), stride, (1, 1, 1, 1))
        side = b.scale(b.piecewise(index, pieces, out, (1, 1), stride))
    else:
        out = kind.shape[0]
        main = b.piecewise(index, pieces, out, (3, 3), (1, 1), (1, 1, 1, 1))
        if choices.integer(0, 1):
            main = b.piecewise(b.threshold(main, pieces), pieces, out, (3, 3), (1, 1), (1, 1, 1, 1))
        side = b.add(Levels(b.name("skip"), (index,), levels))
    if b.logic:
        return _logic(b, main, side)
    return b.add(Add(b.name("add"), (b.scale(main), side)))


def _logic(b: _Builder, main: str, side: str) -> str:
    """As BoolNet joins: a bit of each branch, a truth table, two levels."""
    bits = (b.threshold(main, 1), b.threshold(side, 1))
    join = b.add(LogicJoin(b.name("join"), bits, int(b.values.integers(1, 15))))
    return b.add(Levels(b.name("joined"), (join,), b.values.integers(-9, 10, 2)))


def _dense_block(b: _Builder, index: str, pieces: int) -> str:
    """Concatenates the input's indices with those of a convolution of it."""
    grown = b.threshold(
        b.piecewise(index, pieces, b.choices.pick([2, 4]), (3, 3), (1, 1), (1, 1, 1, 1)), pieces
    )
    return b.add(Concat(b.name("concat"), (index, grown)))


def _plain(b: _Builder, index: str, pieces: int) -> str:
    kind, choices = b.type(index), b.choices
    groups = [g for g in (1, 2, kind.shape[0]) if kind.shape[0] % g == 0]
    group = choices.pick(groups)
    out = kind.shape[0] if group == kind.shape[0] else group * choices.integer(1, 4)
    window = b.window(kind)
    if b.coded:
        return _coded(b, index, pieces, (out, kind.shape[0] // group), window, group)
    return b.piecewise(
        index, pieces, out, window["kernel"], window["stride"], window["pad"], window["dilation"], group
    )


def _coded(b: _Builder, index: str, pieces: int, channels: tuple[int, int], window: dict, group: int) -> str:
    """As LSQ and PACT export: the codes themselves, by weights of 2 or 4 bits."""
    codes = b.add(Levels(b.name("codes"), (index,), np.arange(pieces + 1)))
    limit = int(b.values.choice([2, 8]))
    weight = b.values.integers(1 - limit, limit, (*channels, *window["kernel"]))
    around = (window["stride"], window["pad"], window["dilation"])
    return b.add(Conv(b.name("conv"), (codes,), weight, 8, *around, group))


def build(choices: Choices, seed: int = 0) -> Network:
    """A small network by the given choices, its weights by ``seed``."""
    shape = (choices.integer(1, 3), choices.integer(3, 6), choices.integer(3, 6))
    b = _Builder(choices, shape, seed)
    x = _stem(b) if choices.integer(0, 3) else "image"
    pieces = choices.pick([1, 3, 5, 7])
    for _ in range(choices.integer(1, 3)):
        index = b.threshold(x, pieces)
        if choices.integer(0, 3) == 0:
            kind = b.type(index)
            kernel = tuple(min(2, size) for size in kind.shape[1:])
            index = b.add(
                MaxPool(
                    b.name("pool"),
                    (index,),
                    kernel,
                    (choices.integer(1, 2), choices.integer(1, 2)),
                    tuple(choices.integer(0, kernel[side % 2] - 1) for side in range(4)),  # type: ignore[arg-type]
                )
            )
        x = choices.pick([_residual, _residual, _plain, lambda b, i, p: _plain(b, _dense_block(b, i, p), p)])(
            b, index, pieces
        )
    tail = choices.integer(0, 3)
    if tail == 0:
        return Network(b.nodes, shape)
    if tail >= 2:
        x = b.add(SumPool(b.name("sum"), (x,)))
    x, kind = b.scale(x), b.type(b.nodes[-1].name)
    size = kind.shape[0] * kind.shape[1] * kind.shape[2]
    x = b.add(
        Dense(
            b.name("dense"),
            (x,),
            b.values.integers(-127, 128, (choices.integer(2, 5), size)),
            b.values.integers(-999, 1000, 0),
        )
    )
    if tail == 3:
        b.add(ArgMax(b.name("best"), (x,)))
    return Network(b.nodes, shape)


def drawn(seed: int) -> tuple[Network, Choices]:
    """The network of a seed, the same one every time, and the choices that made it (more can be drawn from
    them)."""
    for attempt in range(100):
        choices = Choices(seed + 1_000_003 * attempt)
        try:
            return build(choices, seed), choices
        except InputError:
            continue  # accumulators beyond 32 bits, a window larger than its map: draw again
    raise AssertionError("no valid network in 100 draws")


def random_network(seed: int) -> Network:
    """The network of a seed."""
    return drawn(seed)[0]
