"""Beats of one stream are at least so many cycles apart."""

import numpy as np

__all__ = ["FAR", "earliest", "latest"]

FAR = np.int64(1) << 60  # later than anything


def earliest(times: np.ndarray, gap: int = 1) -> np.ndarray:
    """Smallest times >= ``times`` that are at least ``gap`` apart."""
    ramp = np.arange(len(times), dtype=np.int64) * gap
    return np.maximum.accumulate(times - ramp) + ramp


def latest(times: np.ndarray, period: int, gap: int = 1) -> np.ndarray:
    """Largest times <= ``times`` that are at least ``gap`` apart, also from the next period's (``period`` >=
    gap * len)."""
    two = np.concatenate([times, np.minimum(times, FAR) + period])
    ramp = np.arange(len(two), dtype=np.int64) * gap
    return (np.minimum.accumulate((two - ramp)[::-1])[::-1] + ramp)[: len(times)]
