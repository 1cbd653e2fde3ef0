"""NASB's searching stage (algorithm 3): gates, super network, alternating updates, and cutting out a genotype.

Every edge (i, j) of a cell has all ten operations and parameters alpha. p = softmax(alpha) (4.3); one operation is drawn
by p and is the only one that runs while weights are trained. (4.4) reads like independent coin flips; a one-hot draw is
what "only one operation is sampled and active" says. In the architecture step the gradient is (4.6),

    dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i),    dL/dg_j = <dL/dy, o_j(x)>.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import Sum
from fermatnet.model.zoo.bireal import BLOCKS
from fermatnet.model.zoo.nasb import Adapters, cells_of, check_variant
from fermatnet.model.zoo.nasb_space import OPERATIONS, ZERO, Genotype, OperationUnit, Variant, make_operation
from fermatnet.model.zoo.stem import Classifier, check_input, stem

__all__ = ["Gate", "MixedEdge", "SearchNet", "SearchResult", "cut", "search", "table_cost"]

Cost = Callable[[int, int, int, int], float]
"""(operation, channels, height, width) -> what it costs, in any unit."""


class Gate(torch.autograd.Function):
    """Forward: the drawn operation's output.  Backward: its own gradient, and (4.6) for alpha.

    Arguments: alpha (F,), chosen, the chosen output (with gradient), then all F outputs (without).
    """

    @staticmethod
    def forward(context, alpha: Tensor, chosen: int, active: Tensor, *outputs: Tensor) -> Tensor:
        context.save_for_backward(alpha, *outputs)
        return active.clone()

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Any, ...]:
        alpha, *outputs = context.saved_tensors
        p = functional.softmax(alpha, dim=0)
        by_gate = torch.stack([(gradient * output).sum() for output in outputs]).to(p.dtype)
        return (p * (by_gate - (p * by_gate).sum()), None, gradient, *([None] * len(outputs)))


class MixedEdge(nn.Module):
    """All ten operations between two nodes, one of them drawn. ``architecture`` True: the others run too, for (4.6)."""

    def __init__(self, channels: int, padding_value: int = 0) -> None:
        super().__init__()
        self.operations = nn.ModuleList(make_operation(index, channels, padding_value=padding_value) for index in range(len(OPERATIONS)))
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(OPERATIONS)))
        self.chosen = ZERO
        self.architecture = False

    def draw(self, generator: torch.Generator) -> None:
        self.chosen = int(torch.multinomial(functional.softmax(self.alpha.detach().cpu(), 0), 1, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        active = self.operations[self.chosen](x)
        if not (self.architecture and torch.is_grad_enabled()):
            return active
        with torch.no_grad():
            outputs = [active.detach() if index == self.chosen else op(x) for index, op in enumerate(self.operations)]
        return Gate.apply(self.alpha, self.chosen, active, *outputs)


class SearchCell(nn.Module):
    """Backbone and a complete graph of mixed edges: 10 edges for 5 nodes, 36 for 9."""

    def __init__(self, nodes: Sequence[tuple[int, int]], padding_value: int = 0) -> None:
        super().__init__()
        self.nodes = list(nodes)
        count = len(nodes)
        wanted = {(i, nodes[j][1]) for j in range(1, count) for i in range(j) if nodes[i][1] < nodes[j][1]}
        self.adapters = Adapters(nodes, wanted)
        self.backbone = nn.ModuleList(
            OperationUnit(
                nodes[j - 1][0], nodes[j][0], 3, stride=1 << (nodes[j][1] - nodes[j - 1][1]), relu=False, padding_value=padding_value
            )
            for j in range(1, count)
        )
        self.edges = nn.ModuleDict({f"{i}-{j}": MixedEdge(nodes[j][0], padding_value) for j in range(1, count) for i in range(j)})
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
    """The over-parameterized binary ResNet of the searching stage. Parameters as `NASBNet`; no ReLU (section 4.4.1)."""

    convention = "chapter4"

    def __init__(
        self, depth: int = 18, width: int = 64, *, classes: int = 10, input_shape: tuple[int, int, int] = (3, 32, 32), variant: str = "nasb",
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.variant = check_variant(variant)
        if depth not in BLOCKS:
            raise InputError(f"depth of a NASB ResNet must be one of {', '.join(map(str, BLOCKS))}, not {depth}")
        shape = check_input(input_shape, classes)
        plan = cells_of(BLOCKS[depth], width, self.variant.steps)
        self.stem = stem(shape, width, relu=False)
        self.cells = nn.Sequential(*(SearchCell(nodes, padding_value) for nodes in plan))
        self.classifier = Classifier(plan[-1][-1][0], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.cells(self.stem(x)))

    def edges(self) -> Iterator[MixedEdge]:
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
        for edge in self.edges():
            edge.architecture = on

    def architecture_parameters(self) -> list[nn.Parameter]:
        return [edge.alpha for edge in self.edges()]

    def weights(self) -> list[nn.Parameter]:
        gates = {id(alpha) for alpha in self.architecture_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in gates]

    def expected_cost(self, cost: Cost, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Sum over edges of ``sum_j p_j cost_j``, differentiable; ``sizes``: the map (height, width) at each level."""
        total = torch.zeros(())
        for _, _, _, (channels, level), edge in self.searched():
            price = torch.tensor([cost(index, channels, *sizes[level]) for index in range(len(OPERATIONS))])
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
        result: list[dict[str, list[float]]] = [{} for _ in self.cells]
        for number, source, node, _, edge in self.searched():
            result[number][f"{source}-{node}"] = functional.softmax(edge.alpha.detach(), 0).tolist()
        return result


