"""UA-ResNet, NASB cells and REAF networks from the layers of a quantization scheme: they train and export as
any network.

    network = HardwareUAResNet(scheme("sign"), columns=2, width=8, blocks=(1, 1))
    fermatnet.model.exchange.export.export(network, (1, 8, 8))

Values between blocks are fixed-point numbers with 5 bits behind the point; a join's mean is a fixed-point
rescale; the real-valued layers of the thesis (stem, downsampling, classifier) have 8-bit integer weights.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.zoo.fractal import check_columns
from fermatnet.model.zoo.hardware.blocks import BITS, FRACTION, Down, Mean, StagedNetwork, Unit
from fermatnet.model.zoo.hardware.layers import MeanWindow
from fermatnet.model.zoo.hardware.reaf import HardwareREAFNet
from fermatnet.model.zoo.nasb.network import cells_of
from fermatnet.model.zoo.nasb.space import IDENTITY, OPERATIONS, ZERO, CellGenotype, Genotype, check_genotype

__all__ = ["HardwareNASBNet", "HardwareREAFNet", "HardwareUAResNet"]


class _Fractal(nn.Module):
    """F_C^R of (5.2), columns in a list."""

    def __init__(self, how: Scheme, columns: int, width: int, residual: bool) -> None:
        super().__init__()
        self.columns = columns
        self.unit = Unit(how, width, width, residual=residual)
        if columns > 1:
            self.first = _Fractal(how, columns - 1, width, residual)
            self.join = Mean(how, columns - 1) if columns > 2 else None
            self.second = _Fractal(how, columns - 1, width, residual)

    def forward(self, x: Tensor) -> list[Tensor]:
        beside = [self.unit(x)]
        if self.columns == 1:
            return beside
        middle = self.first(x)
        return self.second(middle[0] if self.join is None else self.join(middle)) + beside


class _Block(nn.Module):
    def __init__(self, how: Scheme, columns: int, width: int, residual: bool) -> None:
        super().__init__()
        self.fractal = _Fractal(how, columns, width, residual)
        self.join = Mean(how, columns)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self.fractal(x))


class HardwareUAResNet(StagedNetwork):
    """UA-ResNet (chapter 5): blocks a stage of ``columns`` columns, widths w, 2w, ...; ``residual`` False:
    A-ResNet.

    ``stride`` of the stem: 2 quarters everything behind it.
    """

    def __init__(
        self,
        how: Scheme,
        *,
        columns: int = 3,
        width: int = 8,
        blocks: Sequence[int] = (1, 1, 1, 1),
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        residual: bool = True,
        stride: int | None = None,
    ) -> None:
        check_columns(columns)
        if not blocks or min(blocks) < 1:
            raise InputError(f"blocks must be one or more positive counts, not {tuple(blocks)}")
        body: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            if stage:
                body.append(Down(how, channels, width << stage))
                channels = width << stage
            body += [_Block(how, columns, channels, residual) for _ in range(count)]
        super().__init__(how, body, channels, width, classes, shape, bits, stride)


class _Branch(nn.Module):
    """Backbone and found operations of one branch of a cell; nodes as in `nasb.network`."""

    def __init__(self, how: Scheme, nodes: Sequence[tuple[int, int]], genotype: CellGenotype) -> None:
        super().__init__()
        self.levels = [level for _, level in nodes]
        self.backbone = nn.ModuleList()
        self.found = nn.ModuleList()
        self.adapters = nn.ModuleDict()
        for node, pairs in enumerate(genotype, start=1):
            (before, low), (channels, level) = nodes[node - 1], nodes[node]
            self.backbone.append(Unit(how, before, channels, stride=1 << (level - low)))
            operations = nn.ModuleList()
            for source, operation in pairs:
                operations.append(_operation(how, operation, channels))
                for step in range(nodes[source][1] + 1, level + 1):
                    key = f"{source}-{step}"
                    if key not in self.adapters:
                        width = {at: size for size, at in nodes}
                        self.adapters[key] = Down(
                            how,
                            nodes[source][0] if step == nodes[source][1] + 1 else width[step - 1],
                            width[step],
                        )
            self.found.append(operations)
        self.genotype = genotype

    def node(self, node: int, values: list[Tensor], resized: dict[tuple[int, int], Tensor]) -> Tensor:
        """Value of a node from those before it; ``resized`` keeps them at other resolutions."""
        level = self.levels[node]
        y = self.backbone[node - 1](values[node - 1])
        for (source, operation), module in zip(self.genotype[node - 1], self.found[node - 1], strict=True):  # type: ignore[call-overload]
            if operation == ZERO:
                continue
            resized[source, self.levels[source]] = values[source]
            for step in range(self.levels[source] + 1, level + 1):
                if (source, step) not in resized:
                    below = resized[source, step - 1]
                    resized[source, step] = self.adapters[f"{source}-{step}"](below)
            y = y + module(resized[source, level])
        return y


class _Cell(nn.Module):
    """A found NASB cell; with two branches (V3) their values are added up after every second node."""

    def __init__(
        self, how: Scheme, nodes: Sequence[tuple[int, int]], genotype: CellGenotype, branches: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_Branch(how, nodes, genotype) for _ in range(branches))
        self.nodes = len(genotype)

    def forward(self, x: Tensor) -> Tensor:
        values: list[list[Tensor]] = [[x] for _ in self.branches]
        resized: list[dict[tuple[int, int], Tensor]] = [{} for _ in self.branches]
        for node in range(1, self.nodes + 1):
            for branch, mine, kept in zip(self.branches, values, resized, strict=True):
                mine.append(branch.node(node, mine, kept))  # type: ignore[operator]
            if len(values) > 1 and node % 2 == 0:
                total = values[0][node]
                for other in values[1:]:
                    total = total + other[node]
                for mine in values:
                    mine[node] = total
        return values[0][-1]


def _operation(how: Scheme, index: int, channels: int) -> nn.Module:
    operation = OPERATIONS[index]
    if index in (ZERO, IDENTITY):
        return nn.Identity()
    if operation.pool:
        pool = nn.MaxPool2d(3, 1, 1) if operation.pool == "max" else MeanWindow(channels)
        return nn.Sequential(pool, how.fixed_norm(channels, bits=BITS, fraction=FRACTION))
    return Unit(how, channels, channels, operation.kernel, dilation=operation.dilation)


class HardwareNASBNet(StagedNetwork):
    """A ResNet of found cells (chapter 4): ``blocks`` of two convolutions a stage, cut into cells of
    ``steps``.

    A 1x1 convolution, real-valued in the thesis, is one of the scheme here. ``branches`` 2: variant V3.
    """

    def __init__(
        self,
        how: Scheme,
        genotype: Genotype,
        *,
        width: int = 8,
        blocks: Sequence[int] = (1, 1),
        steps: int = 4,
        branches: int = 1,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        stride: int | None = None,
    ) -> None:
        plan = cells_of(blocks, width, steps)
        check_genotype(genotype, len(plan), len(plan[0]) - 1)
        body = [_Cell(how, nodes, cell, branches) for nodes, cell in zip(plan, genotype, strict=True)]
        super().__init__(how, body, plan[-1][-1][0], width, classes, shape, bits, stride)
