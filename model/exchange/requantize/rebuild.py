"""From a source's arithmetic to the form that hardware computes: one multiplier, offset and shift a channel,
and rare corrections."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.exchange.requantize.floor import FloorForm, as_floor, nearest_floor, slope_interval
from fermatnet.model.exchange.requantize.staircase import Staircase

__all__ = ["Requantizer", "exactly", "rebuild"]


@dataclass(frozen=True, eq=False)
class Requantizer:
    """``y[c] = clip((x m[c] + o[c]) >> shift, lo, hi) + #{e in up[c] : e == x} - #{e in down[c] : e == x}``
    for x in each channel's range.

    Parameters
    ----------
    multiplier, offset : int64 (C,)
    shift, lo, hi : of all channels
    corrections : for each channel, accumulators and the amount (+1 or -1) to add there; empty where the form
    is exact by itself
    """

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lo: int
    hi: int
    corrections: tuple[dict[int, int], ...]

    @property
    def exact(self) -> bool:
        """Whether no channel needs a correction."""
        return not any(self.corrections)


def _corrections(form: FloorForm, stairs: Staircase, clip: tuple[int, int]) -> dict[int, int]:
    """Every accumulator at which the clipped form differs from the staircase, with the difference.

    Both are monotone, so between two neighbouring places of the union of their steps both are constant; only
    there they can differ.
    """
    own = _steps_of(form, stairs, clip)
    edges = np.unique(np.concatenate([[stairs.lo], stairs.steps, own, [stairs.hi + 1]]))
    starts = edges[:-1]
    difference = stairs(starts) - np.clip(form(starts), *clip)
    wrong = np.nonzero(difference)[0]
    return {int(x): int(difference[k]) for k in wrong for x in range(int(starts[k]), int(edges[k + 1]))}


def _steps_of(form: FloorForm, stairs: Staircase, clip: tuple[int, int]) -> np.ndarray:
    """Accumulators of the range at which the form steps: the least x with x m + o >= y 2^s."""
    low, high = (int(v) for v in np.clip(form(np.array([stairs.lo, stairs.hi])), *clip))
    if form.multiplier == 0:
        return np.zeros(0, np.int64)
    return np.array(
        [-(-((y << form.shift) - form.offset) // form.multiplier) for y in range(low + 1, high + 1)], np.int64
    )


def rebuild(stairs: list[Staircase], clip: tuple[int, int], *, multiplier_bits: int = 31) -> Requantizer:
    """The integer form of a requantisation, equal to its staircases on their whole ranges.

    Parameters
    ----------
    stairs : one a channel, their values within ``clip``
    clip : (lo, hi) that the result is cut off at
    multiplier_bits : magnitude of the multipliers

    Exact by construction: a form without corrections comes from `as_floor`, which proves it; the others are
    compared with the staircase wherever one of the two steps.
    """
    found = exactly(stairs, clip, multiplier_bits=multiplier_bits)
    if found is not None:
        return found
    nearest = [nearest_floor(one, clip, multiplier_bits=multiplier_bits) for one in stairs]
    shift = min(form.shift for form in nearest)
    moved = [form.rounded_to(shift) for form in nearest]
    return _together(
        moved, shift, clip, tuple(_corrections(*pair, clip) for pair in zip(moved, stairs, strict=True))
    )


def exactly(
    stairs: list[Staircase], clip: tuple[int, int], *, multiplier_bits: int = 31
) -> Requantizer | None:
    """:func:`rebuild` where no channel needs a correction, else None."""
    slopes = [slope_interval(one, clip) for one in stairs]
    found = []
    for one, interval in zip(stairs, slopes, strict=True):
        form = as_floor(one, clip, multiplier_bits=multiplier_bits, slopes=interval)
        if form is None:
            return None  # one channel that has no such form decides for the layer
        found.append(form)
    # One shift serves all channels: each gets the least multiplier that works at the largest of the shifts.
    shift = max(form.shift for form in found)
    common = []
    for one, interval in zip(stairs, slopes, strict=True):
        form = as_floor(one, clip, multiplier_bits=multiplier_bits, shift=shift, slopes=interval)
        if form is None:
            return None
        common.append(form)
    return _together(common, shift, clip, ({},) * len(stairs))


def _together(
    forms: list[FloorForm], shift: int, clip: tuple[int, int], corrections: tuple[dict[int, int], ...]
) -> Requantizer:
    multiplier = np.array([form.multiplier for form in forms], np.int64)
    offset = np.array([form.offset for form in forms], np.int64)
    return Requantizer(multiplier, offset, shift, *clip, corrections)
