"""Beats of one stream are at least so many cycles apart."""

import numpy as np

__all__ = ["FAR", "drifts", "earliest", "latest"]

FAR = np.int64(1) << 60  # later than anything


def earliest(times: np.ndarray, gap: int = 1, run: int = 0) -> np.ndarray:
    """Smallest times >= ``times`` that are at least ``gap`` apart, one cycle more after each ``run`` of them
    (0: never)."""
    ramp = _ramp(len(times), gap, run)
    return np.maximum.accumulate(times - ramp) + ramp


def latest(times: np.ndarray, period: int, gap: int = 1, run: int = 0) -> np.ndarray:
    """Largest times <= ``times`` that are at least ``gap`` apart, one cycle more after each ``run`` of them,
    also from the next period's (``period`` >= gap * len, and one for each run)."""
    two = np.concatenate([times, np.minimum(times, FAR) + period])
    ramp = _ramp(len(two), gap, run)
    return (np.minimum.accumulate((two - ramp)[::-1])[::-1] + ramp)[: len(times)]


def drifts(times: np.ndarray, images: int, period: int) -> bool:
    """Whether the last three of so many images are not exactly one period apart, in some beat."""
    return bool((np.diff(times.reshape(images, -1)[-3:], axis=0) != period).any())


def _ramp(many: int, gap: int, run: int) -> np.ndarray:
    """The closest that so many beats can be, from 0."""
    beats = np.arange(many, dtype=np.int64)
    return beats * gap + (beats // run if run else 0)
