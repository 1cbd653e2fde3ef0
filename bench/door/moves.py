"""Random steps that move values, and arithmetic with constants, in the spellings that people have."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["drawn_move"]


def _shuffle(groups: int, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    def shuffle(x: Tensor) -> Tensor:
        n, rest = x.size(0), shape[1:]
        apart = x.view(n, groups, shape[0] // groups, *rest).transpose(1, 2)
        return apart.contiguous().view(n, shape[0], *rest)

    return shuffle


def _parts(x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    return torch.cat([second, first], 1)


def _constants(draw: random.Random) -> list[Callable[[Tensor], Any]]:
    c = draw.choice([2, 0.5, -1, 0.3, 3.7])
    return [
        lambda x: x * c,
        lambda x: x / c,
        lambda x: x + c,
        lambda x: c - x,
        lambda x: -x,
        lambda x: x * x,
        lambda x: torch.sub(x, c),
        lambda x: x.mul(c).add(1),
    ]


def _along(draw: random.Random, shape: tuple[int, ...]) -> list[Callable[[Tensor], Any]]:
    """Along one dimension; the images' among them now and then."""
    axis = draw.choice([*range(1, len(shape) + 1), -1, draw.choice([0, 1])])
    step = draw.choice([1, 2])
    return [
        lambda x: x.flip(axis),
        lambda x: x.narrow(axis, 0, 2),
        lambda x: x.roll(1, axis),
        lambda x: x.chunk(2, axis)[0],
        lambda x: torch.cat([x.split(2, axis)[0], x], axis),
        lambda x: torch.repeat_interleave(x, 2, dim=axis),
        lambda x: x[:, ::step],
        lambda x: x[..., ::step],
        lambda x: x[..., 1:],
    ]


def _maps(draw: random.Random) -> list[Callable[[Tensor], Any]]:
    pad = tuple(draw.choice([0, 1, 2, -1]) for _ in range(4))
    more = draw.choice([1, 2])
    mode = draw.choice(["constant", "reflect", "replicate", "circular"])
    factor: Any = draw.choice([2.0, 2, 3, 1.5, (1, 2)])
    way = draw.choice(["nearest", "nearest-exact", "nearest", "bilinear"])
    return [
        lambda x: functional.pad(x, pad),
        lambda x: functional.pad(x, tuple(map(abs, pad)), mode=mode),
        lambda x: functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more, more)),
        lambda x: functional.interpolate(x, scale_factor=factor, mode=way),
        lambda x: functional.interpolate(x, size=(x.shape[2] * 2, x.shape[3])),
        lambda x: functional.interpolate(x, scale_factor=(more, 2), mode="bilinear"),
        lambda x: functional.avg_pool2d(x, 3, more, 1, ceil_mode=mode == "reflect", count_include_pad=False),
        lambda x: functional.pixel_unshuffle(x, 2),
        lambda x: functional.pixel_shuffle(functional.pixel_unshuffle(x, 2), 2),
        lambda x: x.transpose(2, 3),
        lambda x: x + x.mean((2, 3), keepdim=True),
        lambda x: x * functional.adaptive_avg_pool2d(x, 1).sigmoid(),
        lambda x: x * functional.adaptive_avg_pool2d(x, 1).flatten(1).tanh().view(x.shape[0], -1, 1, 1),
        lambda x: x.flatten(2).unflatten(2, x.shape[2:]),
    ]


def drawn_move(draw: random.Random, shape: tuple[int, ...]) -> Callable[[Tensor], Any]:
    """A step for tensors (n, *shape); torch may not take it."""
    ways = [*_constants(draw), *_along(draw, shape), _parts]
    if len(shape) > 1:
        ways += [_shuffle(2, shape), _shuffle(shape[0], shape), lambda x: functional.pad(x, (1, 0))]
    if len(shape) == 2:
        ways += [lambda x: x.unsqueeze(2).squeeze(2), lambda x: functional.interpolate(x, scale_factor=2)]
    if len(shape) == 3:
        ways += _maps(draw)
    return draw.choice(ways)
