# amaranth: UnusedElaboratable=no
"""A network with every choice made."""

import re
from dataclasses import dataclass, field

from amaranth.lib import wiring

from fermatnet.hw.compiler.schedule import SOURCE_LATENCY, Schedule
from fermatnet.hw.compiler.stage import Stage
from fermatnet.hw.compiler.worst_case import Bounds
from fermatnet.hw.layers import Fold, Layer, StreamRate, beats_of, shape_of
from fermatnet.hw.stream.edge import ImageSink, ImageSource
from fermatnet.hw.stream.options import StreamOptions
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
    options: StreamOptions = field(default_factory=StreamOptions)

    @property
    def cycles_per_image(self) -> int:
        return self.schedule.period

    @property
    def latency(self) -> int:
        """Cycles from the first beat taken at ``s_axis`` to the first one offered at ``m_axis``, exact as the
        schedule's."""
        return self.schedule.latency + self._edge_latency

    @property
    def latency_bound(self) -> int:
        return self.schedule.latency_bound + self._edge_latency

    @property
    def _edge_latency(self) -> int:
        """What the edge adds to the schedule, which has the one cycle of `AxiStreamIn` in it."""
        return self.source_edge().latency - SOURCE_LATENCY + self.sink_edge().latency

    @property
    def reloadable(self) -> bool:
        return self.source is not None

    def source_edge(self) -> ImageSource:
        """What stands between ``s_axis`` and the first layers, new at each call."""
        image, lanes = self.net.types[self.net.input_name], self.paces[self.net.input_name].lanes
        filling = min(max(image.lo, 0), image.hi)
        return ImageSource(
            shape_of(image),
            lanes=lanes,
            beats=beats_of(image, lanes),
            options=self.options,
            verdicts=self._verdicts(),
            filling=filling,
        )

    def sink_edge(self) -> ImageSink:
        """What stands between the last layer and ``m_axis``, new at each call."""
        result, lanes = self.net.types[self.net.output], self.paces[self.net.output].lanes
        return ImageSink(
            shape_of(result),
            lanes=lanes,
            beats=beats_of(result, lanes),
            options=self.options,
            early=self.schedule.early,
        )

    def _verdicts(self) -> int:
        """Images between their last input beat and their last result at one time in the steady state.

        With so many places the queue of verdicts never makes an image later than the schedule: it is one more
        monotone block.
        """
        entered, left = (
            int(self.schedule.times[name][-1]) for name in (self.net.input_name, self.net.output)
        )
        between = max(0, left - entered) + 4  # registers of the edges and of the queue
        return between // self.schedule.period + 2

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
            if not base or base[0].isdigit() or base in ("source", "sink", "source_fork", "loader"):
                base = f"layer_{base}"
            instance, copy = base, 1
            while instance in names.values():
                copy += 1
                instance = f"{base}_{copy}"
            names[name] = instance
        return names
