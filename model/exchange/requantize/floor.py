"""When is a staircase one multiply, add and shift? Decided exactly, by the slopes that separate two point
sets.

Let the steps be ``t_1 <= ... <= t_K`` and the values ``first + k``. A form ``floor((x m + o) / 2^s)`` has
these steps exactly when the line ``(x m + o) / 2^s`` lies on or above every point ``(t_k, first + k)`` and
below every point ``(t_k - 1, first + k)``:
a line that separates two sets of points. Eliminating ``o`` leaves for each pair j, k the condition

    (t_j - t_k + 1) m > (j - k) 2^s,

so the slopes ``m / 2^s`` that work for *some* s fill one open interval, whose ends are fractions with small
terms and do not depend on s. It is empty or it is not: that decides whether the form exists at all; the
smallest s for which a multiple of ``2^-s`` lies inside gives the narrowest multiplier. Only corners of the
two sets' convex hulls can be active, a few dozen of 255 steps.
The source is elementary (Farkas' lemma in two dimensions); the use for requantisation is this project's own.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fermatnet.model.exchange.requantize.staircase import Staircase

__all__ = ["FloorForm", "as_floor", "nearest_floor", "offset_interval", "slope_interval"]

Clip = tuple[int | None, int | None]
_NO_CLIP: Clip = (None, None)


@dataclass(frozen=True)
class FloorForm:
    """``y = floor((x multiplier + offset) / 2^shift)``, clipped by whoever uses it."""

    multiplier: int
    offset: int
    shift: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at int64 accumulators, unclipped; in python integers where int64 would wrap."""
        x = np.asarray(x, np.int64)
        reach = max(abs(int(x.min(initial=0))), abs(int(x.max(initial=0)))) * abs(self.multiplier) + abs(
            self.offset
        )
        if reach < 1 << 62:
            return (x * self.multiplier + self.offset) >> self.shift
        return ((x.astype(object) * self.multiplier + self.offset) >> self.shift).astype(np.int64)

    def rounded_to(self, shift: int) -> "FloorForm":
        """Nearly the same function with a smaller shift: the multiplier loses its last bits."""
        less = self.shift - shift
        half = (1 << less) >> 1
        return FloorForm((self.multiplier + half) >> less, (self.offset + half) >> less, shift)


