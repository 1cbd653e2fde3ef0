"""NASB's over-parameterized network: cells whose nodes are all joined by mixed edges, and what is cut out of
them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import Sum
from fermatnet.model.zoo.bireal import BLOCKS
from fermatnet.model.zoo.nasb.gates import MixedEdge
from fermatnet.model.zoo.nasb.network import Adapters, cells_of, check_variant
from fermatnet.model.zoo.nasb.space import OPERATIONS, Genotype, OperationUnit, Variant
from fermatnet.model.zoo.stem import Classifier, check_input, stem

__all__ = ["Cost", "SearchNet", "cut"]

Cost = Callable[[int, int, int, int], float]
"""(operation, channels, height, width) -> what it costs, in any unit."""


class SearchCell(nn.Module):
    """Backbone and a complete graph of mixed edges: 10 edges for 5 nodes, 36 for 9."""

    def __init__(self, nodes: Sequence[tuple[int, int]], padding_value: int = 0) -> None:
        super().__init__()
        self.nodes = list(nodes)
        count = len(nodes)
        wanted = {(i, nodes[j][1]) for i, j in combinations(range(count), 2) if nodes[i][1] < nodes[j][1]}
        self.adapters = Adapters(nodes, wanted)
        self.backbone = nn.ModuleList(
            OperationUnit(
                nodes[j - 1][0],
                nodes[j][0],
                3,
                stride=1 << (nodes[j][1] - nodes[j - 1][1]),
                relu=False,
                padding_value=padding_value,
            )
            for j in range(1, count)
        )
        self.edges = nn.ModuleDict(
            {f"{i}-{j}": MixedEdge(nodes[j][0], padding_value) for j in range(1, count) for i in range(j)}
        )
        self.sum = Sum()

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        resized: dict[tuple[int, int], Tensor] = {}
        for j in range(1, len(self.nodes)):
            level = self.nodes[j][1]
            terms = [self.backbone[j - 1](values[j - 1])]
            for i in range(j):
                if (i, level) not in resized:
                    resized[i, level] = self.adapters(values[i], i, level)
                terms.append(self.edges[f"{i}-{j}"](resized[i, level]))
            values.append(self.sum(*terms))
        return values[-1]


class SearchNet(nn.Module):
    """The over-parameterized binary ResNet of the searching stage. Parameters as `NASBNet`; no ReLU (section
    4.4.1)."""

    convention = "chapter4"

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        variant: str = "nasb",
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.variant = check_variant(variant)
        if depth not in BLOCKS:
            raise InputError(
                f"depth of a NASB ResNet must be one of {', '.join(map(str, BLOCKS))}, not {depth}"
            )
        shape = check_input(input_shape, classes)
        plan = cells_of(BLOCKS[depth], width, self.variant.steps)
        self.stem = stem(shape, width, relu=False)
        self.cells = nn.Sequential(*(SearchCell(nodes, padding_value) for nodes in plan))
        self.classifier = Classifier(plan[-1][-1][0], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.cells(self.stem(x)))

    def edges(self) -> Iterator[MixedEdge]:
        """All mixed edges."""
        return (module for module in self.modules() if isinstance(module, MixedEdge))

    def searched(self) -> Iterator[tuple[int, int, int, tuple[int, int], MixedEdge]]:
        """(cell, source, node, (channels, level) of the node, edge) of every edge."""
        for number, cell in enumerate(self.cells):
            assert isinstance(cell, SearchCell)
            for name, edge in cell.edges.items():
                source, node = map(int, name.split("-"))
                assert isinstance(edge, MixedEdge)
                yield number, source, node, cell.nodes[node], edge

    def draw(self, generator: torch.Generator) -> None:
        """One operation for every edge."""
        for edge in self.edges():
            edge.draw(generator)

    def architecture_step(self, on: bool) -> None:
        """Says whether the next step is one of the gates (or one of the weights)."""
        for edge in self.edges():
            edge.architecture = on

    def architecture_parameters(self) -> list[nn.Parameter]:
        """Parameters of the gates."""
        return [edge.alpha for edge in self.edges()]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters."""
        gates = {id(alpha) for alpha in self.architecture_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in gates]

    def expected_cost(self, cost: Cost, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Sum over edges of ``sum_j p_j cost_j``, differentiable; ``sizes``: the map (height, width) at each
        level."""
        total = torch.zeros((), device=next(self.edges()).alpha.device)
        for _, _, _, (channels, level), edge in self.searched():
            price = torch.tensor([cost(index, channels, *sizes[level]) for index in range(len(OPERATIONS))])
            price = price.to(edge.alpha.device)
            total = total + (functional.softmax(edge.alpha, 0) * price).sum()
        return total

    def largest_cost(self, cost: Cost, sizes: Sequence[tuple[int, int]]) -> float:
        """Cost of every edge at its most expensive operation."""
        return sum(
            max(cost(index, channels, *sizes[level]) for index in range(len(OPERATIONS)))
            for _, _, _, (channels, level), _ in self.searched()
        )

    def map_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Map (height, width) at levels 0, 1, ... for images of that size."""
        stem = copy.deepcopy(self.stem).to("meta").eval()
        channels = next(self.stem.parameters()).shape[1]
        shape = stem(torch.zeros(1, channels, height, width, device="meta")).shape
        sizes = [(shape[2], shape[3])]
        for _ in range(8):
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        return sizes

    def genotype(self) -> Genotype:
        """What `cut` keeps of every cell."""
        alphas: list[dict[tuple[int, int], Tensor]] = [{} for _ in self.cells]
        for number, source, node, _, edge in self.searched():
            alphas[number][source, node] = edge.alpha.detach()
        return tuple(cut(edges, max(node for _, node in edges) + 1, self.variant) for edges in alphas)

    def probabilities(self) -> list[dict[str, list[float]]]:
        """For each cell: edge "source-node" -> probability of each operation (4.3)."""
        per_cell: list[dict[str, list[float]]] = [{} for _ in self.cells]
        for number, source, node, _, edge in self.searched():
            per_cell[number][f"{source}-{node}"] = functional.softmax(edge.alpha.detach(), 0).tolist()
        return per_cell


def cut(
    alphas: dict[tuple[int, int], Tensor], nodes: int, variant: Variant
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Keep for each node the most probable (predecessor, operation) pairs: ``kept``, or ``kept_last`` for the
    last node.

    Probabilities are those of the pair's own edge (4.3). Zero is never kept; V4 leaves Identity out as well.
    With one pair kept a node has one predecessor and one operation, as figure 4.2 (b) draws it.
    """
    genotype = []
    for node in range(1, nodes):
        pairs = []
        for source in range(node):
            p = functional.softmax(alphas[source, node], 0)
            pairs += [
                (float(p[index]), source, index)
                for index in range(len(OPERATIONS))
                if index not in variant.without
            ]
        count = variant.kept_last if node == nodes - 1 else variant.kept
        best = sorted(pairs, key=lambda item: (-item[0], item[1], item[2]))[:count]
        genotype.append(tuple(sorted((source, index) for _, source, index in best)))
    return tuple(genotype)
