"""For reloadable designs: a network as wide as any set of weights of its shape."""

from dataclasses import replace

import numpy as np

from fermatnet.hw.layers import layer_class
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network

__all__ = ["Bounds", "bounds_of", "envelope"]

Bounds = dict[str, dict[str, int]]


def bounds_of(net: Network) -> Bounds:
    """Magnitudes that the design will hold where the layer's type does not say, by layer and field: dense
    biases, multipliers and offsets."""
    found = {node.name: layer_class(node).bounds(node) for node in net.nodes}
    return {name: bounds for name, bounds in found.items() if bounds}


def envelope(net: Network, bounds: Bounds) -> Network:
    """The network with extreme weights, plain engines for its convolutions; InputError for weights that go
    beyond ``bounds``, and for a layer that has no extremes."""
    wide = []
    for node in net.nodes:
        own = bounds.get(node.name, {})
        for key, bound in own.items():
            if np.abs(getattr(node, key)).max(initial=0) > bound:
                raise InputError(
                    f"layer {node.name!r}: its {key} goes beyond the {bound} that the design was made for"
                )
        wide.append(layer_class(node).widest(node, own))
    return replace(net, nodes=wide, meta=dict(net.meta))
