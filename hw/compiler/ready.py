"""How far ready runs in one cycle: through every block that no window and no queue ends, one table each."""

from dataclasses import replace

from fermatnet.hw.compiler.edges import CUT, Edge
from fermatnet.hw.layers import Fold, Layer
from fermatnet.model.network import Network

__all__ = ["cut_ready"]

ENDS = 2  # tables beside the blocks': what ready enables, and what it counts


def cut_ready(
    net: Network, layers: dict[str, Layer], folds: dict[str, Fold], edges: list[Edge]
) -> list[Edge]:
    """The edges, with a queue of `fermatnet.hw.compiler.edges.CUT` places where ready would run through more
    blocks than the layers' clock has time for; behind a join rather than at each of its inputs."""
    behind: dict[str, int] = {}  # by tensor, the blocks that its ready comes through
    found = {edge.key: edge for edge in edges}
    joins = {node.name for node in net.nodes if len(node.inputs) > 1}
    for name in [node.name for node in reversed(net.nodes)] + [one.name for one in net.inputs]:
        leaving = [edge for edge in edges if edge.producer == name]
        chains = [0]
        for edge in leaving:
            layer = layers[edge.consumer]
            chain = 0
            if not layer.windowed(folds[edge.consumer]):  # whose ready is a register's
                chain = 1 + behind[edge.consumer] + (edge.lanes_from != edge.lanes_to)
            if chain and chain + (name in joins) > _most(layer):
                found[edge.key], chain = replace(edge, before=max(edge.before, CUT)), 0
            chains.append(0 if edge.before else chain)
        behind[name] = max(chains) + (len(leaving) > 1)
    return [found[edge.key] for edge in edges]


def _most(layer: Layer) -> int:
    """Blocks that ready may come through in a cycle."""
    return max(2, int(layer.clock.budget // layer.clock.table()) - ENDS)