def _points(stairs: Staircase, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """(reached, missed): points (x, y) on or below the line, and points above it, as int64 (n, 2).

    ``clip`` are the bounds at which the result is cut off: a first or last value that lies there asks nothing
    of the line beyond.
    """
    values = stairs.first + 1 + np.arange(len(stairs.steps))
    reached = np.stack([stairs.steps, values], axis=1)
    missed = np.stack([stairs.steps - 1, values], axis=1)
    if clip[0] is None or stairs.first > clip[0]:
        reached = np.concatenate([[[stairs.lo, stairs.first]], reached])
    if clip[1] is None or stairs.last < clip[1]:
        missed = np.concatenate([missed, [[stairs.hi, stairs.last + 1]]])
    return reached.astype(np.int64), missed.astype(np.int64)


def _hull(points: np.ndarray, upper: bool) -> np.ndarray:
    """Corners of the upper or lower convex hull, left to right (Andrew's monotone chain, in python integers);
    int64 (n, 2)."""
    sign = 1 if upper else -1
    kept: list[tuple[int, int]] = []
    for x, y in sorted(zip(points[:, 0].tolist(), (sign * points[:, 1]).tolist(), strict=True)):
        while kept and kept[-1][0] == x:
            kept.pop()  # sorted: the later one is the higher
        while len(kept) > 1:
            (ax, ay), (bx, by) = kept[-2:]
            if (bx - ax) * (y - ay) < (by - ay) * (x - ax):
                break
            kept.pop()
        kept.append((x, y))
    return np.array(kept, np.int64) * np.array([1, sign])


def _extreme(rise: np.ndarray, run: np.ndarray, largest: bool) -> Fraction:
    """The largest or smallest of the fractions rise / run, run positive: floating point finds the few that
    may be it."""
    about = rise / run
    best = about.max() if largest else about.min()
    close = np.abs(about - best) <= 1e-9 * abs(best) + 1e-300
    fractions = {Fraction(a, b) for a, b in zip(rise[close].tolist(), run[close].tolist(), strict=True)}
    return max(fractions) if largest else min(fractions)


def slope_interval(stairs: Staircase, clip: Clip = _NO_CLIP) -> tuple[Fraction, Fraction | None]:
    """The open interval of slopes that have the steps of ``stairs``; an upper end of None is infinity. Empty:
    lower >= upper."""
    reached, missed = _points(stairs, clip)
    lower, upper = Fraction(-1), None
    if not len(reached) or not len(missed):
        return lower, upper
    difference = _hull(reached, upper=True)[:, None] - _hull(missed, upper=False)[None, :]
    run, rise = difference[..., 0].ravel(), difference[..., 1].ravel()
    if (rise[run == 0] >= 0).any():
        return Fraction(0), Fraction(0)
    if (run > 0).any():
        lower = max(lower, _extreme(rise[run > 0], run[run > 0], largest=True))
    if (run < 0).any():
        upper = _extreme(-rise[run < 0], -run[run < 0], largest=False)
    return lower, upper


def _offset_bounds(stairs: Staircase, multiplier: int, shift: int, clip: Clip) -> tuple[int, int]:
    """(least, most) offset that the reached and the missed points ask for; apart (least > most) where nothing
    serves all."""
    reached, missed = _points(stairs, clip)
    wide = (
        max(abs(stairs.lo), abs(stairs.hi)) * multiplier
        + (max(abs(stairs.first), abs(stairs.last)) + 1 << shift)
        >= 1 << 62
    )
    if wide:
        reached, missed = reached.astype(object), missed.astype(object)
    least = [int(((reached[:, 1] << shift) - reached[:, 0] * multiplier).max())] if len(reached) else []
    most = [int(((missed[:, 1] << shift) - 1 - missed[:, 0] * multiplier).min())] if len(missed) else []
    low = least[0] if least else (most[0] if most else 0)
    return low, most[0] if most else low


def offset_interval(
    stairs: Staircase, multiplier: int, shift: int, clip: Clip = _NO_CLIP
) -> tuple[int, int] | None:
    """All offsets that make ``multiplier`` and ``shift`` have the steps of ``stairs``, or None where there is
    none."""
    low, high = _offset_bounds(stairs, multiplier, shift, clip)
    return (low, high) if low <= high else None


def _multiplier_within(lower: Fraction, upper: Fraction | None, shift: int) -> int | None:
    """The least m >= 0 with lower < m / 2^shift < upper."""
    scaled = lower * (1 << shift)
    least = max(0, scaled.numerator // scaled.denominator + 1)
    return least if upper is None or least < upper * (1 << shift) else None


def as_floor(
    stairs: Staircase,
    clip: Clip = _NO_CLIP,
    *,
    multiplier_bits: int = 31,
    shift: int | None = None,
    slopes: tuple[Fraction, Fraction | None] | None = None,
) -> FloorForm | None:
    """The form with the smallest shift (or with the given one) that equals ``stairs`` on its whole range, or
    None where there is none.

    Parameters
    ----------
    clip : (lowest, highest) value that the result is cut off at, None for no bound
    multiplier_bits : the multiplier is below 2^multiplier_bits
    slopes : of `slope_interval`, where they are known already

    The offset is in the middle of those that work. The result has been checked at all corners of the
    staircase.
    """
    lower, upper = slopes or slope_interval(stairs, clip)
    if upper is not None and lower >= upper:
        return None
    for s in range(63) if shift is None else [shift]:
        m = _multiplier_within(lower, upper, s)
        if m is None:
            continue
        if m >> multiplier_bits:
            return None
        offsets = offset_interval(stairs, m, s, clip)
        assert offsets is not None, "a slope of the open interval has offsets"
        form = FloorForm(m, (offsets[0] + offsets[1]) // 2, s)
        assert _wrong(form, stairs, clip).size == 0
        return form
    return None


def _wrong(form: FloorForm, stairs: Staircase, clip: Clip) -> np.ndarray:
    """Corners at which form and staircase differ."""
    x = stairs.corners()
    y = form(x)
    if clip[0] is not None:
        y = np.maximum(y, clip[0])
    if clip[1] is not None:
        y = np.minimum(y, clip[1])
    return x[y != stairs(x)]


def nearest_floor(stairs: Staircase, clip: Clip = _NO_CLIP, *, multiplier_bits: int = 31) -> FloorForm:
    """Where no form is exact: one whose steps are off by little, for a few corrections.

    Takes the middle of the crossed slope interval (its ends are the tightest demands from either side), as
    many bits as allowed, and the offset in the middle of what the steps ask for.
    """
    lower, upper = slope_interval(stairs, clip)
    slope = max(Fraction(0), lower if upper is None else (lower + upper) / 2)
    shift = max(s for s in range(63) if int(slope * (1 << s)) >> multiplier_bits == 0)
    multiplier = round(slope * (1 << shift))
    least, most = _offset_bounds(stairs, multiplier, shift, clip)
    return FloorForm(multiplier, (least + most) // 2, shift)
