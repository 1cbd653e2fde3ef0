"""Binary dense networks of chapter 5: BinaryDenseNet, its Enhanced form, UA-DenseNet and A-DenseNet.

`binarydensenet51-32` is 51 layers deep with growth 32; `ua-densenet51-53` has growth 53. Transitions pool 2x2
and then reduce the channels with a real 1x1 convolution. Enhanced BinaryDenseNet51(32) has twice the layers
at half the growth.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo import register
from fermatnet.model.zoo.binary import Concat, ConvUnit
from fermatnet.model.zoo.fractal import DenseFractalBlock, check_columns
from fermatnet.model.zoo.stem import Classifier, check_input, stem

__all__ = ["BinaryDenseNet", "UADenseNet"]

INITIAL = 64
LAYERS = {51: (12, 12, 12, 10), 69: (12, 16, 24, 12)}
TRANSITIONS = {51: (166, 204, 267), 69: (136, 196, 241)}
FRACTAL_BLOCKS = {51: (6, 6, 6, 5), 69: (6, 8, 12, 6)}
FRACTAL_TRANSITIONS = (160, 224, 256)
"""Channels after each transition; the UA-DenseNets of tables 5.4 and 5.5 share one triple (it is the only
one, in steps of 4, that gives the four printed figures of the 69-layer network)."""


class Transition(nn.Sequential):
    """Batch norm, 2x2 average pool, ReLU, real 1x1 convolution to fewer channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels_in),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
        )


class DenseLayer(nn.Module):
    """One dense layer: ``concat(x, conv(sign(BN(x))))``, channels -> channels + growth."""

    def __init__(self, channels: int, growth: int, bits: int = 1, padding_value: int = 0) -> None:
        super().__init__()
        self.unit = ConvUnit(channels, growth, bits=bits, padding_value=padding_value, order="preactivation")
        self.concat = Concat()

    def forward(self, x: Tensor) -> Tensor:
        return self.concat(x, self.unit(x))


class DenseStage(nn.Sequential):
    """Dense blocks one after the other. ``wide`` counts the convolutions of a block that read all
    channels."""

    def __init__(
        self, channels: int, growth: int, count: int, wide: int, block: Callable[[int], nn.Module]
    ) -> None:
        super().__init__(*(block(channels + index * growth) for index in range(count)))
        self.growth, self.count, self.wide = growth, count, wide
        self.channels = channels + growth * count

    def averaging_excess(self) -> int:
        """Weights by which the printed tables exceed the true sum of a stage.

        They take n layers of growth g as n times the middle one, 9*g*n*(c + n*g/2), where the sum over i of
        9*g*(c + i*g) is 9*g*n*(c + (n-1)*g/2).
        """
        return 9 * self.wide * self.growth * self.growth * self.count // 2


class _DenseNetwork(nn.Module):
    convention = "chapter5"

    def __init__(
        self,
        growth: int,
        layers: Sequence[int],
        transitions: Sequence[int],
        wide: int,
        block: Callable[[int], nn.Module],
        classes: int,
        input_shape: tuple[int, int, int],
        initial: int,
    ) -> None:
        super().__init__()
        if growth < 1 or initial < 1:
            raise InputError(f"growth and initial channels must be positive, not {growth} and {initial}")
        if not layers or min(layers) < 1 or len(transitions) != len(layers) - 1:
            raise InputError(
                f"{len(layers)} stages need {len(layers) - 1} transitions and positive block counts, not "
                f"{tuple(transitions)}"
            )
        self.stem = stem(check_input(input_shape, classes), initial)
        body: list[nn.Module] = []
        channels = initial
        for index, count in enumerate(layers):
            stage = DenseStage(channels, growth, count, wide, block)
            body.append(stage)
            channels = stage.channels
            if index < len(transitions):
                body.append(Transition(channels, transitions[index]))
                channels = transitions[index]
        self.stages = nn.Sequential(*body)
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = Classifier(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.norm(self.stages(self.stem(x))))


def _scaled(transitions: Sequence[int], growth: int, nominal: int) -> tuple[int, ...]:
    """Transition widths for another growth: the printed ones for the printed growths, in proportion below
    half of that."""
    if growth * 2 > nominal:
        return tuple(transitions)
    return tuple(max(1, round(width * growth / nominal)) for width in transitions)


