"""What reads a map of a detector: SSD's 3x3 convolution, or SSDLite's depthwise 3x3 and pointwise 1x1."""

from collections.abc import Callable, Sequence

from torch import nn

from fermatnet.model.detect.boxes.priors import Level

__all__ = ["Convolution", "dense_convolution", "heads", "separable_convolution"]

Convolution = Callable[[int, int], nn.Module]
"""(channels in, channels out) -> the convolution of a head."""


def dense_convolution(channels: int, outputs: int) -> nn.Module:
    """3x3 with bias (SSD)."""
    return nn.Conv2d(channels, outputs, 3, padding=1)


def separable_convolution(channels: int, outputs: int, bias: bool = False) -> nn.Module:
    """Depthwise 3x3, norm, rectifier, pointwise 1x1 with bias (SSDLite, Sandler et al. 2018); ``bias``: in
    the depthwise convolution too, before its norm."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=bias),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, outputs, 1),
    )


def heads(
    channels: Sequence[int], levels: Sequence[Level], labels: int, make: Convolution = dense_convolution
) -> tuple[list[nn.Module], list[nn.Module]]:
    """(heads for classes, heads for boxes) of maps with so many ``channels``."""
    counts = [len(level.shapes) for level in levels]
    pairs = list(zip(channels, counts, strict=True))
    return (
        [make(wide, count * (labels + 1)) for wide, count in pairs],
        [make(wide, count * 4) for wide, count in pairs],
    )
