"""Queues of results whose only reader takes one seldom."""

from collections.abc import Iterable, Mapping
from typing import Any

from fermatnet.hw.arrays.free_running import FreeRunning
from fermatnet.hw.compiler.edges import Edge
from fermatnet.hw.layers.windowed import array_of
from fermatnet.model.network import Network

__all__ = ["rest"]


def rest(net: Network, components: Mapping[str, Any], edges: Iterable[Edge]) -> None:
    """Lets the queue of an array rest where all that reads it is a serialiser that halves its pace. It takes
    a result in every fourth cycle at most, so no cycle changes; and its ready, which comes from far where the
    two are wide, enables no register of the queue."""
    for edge in edges:
        alone = len(net.consumers(edge.producer)) == 1 and edge.producer not in net.outputs
        array = array_of(components.get(edge.producer))
        if edge.halves and not edge.before and alone and isinstance(array, FreeRunning):
            array.rests = True
