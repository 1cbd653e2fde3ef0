"""NASB's search space (chapter 4): ten operations, genotypes, variants, and what a found cell costs.

A *genotype* says for each cell and each of its nodes 1, 2, ... which (predecessor, operation) pairs feed it
beside the backbone: ``genotype[cell][node - 1] = ((predecessor, operation), ...)``. Costs are in units of a
3x3 binary convolution (table 4.1).
"""

import json
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import BinaryConv2d

__all__ = [
    "OPERATIONS",
    "VARIANTS",
    "CellGenotype",
    "Genotype",
    "Operation",
    "StageConv2d",
    "Variant",
    "cell_cost",
    "check_genotype",
    "genotype_from_json",
    "genotype_to_json",
    "make_operation",
]

CellGenotype = tuple[tuple[tuple[int, int], ...], ...]
Genotype = tuple[CellGenotype, ...]


@dataclass(frozen=True)
class Operation:
    """One row of table 4.1: name, kernel and dilation of a binary convolution (0: none), cost in units of a
    3x3 one.

    ``pool``: bit operations of a 3x3 pooling for an output of d-bit words are 8d (maximum) or 16d (mean),
    less than one unit; they and the Identity count 0 units here.
    """

    name: str
    kernel: int = 0
    dilation: int = 1
    pool: str = ""

    @property
    def units(self) -> Fraction:
        """Multiplications beside those of a 3x3 convolution."""
        return Fraction(self.kernel * self.kernel, 9)


OPERATIONS = (
    Operation("zero"),
    Operation("average pooling 3x3", pool="average"),
    Operation("max pooling 3x3", pool="max"),
    Operation("identity"),
    Operation("convolution 1x1", 1),
    Operation("convolution 3x3", 3),
    Operation("convolution 5x5", 5),
    Operation("dilated convolution 1x1", 1, 2),
    Operation("dilated convolution 3x3", 3, 2),
    Operation("dilated convolution 5x5", 5, 2),
)
ZERO, AVERAGE, MAXIMUM, IDENTITY = range(4)


@dataclass(frozen=True)
class Variant:
    """How a cell is cut out of the search: convolutions a cell, operations kept a node, branches, operations
    left out."""

    name: str
    steps: int = 4
    kept: int = 1
    kept_last: int = 1
    branches: int = 1
    without: tuple[int, ...] = (ZERO,)


VARIANTS = {
    "nasb": Variant("nasb"),
    "v1": Variant("v1", steps=8),
    "v2": Variant("v2", kept_last=4),
    "v3": Variant("v3", branches=2),
    "v4": Variant("v4", kept=4, kept_last=4, without=(ZERO, IDENTITY)),
    "v5": Variant("v5", kept=6, kept_last=8),
}
"""Section 4.3.3. A cell of ``steps`` convolutions has steps+1 nodes: 5 nodes and 10 edges, or 9 and 36 in
V1."""


class StageConv2d(BinaryConv2d):
    """Binary convolution that can run in full precision: tanh of the input and real weights (the pretraining
    stage).

    ``binary`` is switched by the network; the parameters are the same in both states, so finetuning starts
    from the pretrained ones. A 1x1 convolution stays real in finetuning when ``keep_point`` is set.
    """

    def __init__(
        self,
        channels: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__(
            channels, channels_out, kernel, stride=stride, dilation=dilation, padding_value=padding_value
        )
        self.binary = True

    def forward(self, x: Tensor) -> Tensor:
        if self.binary:
            return super().forward(x)
        return functional.conv2d(
            functional.tanh(x), self.weight, None, self.stride, self.border, self.dilation
        )


class OperationUnit(nn.Module):
    """Convolution, ReLU where asked, batch norm: ``BN([relu](conv(x)))``."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        relu: bool,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        self.conv = StageConv2d(
            channels_in, channels_out, kernel, stride=stride, dilation=dilation, padding_value=padding_value
        )
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.relu(self.conv(x)))


class Zero(nn.Module):
    """No connection: zeros of the input's shape."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0


def make_operation(index: int, channels: int, *, relu: bool = False, padding_value: int = 0) -> nn.Module:
    """Operation ``index`` of table 4.1 on ``channels`` channels, map kept; batch norm after every one but
    Zero and Identity."""
    if not 0 <= index < len(OPERATIONS):
        raise InputError(f"operations are numbered 0 to {len(OPERATIONS) - 1}, not {index}")
    operation = OPERATIONS[index]
    if index == ZERO:
        return Zero()
    if index == IDENTITY:
        return nn.Identity()
    if operation.pool:
        pool = nn.MaxPool2d(3, 1, 1) if operation.pool == "max" else nn.AvgPool2d(3, 1, 1)
        return nn.Sequential(pool, nn.BatchNorm2d(channels))
    return OperationUnit(
        channels,
        channels,
        operation.kernel,
        dilation=operation.dilation,
        relu=relu,
        padding_value=padding_value,
    )


def check_genotype(genotype: Genotype, cells: int, steps: int) -> Genotype:
    """The genotype if it fits a network of ``cells`` cells with ``steps`` nodes after the input; `InputError`
    otherwise."""
    if len(genotype) != cells:
        raise InputError(f"the genotype has {len(genotype)} cells, the network {cells}")
    for number, cell in enumerate(genotype):
        if len(cell) != steps:
            raise InputError(
                f"cell {number} of the genotype has {len(cell)} nodes after the input, the network {steps}"
            )
        for node, pairs in enumerate(cell, start=1):
            if len(set(pairs)) != len(pairs):
                raise InputError(
                    f"cell {number}, node {node}: a (predecessor, operation) pair is given twice"
                )
            for predecessor, operation in pairs:
                if not 0 <= predecessor < node:
                    raise InputError(
                        f"cell {number}, node {node}: predecessor {predecessor} is not one of nodes 0 to "
                        f"{node - 1}"
                    )
                if not 0 <= operation < len(OPERATIONS):
                    raise InputError(
                        f"cell {number}, node {node}: no operation {operation}; they are 0 to "
                        f"{len(OPERATIONS) - 1}"
                    )
    return genotype


def genotype_to_json(genotype: Genotype) -> str:
    """A genotype as one line of JSON, which `genotype_from_json` reads."""
    return json.dumps([[[list(pair) for pair in node] for node in cell] for cell in genotype])


def genotype_from_json(text: str) -> Genotype:
    """Read what `genotype_to_json` wrote; anything else is an `InputError`."""
    try:
        data = json.loads(text)
        return tuple(tuple(tuple((int(p), int(o)) for p, o in node) for node in cell) for cell in data)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"a genotype is a JSON list of cells of nodes of [predecessor, operation] pairs: {error}"
        ) from error


def cell_cost(cell: CellGenotype) -> dict[str, Fraction | int]:
    """Table 4.1 for one cell: units of bit operations and binary parameters of backbone and found operations,
    pools counted."""
    chosen = [OPERATIONS[operation] for node in cell for _, operation in node]
    units = sum((operation.units for operation in chosen), Fraction(0))
    return {
        "backbone": len(cell),
        "found": units,
        "total": len(cell) + units,
        "max_pools": sum(operation.pool == "max" for operation in chosen),
        "average_pools": sum(operation.pool == "average" for operation in chosen),
        "identities": sum(operation.name == "identity" for operation in chosen),
        "convolutions": sum(operation.kernel > 0 for operation in chosen),
    }
