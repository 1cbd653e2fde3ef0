"""From a source's integers to layers of the network file: what all readers of quantized files share."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.requantize import Requantizer, Staircase, rebuild, staircases
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Add, Affine, Node, Requantize

__all__ = ["TwoRoundings", "channel_ranges", "joined_sum", "requantized"]

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


def joined_sum(
    b: Builder,
    name: str,
    sources: tuple[str, str],
    scales: tuple[float, float],
    want: np.ndarray,
    clip: tuple[int, int],
) -> str:
    """The sum of two tensors of different scales, exactly as the source computes it on every pair of their
    values.

    Parameters
    ----------
    sources : two tensors of one shape, each of at most 9 bits
    scales : of each input in units of the output's scale, a starting point only
    want : int64 (A, B), the source's result for each pair of values of the two ranges, lowest first, already
    clipped
    clip : lowest and highest value of the result

    ``floor((a m_a + b m_b + o) / 2^s)`` with the smallest s that has some o for all pairs; checked on all of
    them.
    """
    first, second = (b.types[tensor] for tensor in sources)
    a, c = np.arange(first.lo, first.hi + 1)[:, None], np.arange(second.lo, second.hi + 1)[None, :]
    inner_low, inner_high = want > clip[0], want < clip[1]
    for shift in range(4, 28):
        for m_a in _near(scales[0], shift):
            for m_b in _near(scales[1], shift):
                product = a * m_a + c * m_b
                least = ((want << shift) - product)[inner_low]
                most = (((want + 1) << shift) - 1 - product)[inner_high]
                low = int(least.max()) if least.size else int(most.min())
                high = int(most.min()) if most.size else low
                if low > high or abs(m_a) >= 1 << 31 or abs(m_b) >= 1 << 31:
                    continue
                offset = (low + high) // 2
                assert np.array_equal(np.clip((product + offset) >> shift, *clip), want)
                return _sum_layers(b, name, sources, (m_a, m_b), offset, shift, clip)
    raise InputError(f"layer {name!r}: no integer form of this sum of two scales was found")


def _near(scale: float, shift: int) -> list[int]:
    middle = round(scale * (1 << shift))
    return [middle, middle - 1, middle + 1]


def _sum_layers(
    b: Builder,
    name: str,
    sources: tuple[str, str],
    factors: tuple[int, int],
    offset: int,
    shift: int,
    clip: tuple[int, int],
) -> str:
    scaled = []
    for k, (tensor, factor) in enumerate(zip(sources, factors, strict=True)):
        channels, bound = b.channels(tensor), (1 << 31) - 1
        layer = Affine(
            f"{name}_scaled{k}",
            (tensor,),
            np.full(channels, factor),
            np.zeros(channels, np.int64),
            0,
            -bound - 1,
            bound,
        )
        scaled.append(b.append(layer))
    total = b.append(Add(f"{name}_sum", (scaled[0], scaled[1])))
    channels = b.channels(total)
    ones, offsets = np.full(channels, 1), np.full(channels, offset)
    return b.append(Affine(name, (total,), ones, offsets, shift, *clip))
