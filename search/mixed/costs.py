"""What a network costs: operations, bytes of weights, and the compiler's prediction on a device."""

from math import prod
from typing import Any

import numpy as np

from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.resources import Resources
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import PiecewiseConv
from fermatnet.model.network.summary import operations
from fermatnet.search.mixed.kept import Known

__all__ = ["COSTS", "Target", "arithmetic", "costs_of"]

COSTS = {
    "luts": "LUTs",
    "ffs": "flip-flops",
    "brams": "block RAMs",
    "dsps": "multipliers",
    "bytes": "bytes of weights",
    "ace": "ACE",
}
"""What can be limited, with the words for it."""

Target = tuple[str, int, float]
"""Device, cycles an image (0: the fastest design in half of the device), clock in MHz."""


def arithmetic(net: Network) -> dict[str, float]:
    """``ace``: sum over multiply-accumulates of `operations`. ``bytes``: weights at the width that their
    values need."""
    ace = stored = 0
    for node in net.nodes:
        weights = node.weights()
        width = weights.width
        if isinstance(node, PiecewiseConv):
            pieces = len(np.unique(node.codes)) - 1  # one bit never uses the middle level
            width = max(1, pieces.bit_length())
        ace += weights.count * prod(net.types[node.name].shape[1:]) * operations(net, node)
        stored += weights.count * width
    return {"ace": float(ace), "bytes": stored / 8}


def costs_of(net: Network, target: Target, store: dict[Any, Resources] | None = None) -> dict[str, Any]:
    """All of `COSTS`, ``cycles`` an image of the design, and ``external``: layers whose weights come from
    outside. ``store`` keeps predictions of layers for the next network on the same device and clock.
    InputError where no design keeps the cycles."""
    device, cycles, clock_mhz = target
    design = plan(net, cycles=cycles or None, device=device, clock_mhz=clock_mhz)
    known = None if store is None else Known(design.net, store)
    found = resources_layers.by_layer(design, device, known=known)
    whole = resources_layers.row(resources_layers.total(found))
    return {
        **whole,
        **arithmetic(net),
        "cycles": design.cycles_per_image,
        "external": list(design.external),
    }
