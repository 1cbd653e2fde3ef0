"""What an operation costs in hardware, by the compiler's own model: the price in a search's loss."""

import functools
from typing import Any

import numpy as np

from fermatnet.hw.layers import layer_of
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Conv, MaxPool, Node, PiecewiseConv, Threshold
from fermatnet.model.zoo.nasb.space import OPERATIONS
from fermatnet.model.zoo.nasb.supernet import Cost

__all__ = ["hardware_cost"]


@functools.cache
def _luts(index: int, channels: int, height: int, width: int, cycles: int) -> float:
    operation = OPERATIONS[index]
    if not operation.pool and not operation.kernel:
        return 0.0
    pad = operation.dilation * (max(operation.kernel, 3 if operation.pool else 1) - 1) // 2
    around = (pad, pad, pad, pad)
    if operation.kernel:
        codes = 2 * np.random.default_rng(0).integers(
            0, 2, (channels, channels, operation.kernel, operation.kernel)
        ).astype(np.uint8)
        window: dict[str, Any] = {"pad": around, "dilation": (operation.dilation, operation.dilation)}
        node: Node = PiecewiseConv("op", ("signs",), codes, np.array([-1, 0, 1]), np.array([0, 1]), **window)
    elif operation.pool == "max":
        node = MaxPool("op", ("image",), (3, 3), (1, 1), around)
    else:
        node = Conv(
            "op",
            ("image",),
            np.ones((channels, 1, 3, 3), np.int64),
            pad=around,
            group=channels,
            engine="direct",
        )
    signs = Threshold("signs", ("image",), np.full((channels, 1), 128), np.ones(channels, np.int8))
    nodes = [signs, node] if operation.kernel else [node]
    layer = layer_of(Network(nodes, (channels, height, width), output="op"), node)
    fast = [fold for fold in layer.folds() if layer.cycles(fold) <= cycles]
    return min(
        layer.cost(fold) for fold in fast or [max(layer.folds(), key=lambda fold: fold.pe * fold.simd)]
    )


def hardware_cost(cycles: int = 1 << 14) -> Cost:
    """LUTs of an operation by the compiler's own model: the cheapest fold that takes at most ``cycles``
    cycles an image.

    Convolutions are AND-popcount arrays of signs, poolings work on 8-bit values.
    """
    return lambda index, channels, height, width: _luts(index, channels, height, width, cycles)
