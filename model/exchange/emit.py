"""From a source's integers to layers of the network file: what all readers of quantized files share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.requantize import Requantizer, Staircase, rebuild, staircases
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Affine, Node, Requantize

__all__ = ["TwoRoundings", "channel_ranges", "requantized"]

Rounding = Callable[[np.ndarray], np.ndarray]
_MULTIPLIER_BITS = 31


@dataclass(frozen=True, eq=False)
class TwoRoundings:
    """LiteRT's pair of roundings, for channels that no single one equals: q31 int64 (C,), and the right shift
    that follows (C,)."""

    multiplier: np.ndarray
    right: np.ndarray


def channel_ranges(weight: np.ndarray, lo: int, hi: int, pad_value: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(least, most) int64 (O,) of ``sum w x`` a channel, for x in lo..hi or padding; weight (O, ...)."""
    flat = weight.reshape(len(weight), -1).astype(np.int64)
    low, high = min(lo, pad_value), max(hi, pad_value)
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    return positive * low + negative * high, positive * high + negative * low


def requantized(
    b: Builder,
    name: str,
    source: str,
    rounding: Rounding,
    ranges: tuple[np.ndarray, np.ndarray],
    constant: np.ndarray,
    zero: int,
    clip: tuple[int, int],
    pair: TwoRoundings | None = None,
) -> str:
    """The layer that requantises accumulators exactly as their source does; returns the tensor's name.

    Parameters
    ----------
    source : tensor of raw accumulators int (C, H, W)
    rounding : the source's arithmetic, int64 (C, K) accumulators *with* ``constant`` to int64 (C, K), before
    zero point and clip
    ranges : (least, most) int64 (C,) of the raw accumulators
    constant : int64 (C,), what the source adds to the raw accumulators (bias and zero points)
    zero, clip : output zero point; lowest and highest value, which a fused rectifier may have narrowed
    pair : the source's own two roundings, where it rounds twice

    One multiply, add and shift a channel where that has the same steps on the whole range; else the source's
    two roundings; else the nearest form with corrections.
    """
    constant = np.asarray(constant, np.int64)

    def total(x: np.ndarray) -> np.ndarray:
        return np.clip(rounding(x + constant[:, None]) + zero, *clip)

    stairs = staircases(total, *ranges)
    found = rebuild(stairs, clip, multiplier_bits=_MULTIPLIER_BITS)
    if not found.exact and pair is not None:
        offset = constant * pair.multiplier + (1 << 30)
        layer: Node = Requantize(
            name,
            (source,),
            pair.multiplier,
            offset,
            31,
            pair.right,
            zero,
            *clip,
            *_no_corrections(len(stairs)),
        )
    elif found.exact:
        layer = Affine(name, (source,), found.multiplier, found.offset, found.shift, *clip)
    else:
        none = np.zeros(len(stairs), np.int64)
        corrections = _tables(found, stairs)
        layer = Requantize(
            name, (source,), found.multiplier, found.offset, found.shift, none, 0, *clip, *corrections
        )
    return b.append(layer)


def _no_corrections(channels: int) -> tuple[np.ndarray, np.ndarray]:
    empty = np.zeros((channels, 0), np.int64)
    return empty, empty


def _tables(found: Requantizer, stairs: list[Staircase]) -> tuple[np.ndarray, np.ndarray]:
    """Corrections as two tables of one row a channel; unused places stand outside the channel's range and add
    nothing."""
    width = max(len(one) for one in found.corrections)
    at = np.repeat(np.array([[one.hi + 1] for one in stairs], np.int64), width, axis=1)
    by = np.zeros_like(at)
    for channel, places in enumerate(found.corrections):
        for k, (x, amount) in enumerate(sorted(places.items())):
            if amount not in (-1, 1):
                raise InputError(f"its requantisation jumps by {amount} where no multiplier follows")
            at[channel, k], by[channel, k] = x, amount
    return at, by
