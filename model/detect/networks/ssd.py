"""SSD300 on VGG16 and ResNet50, SSDLite300 on MobileNet (sections 3.4.4 and 7.4.6), and their joins.

SSD300 on VGG16 is Liu et al. 2016: conv4_3 through a learned norm, fc6 and fc7 as convolutions, four extra
layers. What the thesis calls MobileNet under SSDLite300 has 3.39 M parameters, 0.80 G and a published mAP of
68.6, which is MobileNetV2's (Sandler et al. 2018): the first map is the expansion of its fourteenth block,
the last four come from inverted residuals of a narrow middle.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from fermatnet.model.detect.boxes.priors import RATIOS, SSD300, SSDLITE300, ssd_levels
from fermatnet.model.detect.networks.attention import attention, aw_dense, aw_separable
from fermatnet.model.detect.networks.detector import Detector, map_sizes
from fermatnet.model.detect.networks.heads import dense_convolution, heads, separable_convolution
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.imagenet import ResNet, Unit
from fermatnet.model.zoo.reaf_networks import InvertedResidual, MobileNetV2

__all__ = ["L2Norm", "ssd_resnet50", "ssd_vgg16", "ssdlite_mobilenet"]

_VGG = ((64, 2), (128, 2), (256, 3), (512, 3))
"""Channels and convolutions of VGG16's first four groups."""
Shape = tuple[int, int, int]


