"""How far ready runs in one cycle: through every block that no window and no queue ends, a table or two each,
and through the conversions of width between them."""

from dataclasses import replace
from itertools import pairwise

from fermatnet.hw.compiler.edges import CUT, Edge, conversions
from fermatnet.hw.layers import Fold, Layer
from fermatnet.hw.rtl.clock import Clock
from fermatnet.model.network import Network
from fermatnet.model.network.types import TensorType

__all__ = ["cut_ready", "tight"]

ENDS = 2  # tables beside the blocks': what ready enables, and what it counts
COLLECTS, SERIALISES = 1, 2  # tables of a conversion; a serialiser's also enables its many bits
LEAST = 2  # tables between two cuts: one block and the next
QUEUED = 1  # of a serialiser in front of a queue


def cut_ready(
    net: Network, layers: dict[str, Layer], folds: dict[str, Fold], edges: list[Edge], period: int
) -> list[Edge]:
    """The edges, with ready cut where it would run through more blocks than the layers' clock has time for;
    behind a join rather than at each of its inputs.

    At a `tight` clock every edge is cut, whose queue takes a few tables: what lies between two blocks are the
    longest wires; but not one to a block whose ready is a register's, without a conversion. A fork is cut in
    front of its conversions too.

    A conversion of width cuts it by a rest for a cycle a beat of the wider side, where ``period`` cycles an
    image leave room, and a wide serialiser by a rest behind every piece; it costs no logic, so at a `tight`
    clock every one does. Elsewhere a queue of `fermatnet.hw.compiler.edges.CUT` places does, on the narrow
    side; and behind a serialiser that does not rest behind every piece, whose many bits move with its ready.
    """
    behind: dict[str, int] = {}  # by tensor, the tables that its ready comes through
    found = {edge.key: edge for edge in edges}
    joins = {node.name for node in net.nodes if len(node.inputs) > 1}
    for name in [node.name for node in reversed(net.nodes)] + [one.name for one in net.inputs]:
        leaving = [edge for edge in edges if edge.producer == name]
        chains = [0]
        for edge in leaving:
            layer = layers[edge.consumer]
            chain = _conversion(edge)
            if not layer.registered(folds[edge.consumer], edge.lanes_to):
                chain += (layer.ready_tables if tight(layer.clock) else 1) + behind[edge.consumer]
            over = tight(layer.clock) or chain + (name in joins) > _most(layer.clock)
            if chain and over:
                found[edge.key], chain = _cut(edge, net.types[name], period)
                if tight(layer.clock) and len(leaving) > 1:
                    found[edge.key] = replace(found[edge.key], before=max(found[edge.key].before, CUT))
            chains.append(0 if edge.before else chain)
        behind[name] = max(chains) + (len(leaving) > 1)
    return [found[edge.key] for edge in edges]


def _conversion(edge: Edge) -> int:
    """Tables that ready comes through in the conversion of width."""
    way = conversions(edge.lanes_from, edge.lanes_to)
    return sum(COLLECTS if b > a else SERIALISES for a, b in pairwise(way))


def _rests(edge: Edge, tensor: TensorType, period: int) -> bool:
    """Whether there is a conversion of width, and time for it to rest."""
    return bool(_conversion(edge)) and edge.rest_cycles(tensor) <= period


def _cut(edge: Edge, tensor: TensorType, period: int) -> tuple[Edge, int]:
    """The edge with its ready cut, and the tables that are left before the cut."""
    if _rests(edge, tensor, period):
        halves = edge.wide and edge.rest_cycles(tensor, halves=True) <= period
        cut = edge.cut() if edge.lanes_from > edge.lanes_to and not halves else edge
        return replace(cut, rests=True, halves=halves), 0
    return edge.cut(), QUEUED if edge.lanes_from > edge.lanes_to else 0


def _most(clock: Clock) -> int:
    """Tables that ready may come through in a cycle."""
    return max(LEAST, int(clock.budget // clock.table()) - ENDS)


def tight(clock: Clock) -> bool:
    """Whether a cycle has time for no more tables than ready comes through at least."""
    return _most(clock) == LEAST
