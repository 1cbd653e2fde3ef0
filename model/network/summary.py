"""What a network costs, layer by layer: engine, bits, operations, memory, bounds, moduli."""

from math import prod
from typing import Any

import numpy as np

from fermatnet.model.network.engine import conv_choice
from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import Conv, Dense, Node, PiecewiseConv

__all__ = ["engine_name", "summary"]


def engine_name(net: Network, node: Node) -> tuple[str, str]:
    """Engine of a layer in words and, for an integer convolution, the reasons for its engine and plan."""
    if isinstance(node, PiecewiseConv):
        return f"and-popcount {len(node.levels_w) - 1}x{len(node.levels_a) - 1}", ""
    if isinstance(node, Conv):
        choice = conv_choice(net, node)
        if choice.plan is None:
            return f"int{node.weight_bits}", choice.reasons
        return "fermat " + "*".join(f"F(2^{b}+1)" for b in choice.plan.widths), choice.reasons
    return (f"int{node.weight_bits}", "") if isinstance(node, Dense) else ("", "")


def _weights(node: Node) -> tuple[int, int]:
    """Number of weights of a layer and the bits they take in the file's coding."""
    if isinstance(node, PiecewiseConv):
        return node.codes.size, node.codes.size * (len(node.levels_w) - 1).bit_length()
    if isinstance(node, Conv | Dense):
        return node.weight.size, node.weight.size * node.weight_bits
    return 0, 0


def summary(net: Network) -> dict[str, Any]:
    """One entry a layer and the totals; ``macs`` counts multiply-accumulates an image, binary ones M*N times
    in ``and_popcounts``."""
    layers = []
    for node in net.nodes:
        kind = net.types[node.name]
        weights, bits = _weights(node)
        engine, reasons = engine_name(net, node)
        positions = prod(kind.shape[1:]) if isinstance(node, Conv | PiecewiseConv) else 1
        planes = (len(node.levels_w) - 1) * (len(node.levels_a) - 1) if isinstance(node, PiecewiseConv) else 0
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
                "weights": weights,
                "weight_bits": bits,
                "macs": weights * positions,
                "and_popcounts": weights * positions * planes,
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
            for key in ("weights", "weight_bits", "macs", "and_popcounts")
        },
    }