class BinaryDenseNet(_DenseNetwork):
    """BinaryDenseNet51/69: dense layers with one binary 3x3 convolution each, growth 32.

    ``layers`` and ``transitions`` override the depth's; ``enhanced`` doubles the layers and halves the
    growth.
    """

    def __init__(
        self,
        depth: int = 51,
        growth: int = 32,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        layers: Sequence[int] | None = None,
        transitions: Sequence[int] | None = None,
        initial: int = INITIAL,
        enhanced: bool = False,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        if layers is None and depth not in LAYERS:
            raise InputError(
                f"depth of a BinaryDenseNet must be one of {', '.join(map(str, LAYERS))}, or give layers; "
                f"not {depth}"
            )
        layers = LAYERS[depth] if layers is None else layers
        if transitions is None:
            transitions = _scaled(TRANSITIONS.get(depth, TRANSITIONS[51]), growth, 32)[: len(layers) - 1]
        if enhanced:
            if growth % 2:
                raise InputError(
                    f"an Enhanced BinaryDenseNet halves the growth, which must be even, not {growth}"
                )
            layers, growth = tuple(2 * count for count in layers), growth // 2
        super().__init__(
            growth,
            layers,
            transitions,
            1,
            lambda channels: DenseLayer(channels, growth, bits, padding_value),
            classes,
            input_shape,
            initial,
        )
        self.depth = sum(layers) + len(layers) + 1


class UADenseNet(_DenseNetwork):
    """UA-DenseNet51/69: fractal blocks of two columns (three convolutions) that bring the new channels.

    ``columns`` gives other fractals, ``residual`` False A-DenseNet.
    """

    def __init__(
        self,
        depth: int = 51,
        growth: int = 53,
        *,
        classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        blocks: Sequence[int] | None = None,
        transitions: Sequence[int] | None = None,
        columns: int = 2,
        initial: int = INITIAL,
        join: str = "mean",
        residual: bool = True,
        bits: int = 1,
        padding_value: int = 0,
    ) -> None:
        if blocks is None and depth not in FRACTAL_BLOCKS:
            raise InputError(
                f"depth of a UA-DenseNet must be one of {', '.join(map(str, FRACTAL_BLOCKS))}, or give "
                f"blocks; not {depth}"
            )
        check_columns(columns)
        blocks = FRACTAL_BLOCKS[depth] if blocks is None else blocks
        if transitions is None:
            transitions = _scaled(FRACTAL_TRANSITIONS, growth, 48)[: len(blocks) - 1]
        options: dict[str, Any] = {
            "join": join,
            "residual": residual,
            "bits": bits,
            "padding_value": padding_value,
        }
        super().__init__(
            growth,
            blocks,
            transitions,
            columns,
            lambda channels: DenseFractalBlock(columns, channels, growth, **options),
            classes,
            input_shape,
            initial,
        )
        self.depth = (1 << (columns - 1)) * sum(blocks) + len(blocks) + 1


def _enhanced(depth: int = 51, growth: int = 32, **options) -> BinaryDenseNet:
    return BinaryDenseNet(depth, growth, enhanced=True, **options)


def _ablated(depth: int = 51, growth: int = 48, **options) -> UADenseNet:
    return UADenseNet(depth, growth, residual=False, **options)


register(
    "binarydensenet51-32",
    BinaryDenseNet,
    "binary dense network (depth, growth)",
    pattern=r"binarydensenet(?P<depth>\d+)-(?P<growth>\d+)",
)
register(
    "enhanced-binarydensenet51-32",
    _enhanced,
    "BinaryDenseNet with twice the layers at half the growth (table 5.1)",
    pattern=r"enhanced-binarydensenet(?P<depth>\d+)-(?P<growth>\d+)",
)
register(
    "ua-densenet51-53",
    UADenseNet,
    "unified architecture: dense, fractal and residual (depth, growth)",
    pattern=r"ua-densenet(?P<depth>\d+)-(?P<growth>\d+)",
)
register(
    "a-densenet51-48",
    _ablated,
    "UA-DenseNet without its residuals (ablation of table 5.6)",
    pattern=r"a-densenet(?P<depth>\d+)-(?P<growth>\d+)",
)
