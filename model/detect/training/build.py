"""The networks of a run: in full precision behind a scale of the pixels, and its quantized twin."""

from collections.abc import Mapping
from typing import Any

import torch

from fermatnet.model import zoo
from fermatnet.model.detect.networks.detector import Detector, Joined
from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.start import Standardised

__all__ = ["plain_detector", "quantized", "standardised"]

_PIXELS = (
    256.0  # as `fermatnet.model.nn.layers.PixelScale` has it: a converted twin starts from these weights
)


def plain_detector(
    net: str, image: tuple[int, int, int], labels: int, network: Mapping[str, Any] | None = None
) -> Detector:
    """The detector ``net`` of the zoo for images (C, H, W) and so many classes without the background."""
    made = zoo.build(net, classes=labels + 1, shape=image, **(network or {}))
    if not isinstance(made, Detector):
        raise InputError(
            f"{net} is no single-shot detector: fermatnet zoo lists those, ssd... and ssdlite..."
        )
    return made


def standardised(detector: Detector) -> Joined:
    """The detector on raw pixels, which it takes as shares of 256."""
    channels = detector.image[0]
    statistics = (torch.zeros(channels), torch.full((channels,), _PIXELS))
    return Joined(Standardised(detector, channels, statistics), detector.labels)


def quantized(detector: Detector, how: Scheme, *, check: bool = False) -> Joined:
    """Its twin under a scheme, from its weights; InputError where the scheme has none for it (attention)."""
    twin, _ = convert(detector, how, tuple(detector.image), check=check)
    return Joined(twin, detector.labels)
