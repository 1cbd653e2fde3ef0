"""Faster R-CNN on ResNet101-FPN with AW-convolutions, SE or CBAM in its feature pyramid (section 7.4.5), on
torchvision's detection parts.

AW: all lateral and output convolutions of the pyramid are AW-convolutions, their batch norms group norms of
16 channels (section 7.4). SE and CBAM stand right before these convolutions. torchvision is no dependency of
this project: it has to be of the same build as torch.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.detect.networks.attention import Biased, attention
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.awconv import AWConv2d

__all__ = ["faster_rcnn", "group_normed", "losses", "pyramid_convolution"]

_GROUP = 16
"""Channels of a group of the norms."""


def _torchvision() -> Any:
    try:
        import torchvision.models.detection as found
    except (ImportError, RuntimeError) as error:  # a build for another torch ends in a RuntimeError
        reason = str(error).splitlines()[0]
        raise InputError(
            f"Faster R-CNN needs torchvision of the same build as torch {torch.__version__} ({reason}): "
            "install both from one index, or take an ssd300 or ssdlite300 detector"
        ) from error
    return found


def group_normed(module: AWConv2d) -> AWConv2d:
    """The AW-convolution with group norms of 16 channels in the place of its batch norms."""
    for place, layer in enumerate(module.attend):
        if isinstance(layer, nn.BatchNorm2d):
            channels = layer.num_features
            module.attend[place] = nn.GroupNorm(max(1, channels // _GROUP), channels)
    return module


def pyramid_convolution(channels: int, outputs: int, kernel: int, aw: bool, module: str) -> nn.Module:
    """A lateral (kernel 1) or output (3) convolution of the pyramid, with bias: (n, ``channels``, H, W) to
    (n, ``outputs``, H, W)."""
    made: nn.Module = (
        Biased(group_normed(AWConv2d(channels, outputs, kernel)), outputs)
        if aw
        else nn.Conv2d(channels, outputs, kernel, padding=kernel // 2)
    )
    make = attention(module)
    return made if make is None else nn.Sequential(make(channels), made)


def faster_rcnn(
    classes: int = 91,
    shape: tuple[int, int, int] = (3, 800, 800),
    aw: bool = False,
    module: str = "",
    backbone: str = "resnet101",
) -> nn.Module:
    """Faster R-CNN on a ResNet's feature pyramid of 256 channels; ``classes`` count the background, images
    are resized so that their shorter side is ``shape``'s shorter one.

    Raises InputError with the remedy where torchvision is not installed for this torch.
    """
    parts = _torchvision()
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    if backbone not in ("resnet18", "resnet50", "resnet101"):
        raise InputError(f"backbone must be resnet18, resnet50 or resnet101, not {backbone!r}")
    # torchvision's usual norms are frozen: made for trained weights, they leave fresh ones without a scale
    body = resnet_fpn_backbone(
        backbone_name=backbone, weights=None, trainable_layers=5, norm_layer=nn.BatchNorm2d
    )
    if aw or module:
        for blocks, kernel in ((body.fpn.inner_blocks, 1), (body.fpn.layer_blocks, 3)):
            for place, block in enumerate(blocks):
                plain = next(layer for layer in block.modules() if isinstance(layer, nn.Conv2d))
                blocks[place] = pyramid_convolution(plain.in_channels, plain.out_channels, kernel, aw, module)
    sides = {"min_size": min(shape[1:]), "max_size": max(shape[1:]) * 5 // 3}
    return parts.FasterRCNN(body, num_classes=classes, **sides)


def losses(model: nn.Module, pixels: Tensor, objects: Tensor) -> Tensor:
    """The sum of the four losses of a batch as `fermatnet.model.detect.data.batches.packed` gives it: uint8
    pixels (n, 3, H, W), objects (n, most, 6); difficult objects are left out."""
    height, width = pixels.shape[2:]
    sides = torch.tensor([width, height, width, height], device=objects.device)
    images = list(pixels.float() / 255)
    wanted: list[Mapping[str, Tensor]] = []
    for rows in objects:
        rows = rows[(rows[:, 4] > 0) & (rows[:, 5] == 0)]
        wanted.append({"boxes": rows[:, :4] * sides, "labels": rows[:, 4].long()})
    found: Mapping[str, Tensor] = model(images, wanted)
    return torch.stack(list(found.values())).sum()