class L2Norm(nn.Module):
    """Each place's channels to length 1, times a learned factor a channel that begins at 20 (Liu et al. 2015,
    ParseNet). Input and output (n, C, H, W)."""

    def __init__(self, channels: int, scale: float = 20.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(x) * self.weight.view(1, -1, 1, 1)


def _convolutions(inputs: int, outputs: int, count: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [nn.Conv2d(outputs if number else inputs, outputs, 3, padding=1), nn.ReLU()]
    return layers


def _vgg_stages(channels: int, width: int) -> tuple[list[nn.Module], list[int]]:
    """Two stages of VGG16, four of extra layers, and the channels of their maps; ``width`` is 64."""
    first: list[nn.Module] = []
    for group, (base, count) in enumerate(_VGG):
        wide = base * width // 64
        first += [nn.MaxPool2d(2, ceil_mode=True)] if group else []
        first += _convolutions(channels, wide, count)
        channels = wide
    full = 16 * width
    second = [
        nn.MaxPool2d(2, ceil_mode=True),
        *_convolutions(channels, channels, 3),
        nn.MaxPool2d(3, 1, 1),
        *(nn.Conv2d(channels, full, 3, padding=6, dilation=6), nn.ReLU()),
        *(nn.Conv2d(full, full, 1), nn.ReLU()),
    ]
    stages: list[nn.Module] = [nn.Sequential(*first), nn.Sequential(*second)]
    sizes, wide = [channels, full], full
    for middle, outputs, stride in ((4, 8, 2), (2, 4, 2), (2, 4, 1), (2, 4, 1)):
        middle, outputs = middle * width, outputs * width
        narrow = [nn.Conv2d(wide, middle, 1), nn.ReLU()]
        spread = nn.Conv2d(middle, outputs, 3, stride, padding=1 if stride == 2 else 0)
        stages.append(nn.Sequential(*narrow, spread, nn.ReLU()))
        sizes.append(outputs)
        wide = outputs
    return stages, sizes


def _resnet_stages(shape: Shape, width: int) -> tuple[list[nn.Module], list[int]]:
    """Conv1 to Conv3_x, Conv4_x, Conv5_x, and three residual blocks for the three coarser maps."""
    backbone = ResNet(50, 2, shape, width)
    units = list(backbone.stages)
    stages: list[nn.Module] = [
        nn.Sequential(*backbone.stem, *units[:7]),
        nn.Sequential(*units[7:13]),
        nn.Sequential(*units[13:]),
    ]
    sizes = [8 * width, 16 * width, 32 * width]
    for middle, stride in ((2 * width, 2), (width, 2), (width, 3)):
        stages.append(Unit(sizes[-1], middle, stride, True))
        sizes.append(4 * middle)
    return stages, sizes


def _narrow(inputs: int, outputs: int, share: float) -> nn.Module:
    """An inverted residual of stride 2 whose middle has ``share`` of its input's channels."""
    hidden = max(1, round(inputs * share))
    return nn.Sequential(
        *(nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()),
        nn.Conv2d(hidden, hidden, 3, 2, 1, groups=hidden, bias=False),
        *(nn.BatchNorm2d(hidden), nn.ReLU6()),
        *(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
    )


def _mobilenet_stages(shape: Shape, width: float) -> tuple[list[nn.Module], list[int]]:
    layers = list(MobileNetV2(width, classes=2, input_shape=shape).features)
    cut = next(at for at, layer in enumerate(layers) if _strides(layer) and _after(layers, at) == 4)
    split = layers[cut]
    assert isinstance(split, InvertedResidual)
    inside = list(split.layers)
    stages: list[nn.Module] = [
        nn.Sequential(*layers[:cut], *inside[:3]),
        nn.Sequential(*inside[3:], *layers[cut + 1 :]),
    ]
    first, last = inside[0], layers[-3]
    assert isinstance(first, nn.Conv2d) and isinstance(last, nn.Conv2d)
    sizes = [first.out_channels, last.out_channels]
    for base, share in ((512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25)):
        outputs = max(8, round(base * width))
        stages.append(_narrow(sizes[-1], outputs, share))
        sizes.append(outputs)
    return stages, sizes


def _strides(layer: nn.Module) -> bool:
    """Whether a layer is an inverted residual that halves its map."""
    inner = list(layer.layers) if isinstance(layer, InvertedResidual) else []
    return any(isinstance(one, nn.Conv2d) and one.stride == (2, 2) for one in inner)


def _after(layers: Sequence[nn.Module], at: int) -> int:
    """How many inverted residuals there are from a place on, 4 at the one that halves last."""
    return sum(isinstance(layer, InvertedResidual) for layer in layers[at:])


def _steps(
    image: tuple[int, int], maps: Sequence[tuple[int, int]], known: Sequence[int]
) -> list[tuple[float, float]]:
    """Pixels between the places of each map: its stride where that is known, else the image's share."""
    strides: list[tuple[float, float]] = [(stride, stride) for stride in known]
    return strides + [(image[0] / rows, image[1] / columns) for rows, columns in maps[len(known) :]]


def _check(shape: Shape, classes: int) -> tuple[int, int]:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"a detector takes images C x H x W, not {'x'.join(map(str, shape))}")
    if classes < 2:
        raise InputError(f"classes count the background: at least 2, not {classes}")
    return shape[1], shape[2]


def ssd_vgg16(
    classes: int = 21, shape: Shape = (3, 300, 300), width: int = 64, aw: bool = False, module: str = ""
) -> Detector:
    """SSD300 on VGG16, 8,732 priors at 300 x 300. ``classes`` count the background; ``aw``: AW-convolutions
    as heads; ``module``: "se" or "cbam" before them."""
    image = _check(shape, classes)
    stages, sizes = _vgg_stages(shape[0], width)
    levels = ssd_levels(image, _steps(image, map_sizes(stages, shape), (8, 16, 32, 64)), SSD300, RATIOS)
    scores, boxes = heads(sizes, levels, classes - 1, aw_dense if aw else dense_convolution)
    make = attention(module)
    seen: list[nn.Module] = [L2Norm(sizes[0]), *(nn.Identity() for _ in sizes[1:])]
    if make is not None:
        seen = [nn.Sequential(one, make(size)) for one, size in zip(seen, sizes, strict=True)]
    return Detector(stages, scores, boxes, levels, shape, classes - 1, clip=True, norms=seen)


def ssd_resnet50(classes: int = 21, shape: Shape = (3, 300, 300), width: int = 64) -> Detector:
    """SSD300 on ResNet50 with residual blocks as extra layers (section 3.4.4), 8,732 priors at 300 x 300;
    ``convert`` makes PA of it, its first and last layers of 8 bits."""
    image = _check(shape, classes)
    stages, sizes = _resnet_stages(shape, width)
    levels = ssd_levels(image, _steps(image, map_sizes(stages, shape), (8, 16, 32, 64)), SSD300, RATIOS)
    scores, boxes = heads(sizes, levels, classes - 1)
    return Detector(stages, scores, boxes, levels, shape, classes - 1, clip=True)


def ssdlite_mobilenet(
    classes: int = 21, shape: Shape = (3, 300, 300), width: float = 1.0, aw: bool = False, module: str = ""
) -> Detector:
    """SSDLite300 on MobileNet, six priors a place, 3,000 at 300 x 300. ``classes`` count the background;
    ``aw``: AW in the heads' pointwise convolutions; ``module``: "se" or "cbam" before the heads."""
    image = _check(shape, classes)
    stages, sizes = _mobilenet_stages(shape, width)
    steps = _steps(image, map_sizes(stages, shape), (16, 32, 64))
    levels = ssd_levels(image, steps, SSDLITE300, (2,) * len(sizes))
    make_head = aw_separable if aw else partial(separable_convolution, bias=True)
    scores, boxes = heads(sizes[:-1], levels[:-1], classes - 1, make_head)
    for wanted, outputs in ((scores, 6 * classes), (boxes, 24)):  # the last map is one pixel
        wanted.append(_pointwise(sizes[-1], outputs, aw))
    make = attention(module)
    seen = [None if make is None else make(size) for size in sizes]
    return Detector(stages, scores, boxes, levels, shape, classes - 1, clip=True, norms=seen)


def _pointwise(channels: int, outputs: int, aw: bool) -> nn.Module:
    return list(aw_separable(channels, outputs))[-1] if aw else nn.Conv2d(channels, outputs, 1)  # type: ignore
