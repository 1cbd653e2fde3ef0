"""Blocks where streams meet, by hand."""

import numpy as np
import pytest

from fermatnet.hw.timing import Gather, Join


def test_a_join_waits_for_the_later_stream():
    first, second = np.array([0, 1, 9, 10]), np.array([4, 5, 6, 7])
    taken, out = Join().forward(first, second)
    assert out.tolist() == [5, 6, 10, 11]
    # one register a side: a beat moves in when the one before it has left
    assert [times.tolist() for times in taken] == [[0, 5, 9, 10], [4, 5, 6, 10]]


def test_a_gather_takes_its_streams_in_turns():
    offered = np.array([0, 1, 2, 3]), np.array([0, 10])
    taken, out = Gather((2, 1)).forward(*offered)
    assert [times.tolist() for times in taken] == [[0, 1, 3, 4], [2, 10]]
    assert out.tolist() == [1, 2, 3, 4, 5, 11]


@pytest.mark.parametrize("seed", range(10))
def test_backwards_comes_in_time(seed):
    random = np.random.default_rng(seed)
    wanted = 100 + np.cumsum(random.integers(1, 5, 6)).astype(np.int64)
    for block in (Join(), Gather((2, 1))):
        limits = block.backward(wanted, 1000)
        taken, out = block.forward(*limits)
        assert all(np.array_equal(a, b) for a, b in zip(taken, limits, strict=True))
        assert (out <= wanted).all()
        for stream, beat in ((0, 1), (1, 1)):  # one beat later is too late
            later = [times.copy() for times in limits]
            later[stream][beat] += 1
            waited, delayed = block.forward(*later)
            missed = [(a > b).any() for a, b in zip(waited, limits, strict=True)]
            assert (delayed > wanted).any() or any(missed)
