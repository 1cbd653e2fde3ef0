"""Steps that only move values, recognised by what they do: they are run on places instead of values.

A chain of views, transposes, slices, chunks, paddings and shuffles from one tensor to another is understood
where every value of the result is one value of the tensor, or zero, in an order that the layers of
`fermatnet.model.nn.moves` have. Results that are no such order, such as (n, groups, C/groups, H, W), are left
to the next step of the chain.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fermatnet.model.nn.moves import Gather, Move, PixelShuffle, PixelUnshuffle, Reshape

__all__ = [
    "LINEAR",
    "MODULES",
    "canonical",
    "functions_of",
    "interpolates",
    "interpolation",
    "moved_places",
    "moves_values",
    "places_of",
    "recognised",
]

# every function, method and layer that is judged by what it does to places
FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "flatten": (torch.flatten,),
    "unflatten": (torch.unflatten,),
    "reshape": (torch.reshape,),
    "view": (),
    "squeeze": (torch.squeeze,),
    "unsqueeze": (torch.unsqueeze,),
    "transpose": (torch.transpose, torch.swapaxes, torch.swapdims),
    "permute": (torch.permute, torch.movedim, torch.moveaxis),
    "chunk": (torch.chunk, torch.tensor_split),
    "split": (torch.split,),
    "unbind": (torch.unbind,),
    "getitem": (operator.getitem,),
    "narrow": (torch.narrow,),
    "select": (torch.select,),
    "flip": (torch.flip,),
    "roll": (torch.roll,),
    "expand": (),
    "repeat": (torch.repeat_interleave, torch.tile),
    "contiguous": (),
    "clone": (torch.clone,),
    "pad": (functional.pad,),
    "pixel_shuffle": (functional.pixel_shuffle, torch.pixel_shuffle),
    "pixel_unshuffle": (functional.pixel_unshuffle, torch.pixel_unshuffle),
    "channel_shuffle": (functional.channel_shuffle, torch.channel_shuffle),
    "interpolate": (functional.interpolate, functional.upsample),
}
METHODS = {
    "flatten": ("flatten",),
    "unflatten": ("unflatten",),
    "reshape": ("reshape", "reshape_as"),
    "view": ("view", "view_as"),
    "squeeze": ("squeeze", "squeeze_"),
    "unsqueeze": ("unsqueeze", "unsqueeze_"),
    "transpose": ("transpose", "swapaxes", "swapdims"),
    "permute": ("permute", "movedim", "moveaxis"),
    "chunk": ("chunk", "tensor_split"),
    "split": ("split",),
    "unbind": ("unbind",),
    "narrow": ("narrow",),
    "select": ("select",),
    "flip": ("flip",),
    "roll": ("roll",),
    "expand": ("expand", "expand_as"),
    "repeat": ("repeat", "repeat_interleave", "tile"),
    "contiguous": ("contiguous",),
    "clone": ("clone",),
}
_ZEROS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
MODULES: tuple[type[nn.Module], ...] = (
    nn.Flatten,
    nn.Unflatten,
    nn.ChannelShuffle,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.Upsample,
    nn.UpsamplingNearest2d,
    *_ZEROS,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.ReplicationPad1d,
    nn.ReplicationPad2d,
    nn.CircularPad1d,
    nn.CircularPad2d,
)
_TARGETS = {target for targets in FUNCTIONS.values() for target in targets} | {
    name for names in METHODS.values() for name in names
}
_LARGEST_BLOCK = 16
LINEAR = {"linear": 3, "bilinear": 4}
"""Modes of upsampling that give values between those of its input, and the tensor's dimensions."""


def functions_of(name: str) -> tuple[Callable[..., Any] | str, ...]:
    """All spellings of a call that only moves values."""
    return (*FUNCTIONS.get(name, ()), *METHODS.get(name, ()))


def moves_values(source: nn.Module, node: fx.Node) -> bool:
    """Whether a step is one that is judged by what it does to places."""
    if interpolates(source, node):
        return False
    if node.op == "call_module":
        return isinstance(source.get_submodule(str(node.target)), MODULES)
    return node.op in ("call_function", "call_method") and node.target in _TARGETS


def interpolation(node: fx.Node) -> dict[str, Any]:
    """The arguments of a call of ``interpolate``, by name."""
    names = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def interpolates(source: nn.Module, node: fx.Node) -> bool:
    """Whether a step is an upsampling whose values lie between those of its input."""
    if node.op == "call_module":
        module = source.get_submodule(str(node.target))
        return isinstance(module, nn.Upsample) and module.mode in LINEAR
    return node.target in FUNCTIONS["interpolate"] and interpolation(node).get("mode") in LINEAR


def places_of(shape: tuple[int, ...]) -> Tensor:
    """Every value's place, float64 (exact; some steps take no integers)."""
    count = 1
    for side in shape:
        count *= side
    return torch.arange(count, dtype=torch.float64).reshape(shape)


