"""Attention-augmented Wide-ResNet and its four joins with the AW-convolution (figure 7.2b).

An augmented convolution is a 3x3 convolution (conv1) beside multi-head self-attention over all places of the
map, whose queries, keys and values come from conv2 (1x1) and whose result passes conv3 (1x1); both halves are
concatenated.
join 0: AW in the block's second, ordinary convolution; 1, 2, 3: AW in conv1, conv2, conv3.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.awconv import aw_convolution
from fermatnet.model.zoo.binary import Concat, Sum
from fermatnet.model.zoo.residual import plain_convolution
from fermatnet.model.zoo.stem import Classifier, check_input

__all__ = ["AAWideResNet", "AugmentedConv2d"]


class AugmentedConv2d(nn.Module):
    """``concat(conv1(x), conv3(attention(conv2(x))))``, channels_out in all, of which ``values`` come from
    attention.

    heads must divide keys and values. No positional encoding. Input (n, C, H, W), output (n, channels_out,
    H', W').
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int = 1,
        heads: int = 8,
        keys: int,
        values: int,
        join: int | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or keys < heads or values < heads or keys % heads or values % heads:
            raise InputError(f"{heads} heads must divide {keys} key and {values} value channels")
        if values >= channels_out:
            raise InputError(
                f"attention gives {values} of {channels_out} channels and leaves none to the convolution"
            )
        self.heads, self.keys, self.values = heads, keys, values
        make = [aw_convolution if join == place else plain_convolution for place in (1, 2, 3)]
        self.conv1 = make[0](channels_in, channels_out - values, 3, stride)
        self.conv2 = make[1](channels_in, 2 * keys + values, 1, stride)
        self.conv3 = make[2](values, values, 1)
        self.concat = Concat()

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.conv2(x).split([self.keys, self.keys, self.values], dim=1)
        batch, _, height, width = query.shape

        def by_head(tensor: Tensor) -> Tensor:  # (n, heads, places, channels of a head)
            return tensor.reshape(batch, self.heads, -1, height * width).transpose(2, 3)

        scores = by_head(query) @ by_head(key).transpose(2, 3) / math.sqrt(self.keys // self.heads)
        attended = (
            (torch.softmax(scores, dim=-1) @ by_head(value))
            .transpose(2, 3)
            .reshape(batch, self.values, height, width)
        )
        return self.concat(self.conv1(x), self.conv3(attended))

    def extra_operations(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of scores and weighted sums."""
        places = output_shape[1] * output_shape[2]
        return places * places * (self.keys + self.values)


class AABlock(nn.Module):
    """Pre-activation wide block: BN, ReLU, augmented convolution, BN, ReLU, 3x3, and the shortcut."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        attention: dict[str, int] | None,
        join: int | None,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2, self.relu, self.sum = (
            nn.BatchNorm2d(channels_in),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            Sum(),
        )
        self.conv1: nn.Module
        if attention is None:
            self.conv1 = plain_convolution(channels_in, channels_out, 3, stride)
        else:
            self.conv1 = AugmentedConv2d(channels_in, channels_out, stride=stride, join=join, **attention)
        self.conv2 = (aw_convolution if join == 0 else plain_convolution)(channels_out, channels_out, 3)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = None if same else plain_convolution(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(x))
        shortcut = x if self.shortcut is None else self.shortcut(y)
        return self.sum(self.conv2(self.relu(self.norm2(self.conv1(y)))), shortcut)


class AAWideResNet(nn.Module):
    """Wide-ResNet-depth-widen with attention augmentation in the first convolution of each block (k = 0.2, v
    = 0.1).

    Parameters: depth 6n+4; widen; heads; key_share, value_share: channels for keys and values as shares of
    the output (keys at least ``minimum`` a head, both rounded up to the heads); join None or 0..3; augmented
    False:
    plain;
    stages 1 to 3 (two stages come near the size that table 7.3 prints).
    """

    convention = "plain"

    def __init__(
        self,
        depth: int = 28,
        widen: int = 10,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        heads: int = 8,
        key_share: float = 0.2,
        value_share: float = 0.1,
        minimum: int = 20,
        join: int | None = None,
        augmented: bool = True,
        stages: int = 3,
    ) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise InputError(f"depth of a Wide-ResNet must be 6n+4 and at least 10, not {depth}")
        if widen < 1:
            raise InputError(f"widen must be positive, not {widen}")
        if join is not None and join not in (0, 1, 2, 3):
            raise InputError(f"join must be 0, 1, 2 or 3, not {join}")
        if not 1 <= stages <= 3:
            raise InputError(f"a Wide-ResNet has 1 to 3 stages, not {stages}")
        shape = check_input(input_shape, classes)
        layers: list[nn.Module] = [nn.Conv2d(shape[0], 16, 3, padding=1, bias=False)]
        channels = 16
        for stage, width in enumerate((16 * widen, 32 * widen, 64 * widen)[:stages]):
            attention = None
            if augmented:
                keys = heads * max(minimum, math.ceil(width * key_share / heads))
                attention = {
                    "heads": heads,
                    "keys": keys,
                    "values": heads * math.ceil(width * value_share / heads),
                }
            for block in range((depth - 4) // 6):
                layers.append(AABlock(channels, width, 2 if stage and block == 0 else 1, attention, join))
                channels = width
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


def _joined(join: int = 0, depth: int = 28, widen: int = 10, **options: Any) -> AAWideResNet:
    return AAWideResNet(depth, widen, join=join, **options)


register(
    "aa-wideresnet28-10",
    AAWideResNet,
    "attention-augmented Wide-ResNet",
    pattern=r"aa-wideresnet(?P<depth>\d+)-(?P<widen>\d+)",
)
register(
    "aw-aa-wideresnet-0",
    _joined,
    "attention-augmented Wide-ResNet joined with AW-convolutions (0 to 3)",
    pattern=r"aw-aa-wideresnet-(?P<join>\d)",
)