def cut(alphas: dict[tuple[int, int], Tensor], nodes: int, variant: Variant) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Keep for each node the most probable (predecessor, operation) pairs: ``kept``, or ``kept_last`` for the last node.

    Probabilities are those of the pair's own edge (4.3). Zero is never kept; V4 leaves Identity out as well. With one
    pair kept a node has one predecessor and one operation, as figure 4.2 (b) draws it.
    """
    result = []
    for node in range(1, nodes):
        pairs = []
        for source in range(node):
            p = functional.softmax(alphas[source, node], 0)
            pairs += [(float(p[index]), source, index) for index in range(len(OPERATIONS)) if index not in variant.without]
        count = variant.kept_last if node == nodes - 1 else variant.kept
        best = sorted(pairs, key=lambda item: (-item[0], item[1], item[2]))[:count]
        result.append(tuple(sorted((source, index) for _, source, index in best)))
    return tuple(result)


def table_cost(index: int, channels: int, height: int, width: int) -> float:
    """Units of table 4.1 weighted by the size of the layer: bit operations, in 2^20."""
    return float(OPERATIONS[index].units) * 9 * channels * channels * height * width / 2**20


@dataclass
class SearchResult:
    """The genotype found and how the search went: one row an epoch with both losses, accuracy and expected cost."""

    genotype: Genotype
    history: list[dict[str, float]] = field(default_factory=list)
    probabilities: list[dict[str, list[float]]] = field(default_factory=list)


def _endless(loader: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise InputError("the search needs training data and validation data; one of them is empty")


def search(
    network: SearchNet, training: Iterable[tuple[Tensor, Tensor]], validation: Iterable[tuple[Tensor, Tensor]] | None, *, epochs: int,
    steps: int, seed: int = 0, learning_rate: float = 0.025, architecture_rate: float = 1e-3, cost: Cost | None = None,
    cost_weight: float = 0.0, warmup: int = 0, progress: Callable[[int, dict[str, float]], None] | None = None,
) -> SearchResult:
    """The searching stage: for every step a batch of validation data for alpha, then one of training data for the weights.

    training, validation: re-iterable loaders of (images, labels), two halves of the training data in the thesis.
    Weights by SGD with momentum 0.9 (cosine to 0), alpha by Adam with betas (0, 0.999). ``cost_weight`` times the expected
    ``cost`` (divided by the cost of all edges at their most expensive) is added to the loss of the alpha steps; ``warmup``
    epochs train weights only. `InputError` without validation data.
    """
    if validation is None:
        raise InputError("a search needs validation data: the architecture is not learned on what the weights are trained on")
    if epochs < 1 or steps < 1:
        raise InputError(f"epochs and steps must be positive, not {epochs} and {steps}")
    generator = torch.Generator().manual_seed(seed)
    train, held_out = _endless(training), _endless(validation)
    weights = torch.optim.SGD(network.weights(), lr=learning_rate, momentum=0.9, weight_decay=3e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(weights, epochs * steps)
    gates = torch.optim.Adam(network.architecture_parameters(), lr=architecture_rate, betas=(0.0, 0.999))
    result = SearchResult(())
    first = next(held_out)[0]
    sizes = network.map_sizes(first.shape[2], first.shape[3])
    worst = 1.0 if cost is None else network.largest_cost(cost, sizes)
    network.train()
    for epoch in range(epochs):
        sums = {"validation_loss": 0.0, "training_loss": 0.0, "accuracy": 0.0, "cost": 0.0}
        for _ in range(steps):
            if epoch >= warmup:
                images, labels = next(held_out)
                network.draw(generator)
                network.architecture_step(True)
                loss = functional.cross_entropy(network(images), labels)
                sums["validation_loss"] += float(loss.detach()) / steps
                if cost is not None:
                    price = network.expected_cost(cost, sizes) / worst
                    sums["cost"] += float(price.detach()) / steps
                    loss = loss + cost_weight * price
                gates.zero_grad()
                loss.backward()
                gates.step()
                network.architecture_step(False)
            images, labels = next(train)
            network.draw(generator)
            output = network(images)
            loss = functional.cross_entropy(output, labels)
            weights.zero_grad()
            loss.backward()
            weights.step()
            schedule.step()
            sums["training_loss"] += float(loss.detach()) / steps
            sums["accuracy"] += float((output.argmax(1) == labels).float().mean()) / steps
        result.history.append({"epoch": epoch} | sums)
        if progress is not None:
            progress(epoch, sums)
    result.genotype = network.genotype()
    result.probabilities = network.probabilities()
    return result