def moved_places(source: nn.Module, node: fx.Node, args: Any, kwargs: Any) -> Any:
    """What a step makes of places; -1 where it puts zeros. ``args``, ``kwargs``: with tensors of places."""
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    if node.op == "call_module":
        module: Any = source.get_submodule(str(node.target))
        if isinstance(module, _ZEROS) and module.value == 0:
            return functional.pad(args[0] if args else kwargs["input"], module.padding, value=-1.0)
        return module(*args, **kwargs)
    if node.target is functional.pad:
        names = ("input", "pad", "mode", "value")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if given.get("mode", "constant") == "constant" and not given.get("value"):
            given["value"] = -1.0
        return functional.pad(**given)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def canonical(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one image's tensor as the file has it, (C, H, W): a vector is channels of one pixel,
    (c, n) one row of n pixels. () where it is none of these."""
    sides = tuple(shape[1:])
    if len(sides) == 1:
        return (*sides, 1, 1)
    return (sides[0], 1, sides[1]) if len(sides) == 2 else sides if len(sides) == 3 else ()


def recognised(places: Any, before: tuple[int, ...]) -> list[Move] | None:
    """The layers that make ``places`` (n, ...) of a tensor of shape ``before`` (n, ...), or None where there
    are none."""
    if not isinstance(places, Tensor) or not 2 <= places.dim() <= 4 or len(places) != before[0]:
        return None
    was, now = canonical(before), canonical(tuple(places.shape))
    if not was or not places.numel():
        return None
    size = was[0] * was[1] * was[2]
    one = places[0].round().long()
    offset = torch.where(places >= 0, size * torch.arange(len(places)).view(-1, *[1] * (places.dim() - 1)), 0)
    if not bool((places == one.double() + offset).all()):
        return None  # images change places
    made = _ordered(one.reshape(now), was)
    if made is None:
        return None
    return _between(made, was, len(before) == 2, tuple(places.shape[1:]) if places.dim() == 2 else now)


def _between(made: list[Move], was: tuple[int, ...], flat: bool, out: tuple[int, ...]) -> list[Move]:
    """The moves with the changes between vectors (n, C) and maps (n, C, H, W) that they need; ``flat``: they
    begin with a vector."""
    first = made[0] if made else None
    if flat and (isinstance(first, PixelUnshuffle) or (isinstance(first, Gather) and any(first.places[1:]))):
        made, flat = [Reshape(was), *made], False
    if made and isinstance(made[-1], Reshape):
        return [*made[:-1], Reshape(out, made[-1].area)]
    if any(isinstance(one, PixelShuffle | PixelUnshuffle) for one in made):
        flat = False
    return made if flat == (len(out) == 1) else [*made, Reshape(out)]


def _ordered(places: Tensor, was: tuple[int, ...]) -> list[Move] | None:
    """The moves from (C, H, W) = ``was`` to ``places`` (C', H', W')."""
    now, area = tuple(places.shape), was[1] * was[2]
    size = was[0] * area
    if places.numel() == size and bool((places.flatten() == torch.arange(size)).all()):
        if now == was:
            return []
        if now == (size, 1, 1):
            return [Reshape(now, area)]
        if area == 1 and now[1] == now[2]:  # a vector as square maps
            return [PixelShuffle(now[1])]
    return _gathered(places, was) or _shuffled(places, was)


def _gathered(places: Tensor, was: tuple[int, ...]) -> list[Move] | None:
    _, height, width = was
    empty = places < 0
    parts = (places // (height * width), places // width % height, places % width)
    found = []
    for axis, part in enumerate(parts):
        rows = torch.where(empty, -1, part).movedim(axis, 0).flatten(1)
        found.append(rows.max(1).values)
    channels, rows, columns = found[0].view(-1, 1, 1), found[1].view(-1, 1), found[2]
    whole = (channels * height + rows) * width + columns
    nothing = (channels < 0) | (rows < 0) | (columns < 0)
    if not bool((torch.where(nothing, -1, whole) == places).all()):
        return None
    orders = [
        None if len(one) == side and bool((one == torch.arange(side)).all()) else one.tolist()
        for one, side in zip(found, was, strict=True)
    ]
    return [Gather(*orders)]


def _shuffled(places: Tensor, was: tuple[int, ...]) -> list[Move] | None:
    """Pixel shuffle, or its inverse."""
    start = places_of((1, *was))
    for block in range(2, _LARGEST_BLOCK + 1):
        if places.shape[1] == was[1] * block and was[0] % block**2 == 0:
            made: Move = PixelShuffle(block)
        elif was[1] == places.shape[1] * block and was[2] % block == 0:
            made = PixelUnshuffle(block)
        else:
            continue
        moved = made(start)[0]
        if moved.shape == places.shape and bool((moved == places).all()):
            return [made]
    return None
