"""Generators of chapter 8: the two human-designed ones of GDFQ and AutoReCon's macro-architecture with its
operations.

A generator takes noise z (n, 100) and labels (n,) and gives normalised images (n, C, H, W): the last layer is
a batch norm without affine parameters. The side of the image is a multiple of 4 (human-designed) or 8
(AutoReCon).

Macro-architecture (figure 8.2, three blocks of five nodes, each block doubles the map): in block b node 1
lies at the block's input size and nodes 2 to 5 at twice that; node 5 is node 1 of the next block. Up-edges
1-2 and 1-3;
normal edges 2-4, 2-5, 3-4, 3-5, 4-5; cross-edges from nodes 2, 3, 4 of a block to nodes 2, 3 of the next: 6,
15 and 12 edges in all, as the thesis counts. (Which nodes they join is in a picture that its text does not
describe:
this is the arrangement that meets the counts and the sizes.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError

__all__ = [
    "EDGES",
    "NOISE",
    "OPERATIONS",
    "ConditionalNorm",
    "Edge",
    "FoundGenerator",
    "HumanGenerator",
    "HumanImageNetGenerator",
    "Macro",
    "check_edges",
    "generator_operation",
]

NOISE = 100


@dataclass(frozen=True)
class Edge:
    """Kind "normal", "up" or "cross"; (block, node) of its two ends, numbered from 1."""

    kind: str
    source: tuple[int, int]
    target: tuple[int, int]


def _edges() -> Iterator[Edge]:
    for block in (1, 2, 3):
        for target in (2, 3):
            yield Edge("up", (block, 1), (block, target))
        for source, target in ((2, 4), (2, 5), (3, 4), (3, 5), (4, 5)):
            yield Edge("normal", (block, source), (block, target))
        if block > 1:
            for source in (2, 3, 4):
                for target in (2, 3):
                    yield Edge("cross", (block - 1, source), (block, target))


EDGES = tuple(_edges())
OPERATIONS = {
    "normal": (
        "convolution 1x1",
        "convolution 3x3",
        "convolution 5x5",
        "dilated convolution 3x3",
        "dilated convolution 5x5",
        "identity",
        "none",
    ),
    "up": ("nearest", "bilinear"),
    "cross": ("nearest", "bilinear", "none"),
}
"""Table 8.1: what an edge of each kind can be."""
KERNELS = ((1, 1), (3, 1), (5, 1), (3, 2), (5, 2))


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and offset are looked up by class (categorical conditional batch norm of
    SN-GAN)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Embedding(classes, channels)
        self.offset = nn.Embedding(classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.norm(x) * self.gain(labels)[:, :, None, None] + self.offset(labels)[:, :, None, None]


class _Convolution(nn.Module):
    """Conditional norm, LeakyReLU 0.2, convolution; with ``mode`` an interpolation to twice the side comes
    first."""

    def __init__(
        self, channels: int, out: int, classes: int, kernel: int, dilation: int = 1, mode: str = ""
    ) -> None:
        super().__init__()
        self.mode = mode
        self.norm = ConditionalNorm(channels, classes)
        self.conv = nn.Conv2d(channels, out, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        if self.mode:
            x = functional.interpolate(
                x, scale_factor=2, mode=self.mode, align_corners=False if self.mode == "bilinear" else None
            )
        return self.conv(functional.leaky_relu(self.norm(x, labels), 0.2))


class _Plain(nn.Module):
    """Identity or none (``gain`` 0); none of a cross-edge still has the size of its target."""

    def __init__(self, gain: float, scale: int) -> None:
        super().__init__()
        self.gain, self.scale = gain, scale

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        if self.gain == 0.0:
            return x.new_zeros((*x.shape[:2], x.shape[2] * self.scale, x.shape[3] * self.scale))
        return x


def generator_operation(kind: str, index: int, width: int, classes: int) -> nn.Module:
    """Operation ``index`` of table 8.1 for an edge of that kind, ``width`` channels."""
    name = OPERATIONS[kind][index]
    if name in ("identity", "none"):
        return _Plain(1.0 if name == "identity" else 0.0, 1 if kind == "normal" else 2)
    if kind == "normal":
        kernel, dilation = KERNELS[index]
        return _Convolution(width, width, classes, kernel, dilation)
    return _Convolution(width, width, classes, 1, mode=name)


def check_edges(choice: Sequence[int]) -> tuple[int, ...]:
    """One operation number for each of the 33 edges; `InputError` otherwise."""
    if len(choice) != len(EDGES):
        raise InputError(f"a generator has {len(EDGES)} edges, {len(choice)} operations are given")
    for number, (edge, index) in enumerate(zip(EDGES, choice, strict=True)):
        if not 0 <= index < len(OPERATIONS[edge.kind]):
            raise InputError(
                f"edge {number} ({edge.kind}) has operations 0 to {len(OPERATIONS[edge.kind]) - 1}, not "
                f"{index}"
            )
    return tuple(choice)


class Macro(nn.Module):
    """What all of AutoReCon's generators share: z in three parts with a Linear each, the graph of nodes, the
    output layers.

    ``edges`` are modules called as ``edge(x, labels)``, in the order of `EDGES`. Parameters: image (C, H, W);
    classes;
    width of every node; scale multiplies it (table 8.3).
    """

    def __init__(
        self, edges: Sequence[nn.Module], classes: int, image: tuple[int, int, int], width: int
    ) -> None:
        super().__init__()
        self.image, self.width, self.classes = _image(image, classes, 8), width, classes
        self.start = (image[1] // 8, image[2] // 8)
        self.parts = (33, 33, 34)
        area = self.start[0] * self.start[1]
        self.linears = nn.ModuleList(
            nn.Linear(part, width * area * 4**block) for block, part in enumerate(self.parts)
        )
        self.edges = nn.ModuleList(edges)
        self.norm = ConditionalNorm(width, classes)
        self.conv = nn.Conv2d(width, image[0], 3, padding=1)
        self.standard = nn.BatchNorm2d(image[0], affine=False)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        values: dict[tuple[int, int], Tensor] = {}
        for block, part in enumerate(z.split(self.parts, dim=1), start=1):
            size = (self.start[0] << (block - 1), self.start[1] << (block - 1))
            noise = self.linears[block - 1](part).reshape(-1, self.width, *size)
            values[block, 1] = noise if block == 1 else noise + values[block - 1, 5]
            for node in (2, 3, 4, 5):
                terms = [
                    module(values[edge.source], labels)
                    for edge, module in zip(EDGES, self.edges, strict=True)
                    if edge.target == (block, node)
                ]
                values[block, node] = torch.stack(terms).sum(0) if len(terms) > 1 else terms[0]
        y = self.conv(functional.leaky_relu(self.norm(values[3, 5], labels), 0.2))
        return self.standard(torch.tanh(y))


class FoundGenerator(Macro):
    """The generator of one choice of operations, ``choice[e]`` for edge e of `EDGES`."""

    def __init__(
        self,
        choice: Sequence[int],
        *,
        classes: int = 10,
        image: tuple[int, int, int] = (3, 32, 32),
        width: int = 64,
        scale: float = 1.0,
    ) -> None:
        width = max(1, round(width * scale))
        self.choice = check_edges(choice)
        modules = [
            generator_operation(edge.kind, index, width, classes)
            for edge, index in zip(EDGES, self.choice, strict=True)
        ]
        super().__init__(modules, classes, image, width)


def _image(image: tuple[int, int, int], classes: int, multiple: int) -> tuple[int, int, int]:
    if len(image) != 3 or min(image) < 1 or image[1] % multiple or image[2] % multiple:
        raise InputError(
            f"the image's sides must be multiples of {multiple} here, not {'x'.join(map(str, image))}"
        )
    if classes < 2:
        raise InputError(f"classes must be at least 2, not {classes}")
    return image


class HumanGenerator(nn.Module):
    """GDFQ's generator for small images (after ACGAN): z times a label embedding, Linear, two times up and
    convolve."""

    def __init__(
        self, *, classes: int = 10, image: tuple[int, int, int] = (3, 32, 32), scale: float = 1.0
    ) -> None:
        super().__init__()
        channels, height, side = _image(image, classes, 4)
        wide, narrow = max(1, round(128 * scale)), max(1, round(64 * scale))
        self.shape = (wide, height // 4, side // 4)
        self.label = nn.Embedding(classes, NOISE)
        self.linear = nn.Linear(NOISE, wide * (height // 4) * (side // 4))
        self.layers = nn.Sequential(
            nn.BatchNorm2d(wide),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.BatchNorm2d(wide, 0.8),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(wide, narrow, 3, padding=1),
            nn.BatchNorm2d(narrow, 0.8),
            nn.LeakyReLU(0.2),
            nn.Conv2d(narrow, channels, 3, padding=1),
            nn.Tanh(),
            nn.BatchNorm2d(channels, affine=False),
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.layers(self.linear(z * self.label(labels)).reshape(-1, *self.shape))


class HumanImageNetGenerator(nn.Module):
    """GDFQ's generator for ImageNet: labels enter through conditional norms. 40,363,712 weights at
    224x224."""

    def __init__(self, *, classes: int = 1000, image: tuple[int, int, int] = (3, 224, 224)) -> None:
        super().__init__()
        channels, height, side = _image(image, classes, 4)
        self.shape = (128, height // 4, side // 4)
        self.linear = nn.Linear(NOISE, 128 * (height // 4) * (side // 4))
        self.norms = nn.ModuleList(
            [ConditionalNorm(128, classes), ConditionalNorm(128, classes), ConditionalNorm(64, classes)]
        )
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(128, 64, 3, padding=1)]
        )
        self.last = nn.Sequential(
            nn.Conv2d(64, channels, 3, padding=1), nn.Tanh(), nn.BatchNorm2d(channels, affine=False)
        )

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        x = self.norms[0](self.linear(z).reshape(-1, *self.shape), labels)
        for convolution, norm in zip(self.convolutions, list(self.norms)[1:], strict=True):
            x = functional.leaky_relu(
                norm(convolution(functional.interpolate(x, scale_factor=2)), labels), 0.2
            )
        return self.last(x)
