"""The detectors of `fermatnet.model.detect` by name; of each, ``classes`` count the background."""

import importlib
from functools import partial
from typing import Any

from torch import nn

from fermatnet.model.zoo import register

__all__ = ["JOINS", "detector"]

JOINS: dict[str, dict[str, Any]] = {
    "": {},
    "aw-": {"aw": True},
    "se-": {"module": "se"},
    "aw-se-": {"aw": True, "module": "se"},
    "cbam-": {"module": "cbam"},
    "aw-cbam-": {"aw": True, "module": "cbam"},
}
_WORDS = {"aw": "AW-convolutions in", "se": "SE before", "cbam": "CBAM before"}


def detector(
    place: str,
    fixed: dict[str, Any],
    *,
    classes: int = 21,
    shape: tuple[int, int, int] = (3, 300, 300),
    **more: Any,
) -> nn.Module:
    """What the function ``place``, "MODULE.FUNCTION" of the detectors' networks, makes."""
    module, _, function = place.partition(".")
    found = importlib.import_module(f"fermatnet.model.detect.networks.{module}")
    return getattr(found, function)(classes=classes, shape=shape, **fixed, **more)


def words(join: str) -> str:
    """The joins in words, "" for none."""
    parts = [_WORDS[part] for part in join.split("-") if part]
    return f", {' and '.join(parts)} its heads" if parts else ""


def pyramid_words(join: str) -> str:
    """The same of the pyramid of Faster R-CNN."""
    return words(join).replace("its heads", "its pyramid")


for _join in ("", "aw-"):
    register(
        f"{_join}ssdlite-small",
        partial(detector, "small.small_detector", JOINS[_join]),
        f"small SSDLite-like detector, 3x3 convolutions to a step of 32 pixels{words(_join)}",
    )
register(
    "ssd300-resnet50",
    partial(detector, "ssd.ssd_resnet50", {}),
    "SSD300 on ResNet50; full precision unless a scheme says otherwise",
)
for _join, _fixed in JOINS.items():
    register(
        f"{_join}ssd300-vgg16", partial(detector, "ssd.ssd_vgg16", _fixed), f"SSD300 on VGG16{words(_join)}"
    )
    register(
        f"{_join}ssdlite300-mobilenet",
        partial(detector, "ssd.ssdlite_mobilenet", _fixed),
        f"SSDLite300 on MobileNet{words(_join)}",
    )
    register(
        f"{_join}fasterrcnn-resnet101-fpn",
        partial(detector, "faster_rcnn.faster_rcnn", _fixed),
        f"Faster R-CNN on ResNet101-FPN, needs torchvision{pyramid_words(_join)}",
    )
