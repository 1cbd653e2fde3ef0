"""Binary ResNets: plain, Bi-Real (a shortcut around every convolution), Enhanced (block shortcuts on top),
table 5.1."""

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import BinaryConv2d, Sum
from fermatnet.model.zoo.stem import Classifier, Downsample, check_input, stem

__all__ = ["BLOCKS", "BinaryResNet", "BinaryResidualBlock"]

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
SHORTCUTS = ("block", "layer", "enhanced")


class BinaryResidualBlock(nn.Module):
    """Two binary 3x3 convolutions with shortcuts.

    ``shortcuts``: "block" one around both (ResNet), "layer" one around each (Bi-Real Net), "enhanced" both
    kinds, the block shortcut only where the shapes allow an identity (5 of the 8 blocks of an 18-layer
    network: 13 + 5 = 18).
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        shortcuts: str = "layer",
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        if shortcuts not in SHORTCUTS:
            raise InputError(f"shortcuts must be one of {', '.join(SHORTCUTS)}, not {shortcuts!r}")
        self.shortcuts = shortcuts
        self.conv1 = BinaryConv2d(
            channels_in, channels_out, stride=stride, bits=bits, padding_value=padding_value
        )
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = BinaryConv2d(channels_out, channels_out, bits=bits, padding_value=padding_value)
        self.norm2 = nn.BatchNorm2d(channels_out)
        same = stride == 1 and channels_in == channels_out
        self.down = None if same else Downsample(channels_in, channels_out)
        self.sum1 = Sum() if shortcuts != "block" else None
        self.sum2 = Sum()
        self.sum3 = Sum() if shortcuts == "enhanced" and same else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.down is None else self.down(x)
        y = self.norm1(self.conv1(x))
        if self.sum1 is None:
            return self.sum2(self.norm2(self.conv2(y)), shortcut)
        y = self.sum1(y, shortcut)
        y = self.sum2(self.norm2(self.conv2(y)), y)
        return y if self.sum3 is None else self.sum3(y, x)


class BinaryResNet(nn.Module):
    """ResNet10/18/34 with binary 3x3 convolutions; stem, downsampling and classifier stay real.

    Parameters: depth; width of the first stage; classes; input_shape (C, H, W); shortcuts as
    `BinaryResidualBlock`;
    bits 1 (binary), 2..8, or 32 (the full-precision rows of table 5.1). Input (n, C, H, W) float, output (n,
    classes).
    """

    convention = "chapter5"

    def __init__(
        self,
        depth: int = 18,
        width: int = 64,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        shortcuts: str = "layer",
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise InputError(
                f"depth of a binary ResNet must be one of {', '.join(map(str, BLOCKS))}, not {depth}"
            )
        if width < 1:
            raise InputError(f"width must be positive, not {width}")
        shape = check_input(input_shape, classes)
        self.stem = stem(shape, width, relu=False)
        stages = []
        channels = width
        for stage, blocks in enumerate(BLOCKS[depth]):
            layers = []
            for index in range(blocks):
                stride = 2 if stage and index == 0 else 1
                layers.append(
                    BinaryResidualBlock(channels, width << stage, stride, shortcuts, bits, padding_value)
                )
                channels = width << stage
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(self.stem(x)))

    def identity_shortcuts(self) -> int:
        """How many shortcuts are plain identities: 5, 13 and 18 for the three 18-layer networks of table
        5.1."""
        count = 0
        for block in self.modules():
            if isinstance(block, BinaryResidualBlock):
                identity = block.down is None
                count += identity + (block.sum1 is not None) + (block.sum3 is not None)
        return count
