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
from fermatnet.model.zoo.hardware.layers import MeanWindow, convolution, reaf_hardware
from fermatnet.model.zoo.nasb.network import cells_of
from fermatnet.model.zoo.nasb.space import IDENTITY, OPERATIONS, ZERO, CellGenotype, Genotype, check_genotype
from fermatnet.model.zoo.reaf import template

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
        stride: int = 1,
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


class _Cell(nn.Module):
    """A found NASB cell; nodes as in `fermatnet.model.zoo.nasb.network`."""

    def __init__(self, how: Scheme, nodes: Sequence[tuple[int, int]], genotype: CellGenotype) -> None:
        super().__init__()
        self.levels = [level for _, level in nodes]
        self.backbone = nn.ModuleList()
        self.found = nn.ModuleList()
        self.adapters = nn.ModuleDict()
        for node, pairs in enumerate(genotype, start=1):
            (before, low), (channels, level) = nodes[node - 1], nodes[node]
            self.backbone.append(Unit(how, before, channels, stride=1 << (level - low)))
            made = nn.ModuleList()
            for source, operation in pairs:
                made.append(_operation(how, operation, channels))
                for step in range(nodes[source][1] + 1, level + 1):
                    key = f"{source}-{step}"
                    if key not in self.adapters:
                        width = {at: size for size, at in nodes}
                        self.adapters[key] = Down(
                            how,
                            nodes[source][0] if step == nodes[source][1] + 1 else width[step - 1],
                            width[step],
                        )
            self.found.append(made)
        self.genotype = genotype

    def forward(self, x: Tensor) -> Tensor:
        values, resized = [x], {(0, self.levels[0]): x}
        for node, pairs in enumerate(self.genotype, start=1):
            level = self.levels[node]
            y = self.backbone[node - 1](values[node - 1])
            for (source, operation), module in zip(pairs, self.found[node - 1], strict=True):  # type: ignore[call-overload]
                if operation == ZERO:
                    continue
                for step in range(self.levels[source], level + 1):
                    if (source, step) not in resized:
                        below = resized[source, step - 1]
                        resized[source, step] = self.adapters[f"{source}-{step}"](below)
                y = y + module(resized[source, level])
            values.append(y)
            resized[node, level] = y
        return values[-1]


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

    A 1x1 convolution, real-valued in the thesis, is one of the scheme here.
    """

    def __init__(
        self,
        how: Scheme,
        genotype: Genotype,
        *,
        width: int = 8,
        blocks: Sequence[int] = (1, 1),
        steps: int = 4,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        stride: int = 1,
    ) -> None:
        plan = cells_of(blocks, width, steps)
        check_genotype(genotype, len(plan), len(plan[0]) - 1)
        body = [_Cell(how, nodes, cell) for nodes, cell in zip(plan, genotype, strict=True)]
        super().__init__(how, body, plan[-1][-1][0], width, classes, shape, bits, stride)


class _REAFBlock(nn.Module):
    """norm, activation, 1x1, norm, activation, REAF 3x3, norm, activation, 1x1, norm in fixed point, and the
    shortcut."""

    def __init__(self, how: Scheme, channels: int, inner: int, middle: int, scheme: str) -> None:
        super().__init__()
        groups_in, merged = template(scheme)
        self.act1, self.conv1 = how.norm_activation(channels), convolution(how, channels, inner, 1)
        self.act2, self.conv2 = (
            how.norm_activation(inner),
            reaf_hardware(how, inner, middle, 3, groups_in, merged),
        )
        self.act3, self.conv3 = how.norm_activation(middle), convolution(how, middle, channels, 1)
        self.norm = how.fixed_norm(channels, bits=BITS, fraction=FRACTION)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.act1(x))
        y = self.conv2(self.act2(y))
        return self.norm(self.conv3(self.act3(y))) + x


class HardwareREAFNet(StagedNetwork):
    """REAF bottlenecks (chapter 6): ``channels`` -> inner -> middle -> ``channels``, all doubled at every
    stage."""

    def __init__(
        self,
        how: Scheme,
        *,
        scheme: str = "4-3-4",
        width: int = 16,
        inner: int = 8,
        middle: int = 8,
        blocks: Sequence[int] = (1, 1),
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        stride: int = 1,
    ) -> None:
        body: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            if stage:
                body.append(Down(how, channels, width << stage))
                channels = width << stage
            body += [_REAFBlock(how, channels, inner << stage, middle << stage, scheme) for _ in range(count)]
        super().__init__(how, body, channels, width, classes, shape, bits, stride)
