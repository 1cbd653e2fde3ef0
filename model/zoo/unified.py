"""Unified architectures of chapter 5: UA-ResNet and, with dense connections, UA-DenseNet; A- forms without
shortcuts.

`ua-resnet37-41` is 37 layers deep (every convolution and the classifier count one) with 41 channels in its
first stage.
The depth fixes the blocks a stage and the columns a block as in tables 5.4 and 5.5; ``blocks`` and
``columns`` override.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.bireal import BinaryResNet
from fermatnet.model.zoo.fractal import ResidualFractalBlock, check_columns
from fermatnet.model.zoo.stem import Classifier, Downsample, check_input, stem

__all__ = ["DEPTHS", "UAResNet"]

DEPTHS = {
    21: ((1, 1, 1, 1), 3),
    37: ((1, 1, 1, 1), 4),
    69: ((1, 1, 1, 1), 5),
    41: ((2, 2, 3, 2), 3),
    77: ((2, 2, 3, 2), 4),
    149: ((2, 2, 3, 2), 5),
}
"""Depth -> (blocks a stage, columns a block); depth = 2^(columns-1) * blocks + 5."""


class UAResNet(nn.Module):
    """Stages of residual fractal blocks, widths w, 2w, 4w, 8w, a real 1x1 after 2x2 pooling between them.

    Parameters: depth (a key of `DEPTHS`, or 0 with blocks and columns given); width w; blocks a stage;
    columns C;
    join "mean" or "sum"; residual False for A-ResNet. Input (n, C, H, W) float, output (n, classes).
    """

    convention = "chapter5"

    def __init__(
        self,
        depth: int = 21,
        width: int = 64,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        blocks: Sequence[int] | None = None,
        columns: int | None = None,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        if blocks is None or columns is None:
            if depth not in DEPTHS:
                raise InputError(
                    f"depth of a UA-ResNet must be one of {', '.join(map(str, sorted(DEPTHS)))}, or give "
                    f"blocks and columns; not {depth}"
                )
            known_blocks, known_columns = DEPTHS[depth]
            blocks = known_blocks if blocks is None else blocks
            columns = known_columns if columns is None else columns
        check_columns(columns)
        if width < 1:
            raise InputError(f"width must be positive, not {width}")
        if not blocks or min(blocks) < 1:
            raise InputError(f"blocks must be one or more positive counts, not {tuple(blocks)}")
        shape = check_input(input_shape, classes)
        self.columns = columns
        self.depth = (1 << (columns - 1)) * sum(blocks) + len(blocks) + 1
        self.stem = stem(shape, width, relu=False)
        layers: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            if stage:
                layers.append(Downsample(channels, width << stage))
                channels = width << stage
            layers += [
                ResidualFractalBlock(
                    columns, channels, join=join, residual=residual, bits=bits, padding_value=padding_value
                )
                for _ in range(count)
            ]
        self.stages = nn.Sequential(*layers)
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(self.stem(x)))


def _bireal(depth: int = 18, **options) -> BinaryResNet:
    return BinaryResNet(depth, shortcuts="layer", **options)


def _enhanced(depth: int = 18, **options) -> BinaryResNet:
    return BinaryResNet(depth, shortcuts="enhanced", **options)


def _binary(depth: int = 18, **options) -> BinaryResNet:
    return BinaryResNet(depth, shortcuts="block", **options)


register(
    "bireal-resnet18",
    _bireal,
    "Bi-Real ResNet: a shortcut around every binary convolution",
    pattern=r"bireal-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
)
register(
    "enhanced-bireal-resnet18",
    _enhanced,
    "Bi-Real ResNet with block shortcuts as well (table 5.1)",
    pattern=r"enhanced-bireal-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
)
register(
    "binary-resnet18",
    _binary,
    "ResNet binarized as it is, shortcuts around blocks only (table 5.1)",
    pattern=r"binary-resnet(?P<depth>\d+)(?:-(?P<width>\d+))?",
)
