"""Gaps between beats, against loops that move one beat at a time."""

import numpy as np
import pytest

from fermatnet.hw.timing.spacing import earliest, latest


def earliest_by_hand(times, gap):
    found = []
    for time in times.tolist():
        found.append(max(time, found[-1] + gap) if found else time)
    return found


def latest_by_hand(times, period, gap):
    """Backwards over three periods; the first one no longer feels where they end."""
    found = []
    for shift in (2 * period, period, 0):
        for time in reversed(times.tolist()):
            found.append(min(time + shift, found[-1] - gap) if found else time + shift)
    return found[-len(times) :][::-1]


@pytest.mark.parametrize("gap", [1, 2, 5])
@pytest.mark.parametrize("seed", range(20))
def test_gaps(seed, gap):
    random = np.random.default_rng(seed)
    times = random.integers(0, 40, random.integers(1, 12)).astype(np.int64)
    period = int(gap * len(times) + random.integers(0, 20))
    assert earliest(times, gap).tolist() == earliest_by_hand(times, gap)
    assert latest(times, period, gap).tolist() == latest_by_hand(times, period, gap)
