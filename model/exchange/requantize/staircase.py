"""A monotone step function of an integer, held by its steps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["Staircase", "staircases"]


@dataclass(frozen=True, eq=False)
class Staircase:
    """``y(x)`` for integers ``lo <= x <= hi``: ``first`` at ``lo``, and one more from each of ``steps`` on.

    Parameters
    ----------
    lo, hi : int
        The range of accumulators that can occur.
    first : int
        ``y(lo)``.
    steps : int64 (K,), ascending, within lo + 1 .. hi
        ``y(x) = first + #{k : steps[k] <= x}``; a place that stands twice is a step of two.
    """

    lo: int
    hi: int
    first: int
    steps: np.ndarray

    @property
    def last(self) -> int:
        """``y(hi)``."""
        return self.first + len(self.steps)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values at integers of the range; int64 of the same shape."""
        return self.first + np.searchsorted(self.steps, x, side="right")

    def corners(self) -> np.ndarray:
        """The integers that decide everything: both ends, and the two beside every step. Two monotone
        functions that agree there agree on the whole range."""
        ends = np.array([self.lo, self.hi], np.int64)
        return np.unique(np.concatenate([ends, self.steps - 1, self.steps]))


def staircases(
    function: Callable[[np.ndarray], np.ndarray], lo: np.ndarray, hi: np.ndarray
) -> list[Staircase]:
    """The staircase of every channel of a requantisation, by bisection on its own arithmetic.

    Parameters
    ----------
    function : maps int64 (C, K) accumulators, a row a channel, to int64 (C, K); it must not fall along a row
    lo, hi : int64 (C,)
        Range of each channel's accumulators.

    About 32 calls with as many accumulators a channel as the widest channel has output values. Raises
    InputError when a sampled pair shows the function falling: then it is no requantisation.
    """
    lo, hi = np.asarray(lo, np.int64), np.asarray(hi, np.int64)
    bottom, top = function(lo[:, None])[:, 0], function(hi[:, None])[:, 0]
    if (top < bottom).any():
        channel = int(np.argmax(top < bottom))
        raise InputError(
            f"channel {channel}: its requantisation falls from {bottom[channel]} to {top[channel]}"
        )
    count = int((top - bottom).max())
    wanted = bottom[:, None] + 1 + np.arange(count)  # values whose first accumulator is sought
    below = np.repeat(lo[:, None], count, axis=1)
    above = np.repeat(hi[:, None], count, axis=1)
    while (above - below > 1).any():
        middle = below + (above - below) // 2
        reached = function(middle) >= wanted
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    made = []
    for channel in range(len(lo)):
        steps = above[channel, : int(top[channel] - bottom[channel])]
        if (np.diff(steps) < 0).any():
            raise InputError(f"channel {channel}: its requantisation is not monotone")
        made.append(Staircase(int(lo[channel]), int(hi[channel]), int(bottom[channel]), steps.copy()))
    return made
