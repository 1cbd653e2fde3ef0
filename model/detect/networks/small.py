"""A detector for two processor cores and small devices: plain 3x3 convolutions to steps of 8, 16 and 32
pixels, and SSDLite's heads."""

from torch import nn

from fermatnet.model.detect.boxes.priors import small_levels
from fermatnet.model.detect.networks.attention import aw_separable
from fermatnet.model.detect.networks.detector import Detector
from fermatnet.model.detect.networks.heads import heads, separable_convolution
from fermatnet.model.errors import InputError

__all__ = ["small_detector"]


def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """3x3 convolution, norm, rectifier."""
    return [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def small_detector(
    classes: int = 4,
    shape: tuple[int, int, int] = (3, 144, 192),
    width: int = 16,
    aw: bool = False,
) -> Detector:
    """Three stages of ``width`` to 8 ``width`` channels; ``classes`` count the background, ``shape`` is (C,
    H, W), both sides multiples of 32 or near; ``aw``: AW-convolutions in the heads."""
    if width < 2 or classes < 2:
        raise InputError(f"width and classes must be at least 2, not {width} and {classes}")
    wide = [width, 2 * width, 4 * width, 8 * width]
    first = [
        *block(shape[0], wide[0], 2),
        *block(wide[0], wide[1], 2),
        *block(wide[1], wide[1]),
        *block(wide[1], wide[2], 2),
        *block(wide[2], wide[2]),
        *block(wide[2], wide[2]),
    ]
    stages = [
        nn.Sequential(*first),
        nn.Sequential(*block(wide[2], wide[3], 2), *block(wide[3], wide[3])),
        nn.Sequential(*block(wide[3], wide[3], 2), *block(wide[3], wide[3])),
    ]
    levels = small_levels((shape[1], shape[2]), [(8, 8), (16, 16), (32, 32)])
    scores, boxes = heads(
        [wide[2], wide[3], wide[3]], levels, classes - 1, aw_separable if aw else separable_convolution
    )
    return Detector(stages, scores, boxes, levels, shape, classes - 1)
