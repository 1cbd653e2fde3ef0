"""The network a run starts from: built for its data, and with the weights of its twin."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.data import Data
from fermatnet.model.train.source import Stream
from fermatnet.model.train.targets import targets_of
from fermatnet.model.zoo.catalogue import form

__all__ = ["Standardised", "build_for", "builder_arguments", "carry_over"]


class Standardised(nn.Module):
    """A network of real-valued layers with its input's normalisation: raw pixels in, ``(x - mean) / std`` by
    channel. ``statistics``: (mean, std), each float32 (C,), or None where the weights will bring them."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, channels: int, statistics: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.network = network
        mean, std = (torch.zeros(channels), torch.ones(channels)) if statistics is None else statistics
        self.register_buffer("mean", mean.clone().view(1, -1, 1, 1))
        self.register_buffer("std", std.clamp(min=1e-3).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x.float() - self.mean) / self.std)


def builder_arguments(net: str) -> Mapping[str, inspect.Parameter]:
    """What a network's builder takes; InputError when there is no such network."""
    entry, _ = zoo.entry(net)
    return inspect.signature(entry.builder).parameters


def build_for(
    net: str,
    data: Data | Stream,
    how: Scheme,
    *,
    own: bool = False,
    network: Mapping[str, Any] | None = None,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> nn.Module:
    """The network for the data's shape, classes and pixel width.

    own: as its chapter has it, behind the normalisation of ``statistics``; ``how`` then says only whether its
    binary layers are real (full precision: the pretraining stage) or one bit wide. network: options of its
    own builder.
    """
    takes = builder_arguments(net)
    more = dict(network or {})
    classes = targets_of(data).outputs
    if not own:
        arguments = {"how": how, "classes": classes, "shape": data.shape, "bits": data.bits}
        plain = zoo.build(net, **{key: value for key, value in arguments.items() if key in takes} | more)
        return _signed(plain, net) if getattr(data, "signed", False) else plain
    is_searched = net.startswith("nasb-")
    if is_searched:
        more = {"relu": True} | more  # Conv -> ReLU -> BN in stages 2 and 3 (section 4.4.1)
    elif form(net) == "binary" or net.startswith(("ua-", "a-")):
        more = {"bits": 32 if how.full_precision else 1} | more
    built = zoo.build(net, classes=classes, input_shape=data.shape, **more)
    if is_searched:
        built.set_binary(not how.full_precision)
    return Standardised(built, data.shape[0], statistics)


def _signed(network: nn.Module, net: str) -> nn.Module:
    """The network on samples below 0 too, where its first layer has weights."""
    pixels = getattr(network, "pixels", None)
    if not isinstance(pixels, PixelScale) or hasattr(network, "act"):
        raise InputError(f"{net} takes no samples below 0: shift them first, x - x.min()")
    pixels.signed = True
    return network


def carry_over(model: nn.Module, weights: dict[str, Any]) -> None:
    """Start from another scheme's weights: everything but the quantizers' own parameters must be there."""
    own = model.state_dict()
    carried = {key: value for key, value in weights.items() if key in own}
    generator = torch.Generator().manual_seed(0)
    # a method of several branches: each starts near the twin's only one
    for key in own.keys() - carried.keys():
        source = weights.get(re.sub(r"\bbranches\.\d+\.", "branches.0.", key))
        if source is not None and source.dim() > 1:
            carried[key] = source + 0.3 * source.std() * torch.randn(source.shape, generator=generator)
        elif source is not None:
            carried[key] = source
    for key, value in carried.items():
        if value.shape != own[key].shape:
            there, here = ("x".join(map(str, one.shape)) or "one number" for one in (value, own[key]))
            raise InputError(f"the full-precision twin's {key} is {there}, here it is {here}")
    missing, unexpected = model.load_state_dict(carried, strict=False)
    lacking = [
        key
        for key in missing
        if key.rpartition(".")[2] in ("weight", "bias", "running_mean", "running_var")
        and "quantizer" not in key
    ]
    if lacking or unexpected:
        raise InputError(f"the full-precision twin has no {(lacking or unexpected)[0]}")
