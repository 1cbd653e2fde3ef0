# amaranth: UnusedElaboratable=no
"""A network with every choice made."""

import re
from dataclasses import dataclass

from amaranth.lib import wiring

from fermatnet.hw.compiler.schedule import Schedule
from fermatnet.hw.compiler.stage import Stage
from fermatnet.hw.compiler.worst_case import Bounds
from fermatnet.hw.layers import Fold, Layer, StreamRate, shape_of
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Node

__all__ = ["Design"]


@dataclass(frozen=True)
class Design:
    """A network with every choice made: folds, lanes, schedule, components."""

    net: Network
    layers: dict[str, Layer]
    folds: dict[str, Fold]
    paces: dict[str, StreamRate]
    schedule: Schedule
    components: dict[str, wiring.Component]
    # layers whose weights come from outside, in order
    external: tuple[str, ...] = ()
    # the real weights, where ``net`` is the envelope of a reloadable design
    source: Network | None = None
    bounds: Bounds | None = None

    @property
    def cycles_per_image(self) -> int:
        return self.schedule.period

    @property
    def latency(self) -> int:
        return self.schedule.latency

    @property
    def latency_bound(self) -> int:
        return self.schedule.latency_bound

    @property
    def reloadable(self) -> bool:
        return self.source is not None

    def stage(self, node: Node) -> Stage:
        """One layer in place, new at each call (its block is the same)."""
        net = self.net
        edges = [self.schedule.edges[node.name, k] for k in range(len(node.inputs))]
        shapes = [
            shape_of(net.types[name])
            if name == net.input_name
            else self.components[name].o.payload.shape().elem_shape
            for name in node.inputs
        ]
        readers = max(1, len(net.consumers(node.name)) + (node.name == net.output))
        return Stage(
            self.components[node.name],
            edges,
            shapes,
            [net.types[name].shape[0] for name in node.inputs],
            readers,
        )

    def instances(self) -> dict[str, str]:
        """Instance name of each layer: the node's name with what Verilog allows in it, kept unique."""
        names: dict[str, str] = {}
        for name in self.layers:
            base = re.sub(r"\W", "_", name)
            if not base or base[0].isdigit() or base in ("source", "sink"):
                base = f"layer_{base}"
            instance, copy = base, 1
            while instance in names.values():
                copy += 1
                instance = f"{base}_{copy}"
            names[name] = instance
        return names
