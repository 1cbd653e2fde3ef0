"""Networks of known shape with random weights: what the compiler has to cope with, before anybody has trained
it."""

import numpy as np

from fermatnet.model.network import Network
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    Threshold,
)

__all__ = ["pa_densenet", "pa_mobilenet", "pa_resnet", "pa_resnet18"]

LEVELS_W = {2: (-1, 0, 1), 4: (-40, -13, 0, 13, 40), 8: (-48, -28, -16, -8, 0, 8, 16, 28, 48)}


class _Weights:
    """Adds layers with random weights; keeps values of joins within 12 bits."""

    def __init__(self, seed: int, m: int, n: int):
        self.rng, self.n, self.nodes = np.random.default_rng(seed), n, list[Node]()
        self.levels_w, self.levels_a = np.array(LEVELS_W[m]), np.arange(n + 1) * 3
        self.m = m

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def act(self, name: str, x: str, channels: int, spread: int) -> str:
        limits = np.sort(self.rng.integers(-spread, spread, (channels, self.n)), axis=1)
        return self.add(
            Threshold(name, (x,), limits, self.rng.choice([-1, 1], channels, p=[0.1, 0.9]).astype(np.int8))
        )

    def conv(
        self, name: str, x: str, out: int, channels: int, kernel: int, stride: int = 1, group: int = 1
    ) -> str:
        codes = self.rng.integers(0, self.m + 1, (out, channels // group, kernel, kernel), dtype=np.uint8)
        pad = (kernel // 2,) * 4
        return self.add(
            PiecewiseConv(
                name, (x,), codes, self.levels_w, self.levels_a, (stride, stride), pad, (1, 1), group
            )
        )

    def scale(self, name: str, x: str, channels: int, shift: int = 6, bits: int = 12) -> str:
        top = 1 << (bits - 1)
        return self.add(
            Affine(
                name,
                (x,),
                self.rng.integers(1, 64, channels),
                self.rng.integers(-64, 64, channels),
                shift,
                -top,
                top - 1,
            )
        )

    def head(self, x: str, channels: int, classes: int) -> None:
        x = self.add(SumPool("pool", (x,)))
        x = self.scale("requantise", x, channels, 12, 8)
        self.add(
            Dense(
                "fc",
                (x,),
                self.rng.integers(-127, 128, (classes, channels)),
                self.rng.integers(-999, 999, classes),
            )
        )

    def spread(self, channels: int, kernel: int = 3) -> int:
        """About two standard deviations of an accumulator."""
        return int(
            2 * (channels * kernel * kernel) ** 0.5 * np.abs(self.levels_w).mean() * self.levels_a.mean()
        )


def pa_resnet(
    shape=(3, 32, 32),
    widths=(16, 32, 64),
    blocks=(1, 1, 1),
    *,
    m=4,
    n=5,
    classes=10,
    stem=3,
    stem_stride=1,
    stem_pool=False,
    seed=0,
    engine="auto",
) -> Network:
    """Pre-activation residual network: a plain stem, ``blocks[k]`` blocks of two piecewise convolutions at
    ``widths[k]``."""
    w = _Weights(seed, m, n)
    weight = w.rng.integers(-127, 128, (widths[0], shape[0], stem, stem))
    x = w.add(Conv("conv1", ("image",), weight, 8, (stem_stride,) * 2, (stem // 2,) * 4, (1, 1), 1, engine))
    x = w.scale("norm1", x, widths[0], 12)
    if stem_pool:
        x = w.add(MaxPool("pool1", (x,), (3, 3), (2, 2), (1, 1, 1, 1)))
    channels = widths[0]
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        for block in range(1, count + 1):
            name, stride = f"s{stage}b{block}", 2 if stage > 1 and block == 1 else 1
            index = w.act(f"{name}_act1", x, channels, 1000)
            main = w.act(
                f"{name}_act2",
                w.conv(f"{name}_conv1", index, width, channels, 3, stride),
                width,
                w.spread(channels),
            )
            main = w.scale(f"{name}_scale", w.conv(f"{name}_conv2", main, width, width, 3), width)
            if stride > 1 or width != channels:
                x = w.scale(
                    f"{name}_down_scale", w.conv(f"{name}_down", index, width, channels, 1, stride), width
                )
            x = w.add(Add(f"{name}_add", (main, x)))
            channels = width
    w.head(x, channels, classes)
    return Network(w.nodes, shape)


def pa_resnet18(side: int = 224, classes: int = 1000, seed: int = 0) -> Network:
    """ResNet-18 (M = 4, N = 5): 7x7 stem with stride 2, max-pool, four stages of two blocks, 1x1
    downsampling."""
    return pa_resnet(
        (3, side, side),
        (64, 128, 256, 512),
        (2, 2, 2, 2),
        classes=classes,
        stem=7,
        stem_stride=2,
        stem_pool=True,
        seed=seed,
        engine="fermat",
    )


def pa_densenet(shape=(3, 32, 32), layers=(4, 4), growth=8, *, m=4, n=5, classes=10, seed=0) -> Network:
    """Densely connected blocks of piecewise convolutions on indices, halved and pooled between them."""
    w = _Weights(seed, m, n)
    channels = 2 * growth
    x = w.add(
        Conv(
            "conv1",
            ("image",),
            w.rng.integers(-127, 128, (channels, shape[0], 3, 3)),
            8,
            (1, 1),
            (1, 1, 1, 1),
            engine="direct",
        )
    )
    index = w.act("act1", x, channels, 8000)
    for block, count in enumerate(layers, 1):
        for k in range(1, count + 1):
            new = w.act(
                f"d{block}_{k}_act",
                w.conv(f"d{block}_{k}", index, growth, channels, 3),
                growth,
                w.spread(channels),
            )
            index = w.add(Concat(f"d{block}_{k}_cat", (index, new)))
            channels += growth
        if block < len(layers):
            index = w.act(
                f"t{block}_act",
                w.conv(f"t{block}", index, channels // 2, channels, 1),
                channels // 2,
                w.spread(channels, 1),
            )
            index = w.add(MaxPool(f"t{block}_pool", (index,), (2, 2), (2, 2)))
            channels //= 2
    w.head(w.add(Levels("levels", (index,), np.arange(n + 1) * 20)), channels, classes)
    return Network(w.nodes, shape)


def pa_mobilenet(shape=(3, 32, 32), widths=(16, 32, 64), *, m=4, n=5, classes=10, seed=0) -> Network:
    """Depthwise 3x3 and pointwise piecewise convolutions in turn."""
    w = _Weights(seed, m, n)
    channels = widths[0]
    x = w.add(
        Conv(
            "conv1",
            ("image",),
            w.rng.integers(-127, 128, (channels, shape[0], 3, 3)),
            8,
            (2, 2),
            (1, 1, 1, 1),
            engine="direct",
        )
    )
    index = w.act("act1", x, channels, 8000)
    for k, width in enumerate(widths, 1):
        stride = 1 if k == 1 else 2
        index = w.act(
            f"dw{k}_act",
            w.conv(f"dw{k}", index, channels, channels, 3, stride, channels),
            channels,
            w.spread(1),
        )
        index = w.act(f"pw{k}_act", w.conv(f"pw{k}", index, width, channels, 1), width, w.spread(channels, 1))
        channels = width
    w.head(w.add(Levels("levels", (index,), np.arange(n + 1) * 20)), channels, classes)
    return Network(w.nodes, shape)
