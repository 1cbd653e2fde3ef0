"""From a source's integers to layers of the network file: what all readers of quantized files share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.requantize import Requantizer, Staircase, rebuild, staircases
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Affine, Levels, Node, Requantize, Threshold

__all__ = ["TwoRoundings", "channel_ranges", "check_sums", "requantized"]

Rounding = Callable[[np.ndarray], np.ndarray]
_MULTIPLIER_BITS = 31
_CORRECTIONS = 32  # a channel; beyond, thresholds are the smaller hardware


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


def check_sums(ranges: tuple[np.ndarray, np.ndarray], constant: np.ndarray) -> None:
    """InputError where accumulators of these ranges (least, most), with ``constant`` added, pass the 32 bits
    that their source holds them in."""
    reach = max(int(np.abs(end + constant).max()) for end in ranges)
    if reach >= 1 << 31:
        raise InputError(f"its sums reach {reach}, which passes the 32 bits that they are held in")


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
    two roundings; else the nearest form with corrections; else, for any rising function, thresholds.
    """
    constant = np.asarray(constant, np.int64)

    def total(x: np.ndarray) -> np.ndarray:
        return np.clip(rounding(x + constant[:, None]) + zero, *clip)

    stairs = staircases(total, *ranges)
    # beyond the values that occur a form may do what it likes
    clip = min(one.first for one in stairs), max(one.last for one in stairs)
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
        none, corrections = np.zeros(len(stairs), np.int64), _tables(found, stairs)
        if corrections is None:
            return _thresholds(b, name, source, stairs, clip)
        layer = Requantize(
            name, (source,), found.multiplier, found.offset, found.shift, none, 0, *clip, *corrections
        )
    return b.append(layer)


def _no_corrections(channels: int) -> tuple[np.ndarray, np.ndarray]:
    empty = np.zeros((channels, 0), np.int64)
    return empty, empty


def _thresholds(b: Builder, name: str, source: str, stairs: list[Staircase], clip: tuple[int, int]) -> str:
    """Any rising functions of at most 256 values together: every step a threshold, then the values."""
    count = clip[1] - clip[0]
    if count > 255:
        raise InputError(f"layer {name!r}: no integer form of its {count + 1} values was found")
    limits = np.empty((len(stairs), count), np.int64)
    for row, one in zip(limits, stairs, strict=True):
        below = one.first - clip[0]  # values that lie under the channel's first
        row[:below], row[below : below + len(one.steps)] = one.lo, one.steps
        row[below + len(one.steps) :] = one.hi + 1
    index = b.append(Threshold(f"{name}_index", (source,), limits, np.ones(len(stairs), np.int8)))
    return b.append(Levels(name, (index,), np.arange(clip[0], clip[1] + 1)))


def _tables(found: Requantizer, stairs: list[Staircase]) -> tuple[np.ndarray, np.ndarray] | None:
    """Corrections as two tables of one row a channel; unused places stand outside the channel's range and add
    nothing. None where they are too many or too large for a layer."""
    width = max(len(one) for one in found.corrections)
    if width > _CORRECTIONS or any(abs(by) != 1 for one in found.corrections for by in one.values()):
        return None
    at = np.repeat(np.array([[one.hi + 1] for one in stairs], np.int64), width, axis=1)
    by = np.zeros_like(at)
    for channel, places in enumerate(found.corrections):
        for k, (x, amount) in enumerate(sorted(places.items())):
            at[channel, k], by[channel, k] = x, amount
    return at, by
