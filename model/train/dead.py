"""Dead channels: those that decay and a rectifier have left with weights of nothing and a constant output.

A full-precision network does without them; one of few bits misses them, and cannot get them back: what is
constant has no gradient, and neither has a weight of what is constant.
"""

import torch
from torch import Tensor, nn

__all__ = ["dead_channels", "dead_note", "revive"]

CONSTANT = 1e-12
"""Running variance of a norm's channel that never varies."""

NOTHING = 1e-3
"""Root mean square of a channel's weights, of the whole tensor's, below which they are nothing."""

TIMID = 0.3
"""Of the others' deviation, for the weights of what takes a channel: the network's outputs change little."""

Norm = nn.modules.batchnorm._BatchNorm


def dead_channels(model: nn.Module) -> dict[str, list[int]]:
    """Channels that never vary, by the name of their batch norm; norms without running statistics are left
    out."""
    found = {}
    for name, norm in model.named_modules():
        if isinstance(norm, Norm) and isinstance(norm.running_var, Tensor):
            dead = _where(norm.running_var < CONSTANT)
            if 0 < len(dead) < norm.num_features:
                found[name] = dead
    return found


def dead_note(model: nn.Module) -> str:
    """One line where a network to be quantized has dead channels, else none."""
    dead = dead_channels(model)
    where = ", ".join(f"{len(channels)} of {name}" for name, channels in dead.items())
    return f"channels that never vary: {where}; --revive gives them fresh weights" if dead else ""


@torch.no_grad()
def revive(model: nn.Module, seed: int) -> int:
    """Gives dead channels fresh weights; how many channels of norms were dead.

    Where none is, nothing changes. Else, in every layer's weight of two dimensions or more: output channels
    of nothing are drawn anew, normal with the others' deviation, and so is what a layer weighs a channel of
    nothing with, at `TIMID` of it. Norms of dead channels get the median of the others' parameters and
    statistics.
    """
    dead = dead_channels(model)
    if not dead:
        return 0
    draw = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() > 1:
            _redraw(weight, 0, 1.0, draw)
            _redraw(weight, 1, TIMID, draw)
    modules = dict(model.named_modules())
    for name, channels in dead.items():
        norm = modules[name]
        live = [c for c in range(norm.num_features) if c not in channels]
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            if values is not None:
                values[channels] = values[live].median()
    return sum(map(len, dead.values()))


def _where(mask: Tensor) -> list[int]:
    return mask.nonzero().flatten().tolist()


def _redraw(weight: Tensor, along: int, share: float, draw: torch.Generator) -> None:
    """Fresh weights for the channels of nothing along a dimension."""
    square = weight.double().pow(2)
    channels = square.transpose(0, along).flatten(1).mean(1).sqrt()
    nothing = channels < NOTHING * square.mean().sqrt()
    if nothing.all() or not nothing.any():
        return
    places = _where(nothing)
    std = weight.index_select(along, (~nothing).nonzero().flatten()).std()
    shape = weight.transpose(0, along)[places].shape
    fresh = torch.randn(shape, generator=draw).to(weight) * (share * std)
    weight.transpose(0, along)[places] = fresh
