"""The network a run starts from: built for its data, and with the weights of its twin."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.data import Data

__all__ = ["build_for", "builder_arguments", "carry_over"]


def builder_arguments(net: str) -> Mapping[str, inspect.Parameter]:
    """What a network's builder takes; InputError when there is no such network or it takes no scheme."""
    entry, _ = zoo.entry(net)
    takes = inspect.signature(entry.builder).parameters
    if "how" not in takes:
        raise InputError(f"{net} is not trained by this front end: its builder takes no quantization scheme")
    return takes


def build_for(net: str, data: Data, scheme: Scheme) -> nn.Module:
    """The network for the data's shape, classes and pixel width, as far as its builder takes them."""
    takes = builder_arguments(net)
    given = {"how": scheme, "classes": data.targets.outputs, "shape": data.shape, "bits": data.bits}
    made = zoo.build(net, **{key: value for key, value in given.items() if key in takes})
    if data.signed:
        pixels = getattr(made, "pixels", None)
        if not isinstance(pixels, PixelScale) or hasattr(made, "act"):
            raise InputError(f"{net} takes no samples below 0: shift them first, x - x.min()")
        pixels.signed = True
    return made


def carry_over(model: nn.Module, weights: dict[str, Any]) -> None:
    """Start from another scheme's weights: everything but the quantizers' own parameters must be there."""
    own = model.state_dict()
    given = {key: value for key, value in weights.items() if key in own}
    generator = torch.Generator().manual_seed(0)
    # a method of several branches: each starts near the twin's only one
    for key in own.keys() - given.keys():
        source = weights.get(re.sub(r"\bbranches\.\d+\.", "branches.0.", key))
        if source is not None and source.dim() > 1:
            given[key] = source + 0.3 * source.std() * torch.randn(source.shape, generator=generator)
        elif source is not None:
            given[key] = source
    missing, unexpected = model.load_state_dict(given, strict=False)
    lacking = [
        key
        for key in missing
        if key.rpartition(".")[2] in ("weight", "bias", "running_mean", "running_var")
        and "quantizer" not in key
    ]
    if lacking or unexpected:
        raise InputError(f"the full-precision twin has no {(lacking or unexpected)[0]}")
