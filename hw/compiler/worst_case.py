"""For reloadable designs: a network as wide as any set of weights of its shape, and the real weights put into
its blocks."""

from dataclasses import replace
from typing import Any

import numpy as np

from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.piecewise.scale import AffineUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, nodes

__all__ = ["Bounds", "bounds_of", "envelope", "fill"]

Bounds = dict[str, dict[str, int]]


def _power(values: np.ndarray) -> int:
    """2^k - 1 with two bits to spare above every magnitude."""
    return (4 << int(np.abs(values).max(initial=1)).bit_length()) - 1


def bounds_of(net: Network) -> Bounds:
    """Magnitudes that the design will hold where the layer's type does not say: dense biases, multipliers and
    offsets."""
    bounds: Bounds = {}
    for node in net.nodes:
        if isinstance(node, nodes.Dense):
            bounds[node.name] = {"bias": _power(node.bias) if node.bias.size else 0}
        elif isinstance(node, nodes.Affine):
            bounds[node.name] = {
                "multiplier": min(_power(node.multiplier), (1 << 31) - 1),
                "offset": _power(node.offset),
            }
    return bounds


def _ends(shape: tuple[int, ...], low: int, high: int, name: str) -> np.ndarray:
    """All ``high`` for even outputs, all ``low`` for odd ones: together they reach every bound."""
    if shape[0] < 2:
        raise InputError(f"layer {name!r}: reloadable weights need at least two outputs, not {shape[0]}")
    values = np.empty(shape, np.int64)
    values[0::2], values[1::2] = high, low
    return values


def envelope(net: Network, bounds: Bounds) -> Network:
    """The network with extreme weights, plain engines for its convolutions."""
    wide = []
    for node in net.nodes:
        name = node.name
        for key, bound in bounds.get(name, {}).items():
            if np.abs(getattr(node, key)).max(initial=0) > bound:
                raise InputError(
                    f"layer {name!r}: its {key} goes beyond the {bound} that the design was made for"
                )
        if isinstance(node, nodes.PiecewiseConv):
            node = replace(
                node, codes=_ends(node.codes.shape, 0, len(node.levels_w) - 1, name).astype(np.uint8)
            )
        elif isinstance(node, nodes.Conv):
            top = (1 << node.weight_bits - 1) - 1
            node = replace(node, weight=_ends(node.weight.shape, -top, top, name), engine="direct")
        elif isinstance(node, nodes.Dense):
            top, bias = (1 << node.weight_bits - 1) - 1, bounds[name]["bias"]
            node = replace(
                node,
                weight=_ends(node.weight.shape, -top, top, name),
                bias=_ends(node.weight.shape[:1], -bias, bias, name),
            )
        elif isinstance(node, nodes.Threshold):
            far = np.zeros(node.thresholds.shape, np.int64)
            far[:, -1] = 1 << 40
            node = replace(node, thresholds=far, sign=_ends(node.sign.shape, -1, 1, name).astype(np.int8))
        elif isinstance(node, nodes.Affine):
            limits: dict[str, Any] = {
                key: _ends(node.multiplier.shape, -bound, bound, name) for key, bound in bounds[name].items()
            }
            node = replace(node, **limits)
        wide.append(node)
    return Network(wide, net.input_shape, net.input_range, net.input_name, net.output, dict(net.meta))


def fill(component: Any, layer: Any, node: Any) -> None:
    """Puts a real node's weights into a block that was built for the envelope's."""
    block = component.parts[1] if hasattr(component, "parts") else component
    # weights that come from outside are filled where they are listed
    block = getattr(block, "array", block)
    if isinstance(block, PiecewiseArray):
        block.codes = type(layer)(layer.net, node).matrix.astype(np.uint8)
    elif isinstance(block, DepthwiseArray):
        matrix = type(layer)(layer.net, node).matrix
        block.weight = (
            node.levels_w.astype(np.int64)[matrix] if isinstance(node, nodes.PiecewiseConv) else matrix
        )
    elif isinstance(block, IntegerArray):
        block.weight = type(layer)(layer.net, node).matrix.astype(np.int64)
        if isinstance(node, nodes.Dense):
            block.bias = node.bias.astype(np.int64) if node.bias.size else np.zeros_like(block.bias)
    elif isinstance(block, ThresholdUnit):
        real = ThresholdUnit(node.thresholds, node.sign, block.x_shape, lanes=block.lanes)
        real._MustUse__used = True
        block.bounds, block.sign = real.bounds, real.sign
    elif isinstance(block, AffineUnit):
        block.multiplier, block.offset = node.multiplier.astype(np.int64), node.offset.astype(np.int64)
