"""NASB networks (chapter 4): a ResNet's chain of binary convolutions, cut into cells, each joined by a
searched graph.

The backbone runs node 0 -> 1 -> 2 ...; a node is the sum of its backbone convolution and of what the searched
graph brings from earlier nodes (figure 4.2). Where a node lies beyond a stride, earlier nodes reach it
through the real-valued downsampling of ResNet (2x2 mean, 1x1, batch norm), one for each node and resolution
that is used.

With one Identity from the previous node for every node, this is Bi-Real Net (section 4.4.4):
`bireal_genotype`.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import Sum
from fermatnet.model.zoo.bireal import BLOCKS
from fermatnet.model.zoo.nasb.space import (
    IDENTITY,
    MAXIMUM,
    VARIANTS,
    CellGenotype,
    Genotype,
    OperationUnit,
    StageConv2d,
    Variant,
    check_genotype,
    genotype_from_json,
    make_operation,
)
from fermatnet.model.zoo.stem import Classifier, Downsample, check_input, stem

__all__ = ["Cell", "NASBNet", "bireal_genotype", "cells_of", "chain", "check_variant", "thesis_genotype"]


def chain(blocks: Sequence[int], width: int) -> list[tuple[int, int]]:
    """(channels, level) of the output of every 3x3 convolution of a ResNet of basic blocks."""
    return [(width << stage, stage) for stage, count in enumerate(blocks) for _ in range(2 * count)]


class Adapters(nn.Module):
    """Node values at other resolutions: ``adapters(value, source, level)`` runs the downsampling made for
    that pair."""

    def __init__(self, nodes: Sequence[tuple[int, int]], wanted: set[tuple[int, int]]) -> None:
        super().__init__()
        self.levels = [level for _, level in nodes]
        widths = {level: channels for channels, level in nodes}
        self.paths = nn.ModuleDict()
        for source, level in sorted(wanted):
            for step in range(self.levels[source] + 1, level + 1):
                key = f"{source}-{step}"
                if key not in self.paths:
                    channels = nodes[source][0] if step == self.levels[source] + 1 else widths[step - 1]
                    self.paths[key] = Downsample(channels, widths[step])

    def forward(self, value: Tensor, source: int, level: int) -> Tensor:
        for step in range(self.levels[source] + 1, level + 1):
            value = self.paths[f"{source}-{step}"](value)
        return value


class Cell(nn.Module):
    """One found NASB-convolutional cell.

    nodes: (channels, level) of node 0 (the input) and of each node after it; genotype as in `nasb.space`. The
    nodes listed in ``merge`` are where a second branch is added in (V3); its cell has the same graph and its
    own weights.
    """

    def __init__(
        self,
        nodes: Sequence[tuple[int, int]],
        genotype: CellGenotype,
        *,
        branches: int = 1,
        relu: bool = False,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.genotype, self.branches = genotype, branches
        self.levels = [level for _, level in nodes]
        edges = [(source, node) for node, pairs in enumerate(genotype, start=1) for source, _ in pairs]
        wanted = {(source, nodes[node][1]) for source, node in edges if nodes[source][1] < nodes[node][1]}
        options: dict[str, Any] = {"relu": relu, "padding_value": padding_value}
        self.adapters = nn.ModuleList(Adapters(nodes, wanted) for _ in range(branches))
        self.backbone = nn.ModuleList()
        self.found = nn.ModuleList()
        self.sums = nn.ModuleList()
        for _ in range(branches):
            chain_units, operations, sums = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
            for node, pairs in enumerate(genotype, start=1):
                (before, low), (channels, level) = nodes[node - 1], nodes[node]
                chain_units.append(
                    OperationUnit(
                        before, channels, 3, stride=1 << (level - low), relu=relu, padding_value=padding_value
                    )
                )
                operations.append(
                    nn.ModuleList(make_operation(operation, channels, **options) for _, operation in pairs)
                )
                sums.append(Sum())
            self.backbone.append(chain_units)
            self.found.append(operations)
            self.sums.append(sums)
        self.merges = nn.ModuleList(Sum() for _ in range(len(genotype) // 2)) if branches > 1 else None

    def _node(
        self, branch: int, node: int, values: list[Tensor], resized: dict[tuple[int, int], Tensor]
    ) -> Tensor:
        backbone: Any = self.backbone[branch]
        operations: Any = self.found[branch]
        sums: Any = self.sums[branch]
        terms = [backbone[node - 1](values[node - 1])]
        for operation, (source, _) in zip(operations[node - 1], self.genotype[node - 1], strict=True):
            key = (source, self.levels[node])
            if key not in resized:
                resized[key] = self.adapters[branch](values[source], source, self.levels[node])
            terms.append(operation(resized[key]))
        return sums[node - 1](*terms) if len(terms) > 1 else terms[0]

    def forward(self, x: Tensor) -> Tensor:
        values: list[list[Tensor]] = [[x] for _ in range(self.branches)]
        resized: list[dict[tuple[int, int], Tensor]] = [{} for _ in range(self.branches)]
        for node in range(1, len(self.genotype) + 1):
            for branch in range(self.branches):
                values[branch].append(self._node(branch, node, values[branch], resized[branch]))
            if self.merges is not None and node % 2 == 0:
                merged = self.merges[node // 2 - 1](*(branch[node] for branch in values))
                for nodes in values:
                    nodes[node] = merged
        return values[0][-1]


def bireal_genotype(cells: int = 4, steps: int = 4) -> Genotype:
    """Every node gets the identity of the node before it: Bi-Real Net."""
    return tuple(tuple(((node, IDENTITY),) for node in range(steps)) for _ in range(cells))


def thesis_genotype(cells: int = 4, steps: int = 4) -> Genotype:
    """Max pooling from the node before for all nodes but each cell's last, which keeps the identity.

    NASB ResNet18 found twelve max poolings and four identities, NASB ResNet34 twenty and twelve; where each
    one lies is in a picture that is not public, so the places are an assumption, the cost is not. The first
    four of eight cells keep two identities here.
    """

    def cell(number: int) -> CellGenotype:
        kept = 2 if cells == 8 and number < 4 else 1
        return tuple(((node, MAXIMUM if node < steps - kept else IDENTITY),) for node in range(steps))

    return tuple(cell(number) for number in range(cells))


class NASBNet(nn.Module):
    """A ResNet of found cells.

    Parameters: depth 10, 18, 34; width; variant (a key of `VARIANTS`); genotype: nested tuples, JSON text,
    "bireal" or "thesis" (default; only for variants that keep one operation a node); relu: the Conv -> ReLU
    -> BN order of pretraining and finetuning. Input (n, C, H, W) float, output (n, classes).
    """

    convention = "chapter4"

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        variant: str = "nasb",
        genotype: Genotype | str = "thesis",
        relu: bool = False,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        rule = check_variant(variant)
        if depth not in BLOCKS:
            raise InputError(
                f"depth of a NASB ResNet must be one of {', '.join(map(str, BLOCKS))}, not {depth}"
            )
        if width < 1:
            raise InputError(f"width must be positive, not {width}")
        shape = check_input(input_shape, classes)
        self.plan = cells_of(BLOCKS[depth], width, rule.steps)
        steps = len(self.plan[0]) - 1
        if isinstance(genotype, str):
            if genotype in ("bireal", "thesis"):
                if rule.kept > 1 or rule.kept_last > 1:
                    raise InputError(
                        f"variant {variant} keeps several operations a node: give the genotype of a search"
                    )
                genotype = (bireal_genotype if genotype == "bireal" else thesis_genotype)(
                    len(self.plan), steps
                )
            else:
                genotype = genotype_from_json(genotype)
        self.genotype = check_genotype(genotype, len(self.plan), steps)
        self.stem = stem(shape, width, relu=False)
        self.cells = nn.Sequential(
            *(
                Cell(nodes, cell, branches=rule.branches, relu=relu, padding_value=padding_value)
                for nodes, cell in zip(self.plan, self.genotype, strict=True)
            )
        )
        self.classifier = Classifier(self.plan[-1][-1][0], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.cells(self.stem(x)))

    def set_binary(self, binary: bool, *, keep_point: bool = True) -> None:
        """Switch all convolutions of the cells to signs (True) or to tanh and real weights; 1x1 ones stay
        real if kept."""
        for module in self.modules():
            if isinstance(module, StageConv2d):
                module.binary = binary and not (keep_point and module.kernel_size == (1, 1))


def check_variant(variant: str) -> Variant:
    """The `Variant` of that name, or an `InputError`."""
    if variant not in VARIANTS:
        raise InputError(f"NASB's variants are {', '.join(VARIANTS)}, not {variant!r}")
    return VARIANTS[variant]


def cells_of(blocks: Sequence[int], width: int, steps: int) -> list[list[tuple[int, int]]]:
    """Nodes (channels, level) of each cell, its input first, for a chain of convolutions cut every
    ``steps``."""
    convolutions = [(width, 0), *chain(blocks, width)]
    last = len(convolutions) - 1
    if last % steps:
        steps = 2
    return [convolutions[start : start + steps + 1] for start in range(0, last, steps)]
