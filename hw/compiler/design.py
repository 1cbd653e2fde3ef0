# amaranth: UnusedElaboratable=no
"""A network with every choice made."""

import re
from dataclasses import dataclass, field

from amaranth.lib import wiring

from fermatnet.hw.compiler.ready import tight
from fermatnet.hw.compiler.schedule import SOURCE_LATENCY, Schedule
from fermatnet.hw.compiler.stage import Stage
from fermatnet.hw.compiler.worst_case import Bounds
from fermatnet.hw.layers import Fold, Layer, StreamRate, beats_of, shape_of
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.stream.edge import ImageSink, ImageSource
from fermatnet.hw.stream.options import StreamOptions
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Node

__all__ = ["Design"]

_OWN = r"(source|sink)([0-9]*|[0-9]*_fork)|verdict.*|loader"  # instances of the top level itself


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

    def __post_init__(self) -> None:
        if self.options.frame_buffer and len(self.net.inputs) > 1:
            raise InputError(
                "a frame buffer drops a bad image of one input only, and the other inputs' images would meet "
                "the wrong ones: leave frame_buffer away with several inputs"
            )

    @property
    def cycles_per_image(self) -> int:
        """Cycles between images in the steady state, without stalls from outside."""
        return self.schedule.period

    @property
    def latency(self) -> int:
        """Cycles from the first beat taken at ``s_axis`` to the first one offered at ``m_axis``, exact as the
        schedule's."""
        return self.schedule.latency + self._edge_latency

    @property
    def latency_bound(self) -> int:
        """Cycles from an image's first beat to the last one of its result, at most."""
        return self.schedule.latency_bound + self._edge_latency

    @property
    def _edge_latency(self) -> int:
        """What the edge adds to the schedule, which has the one cycle of `AxiStreamIn` in it."""
        return self.sources()[0].latency - SOURCE_LATENCY + self.sinks()[0].latency

    @property
    def reloadable(self) -> bool:
        """Whether the weights can be loaded at run time."""
        return self.source is not None

    def sources(self) -> list[ImageSource]:
        """What stands between each input's stream and the first layers, new at each call."""
        return [self._source(one.name) for one in self.net.inputs]

    def sinks(self) -> list[ImageSink]:
        """What stands between each output and its stream, new at each call."""
        return [self._sink(name) for name in self.net.outputs]

    def _source(self, name: str) -> ImageSource:
        image, lanes = self.net.types[name], self.paces[name].lanes
        filling = min(max(image.lo, 0), image.hi)
        return ImageSource(
            shape_of(image),
            lanes=lanes,
            beats=beats_of(image, lanes),
            options=self.options,
            verdicts=self.verdicts(),
            filling=filling,
        )

    def _sink(self, name: str) -> ImageSink:
        result, lanes = self.net.types[name], self.paces[name].lanes
        return ImageSink(
            shape_of(result),
            lanes=lanes,
            beats=beats_of(result, lanes),
            options=self.options,
            early=self.schedule.early[name],
            cut=tight(next(iter(self.layers.values())).clock),
            late=len(self.net.outputs) > 1,
        )

    def verdicts(self) -> int:
        """Images between their last input beat and their last result at one time in the steady state.

        With so many places the queue of verdicts never makes an image later than the schedule: it is one more
        monotone block.
        """
        times = self.schedule.times
        entered = min(int(times[one.name][-1]) for one in self.net.inputs)
        left = max(int(times[name][-1]) for name in self.net.outputs)
        between = max(0, left - entered) + 6  # registers of the edges and of the queues
        return between // self.schedule.period + 2

    def stage(self, node: Node) -> Stage:
        """One layer in place, new at each call (its block is the same)."""
        net = self.net
        edges = [self.schedule.edges[node.name, k] for k in range(len(node.inputs))]
        shapes = [
            shape_of(net.types[name])
            if net.is_input(name)
            else self.components[name].o.payload.shape().elem_shape
            for name in node.inputs
        ]
        readers = max(1, len(net.consumers(node.name)) + (node.name in net.outputs))
        return Stage(
            self.components[node.name],
            edges,
            shapes,
            [net.types[name].shape[0] for name in node.inputs],
            readers,
        )

    def weight_cells(self, name: str) -> str:
        """Target whose cells the weight memory of a layer may be; "generic": none's."""
        return getattr(array_of(self.components[name]), "memory_target", "generic")

    def instances(self) -> dict[str, str]:
        """Instance name of each layer: the node's name with what Verilog allows in it, kept unique."""
        names: dict[str, str] = {}
        for name in self.layers:
            base = re.sub(r"\W", "_", name)
            if not base or base[0].isdigit() or re.fullmatch(_OWN, base):
                base = f"layer_{base}"
            names[name] = _unlike(base, names)
        return names

    def streams(self) -> dict[str, str]:
        """Prefix of each input's and output's ports: ``s_axis``, ``m_axis``, where there is one; else with
        the tensor's name."""
        prefixes: dict[str, str] = {}
        for side, tensors in (
            ("s_axis", [one.name for one in self.net.inputs]),
            ("m_axis", self.net.outputs),
        ):
            for name in tensors:
                word = re.sub(r"\W", "_", name)
                prefixes[name] = side if len(tensors) == 1 else _unlike(f"{side}_{word}", prefixes)
        return prefixes


def _unlike(base: str, taken: dict[str, str]) -> str:
    """``base``, with a number where it is taken."""
    name, copy = base, 1
    while name in taken.values():
        copy += 1
        name = f"{base}_{copy}"
    return name
