"""What a network costs, layer by layer: engine, bits, operations, memory, bounds, moduli."""

from math import prod
from typing import Any

import numpy as np

from fermatnet.model.network.graph import Network
from fermatnet.model.network.node import Node
from fermatnet.model.network.nodes import PiecewiseConv

__all__ = ["engine_name", "operations", "summary"]


def engine_name(net: Network, node: Node, cycles: int | None = None) -> tuple[str, str]:
    """Engine of a layer in words and, for an integer convolution, the reasons for its engine and plan, at
    ``cycles`` an image where they are given."""
    return node.describe_engine(net, cycles)


def operations(net: Network, node: Node) -> int:
    """What one product of a layer counts in the arithmetic computation effort (ACE; PokeBNN, Zhang et al.
    2022): the bits of a weight x the bits of an input, each as wide as its proven range needs, and M*N where
    both are binary planes. Weights of +1 and -1 alone are one plane. 0 for a layer without weights."""
    stored = node.weights()
    if isinstance(node, PiecewiseConv):
        # two signs are the outer two of three levels
        return max(1, len(np.unique(node.codes)) - 1) * (len(node.levels_a) - 1)
    return stored.width * net.types[node.inputs[0]].bits if stored.count else 0


def summary(net: Network, cycles: int | None = None) -> dict[str, Any]:
    """One entry a layer and the totals; ``macs`` counts multiply-accumulates an image, binary ones M*N times
    in ``and_popcounts``. ``ace`` is the sum over them of `operations`. ``cycles`` an image: the goal at which
    the engines of integer convolutions are compared."""
    layers = []
    for node in net.nodes:
        kind = net.types[node.name]
        stored = node.weights()
        engine, reasons = engine_name(net, node, cycles)
        macs = stored.count * prod(kind.shape[1:])  # a dense layer's map is one pixel
        layers.append(
            {
                "name": node.name,
                "op": type(node).__name__,
                "engine": engine,
                "inputs": list(node.inputs),
                "shape": list(kind.shape),
                "range": [kind.lo, kind.hi],
                "bits": kind.bits,
                "signed": kind.signed,
                "index": net.is_index(node.name),
                "weights": stored.count,
                "weight_bits": stored.bits,
                "macs": macs,
                "and_popcounts": macs * stored.planes,
                "ace": macs * operations(net, node),
                "reasons": reasons,
            }
        )
    lo, hi = net.input_range
    return {
        "input": f"{net.input_name} {'x'.join(map(str, net.input_shape))} in {lo}..{hi}",
        "output": f"{net.output} {net.classes}",
        "layers": layers,
        "meta": dict(sorted(net.meta.items())),
        **{
            key: int(np.sum([layer[key] for layer in layers]))
            for key in ("weights", "weight_bits", "macs", "and_popcounts", "ace")
        },
    }
