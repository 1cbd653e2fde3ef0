"""Times forwards and backwards of the blocks with one input: the two directions fit, and each is the best."""

import numpy as np
import pytest

from fermatnet.hw.timing import Chain, Collect, Repack, Runs, Select, Serialise

PERIOD = 1000  # so far apart that images do not touch
BLOCKS = {  # block, beats of an image in and out
    "chain": (Chain(3), 6, 6),
    "slow chain": (Chain(2, gap=4), 5, 5),
    "serialise": (Serialise(3), 4, 12),
    "runs": (Runs(4, 2), 12, 3),
    "collect": (Collect(3), 9, 3),
    "repack": (Repack(2, 3), 8, 12),
    "select": (Select(7, np.array([1, 2, 5]), 2), 7, 3),
}


def random_times(seed, beats):
    return 200 + np.cumsum(np.random.default_rng(seed).integers(0, 5, beats)).astype(np.int64)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", BLOCKS)
def test_forwards_by_itself(name, seed):
    """A beat is taken when it is offered or later, in order, and nothing leaves before it has come in."""
    block, beats, results = BLOCKS[name]
    offered = random_times(seed, beats)
    taken, out = block.forward(offered)
    assert len(taken) == beats and len(out) == results
    assert (taken >= offered).all() and (np.diff(taken) > 0).all() and (np.diff(out) > 0).all()
    assert (out[0] > taken[0] and out[-1] > taken[-1]) or name == "select"
    again, same = block.forward(taken)  # what is offered when it can be taken does not wait
    assert np.array_equal(again, taken) and np.array_equal(same, out)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "repack"])
def test_backwards_is_the_latest_that_comes_in_time(name, seed):
    block, beats, results = BLOCKS[name]
    slack = np.sort(np.random.default_rng(seed).integers(0, 9, results))
    wanted = block.forward(random_times(seed, beats))[1] + slack
    limits = block.backward(wanted, PERIOD)
    assert (block.forward(limits)[0] == limits).all()
    assert (block.forward(limits)[1] <= wanted).all()
    for beat in np.flatnonzero(limits < wanted[-1]):  # the others wait for the next image only
        later = limits.copy()
        later[beat] += 1
        taken, out = block.forward(later)
        held_up = taken[beat + 1 :] > limits[beat + 1 :]
        assert (out > wanted).any() or held_up.any(), beat


def test_repack_comes_in_time():
    """Its limits are those of its two halves: sure, though not always the latest."""
    block, beats, _ = BLOCKS["repack"]
    for seed in range(10):
        wanted = block.forward(random_times(seed, beats))[1]
        limits = block.backward(wanted, PERIOD)
        assert (block.forward(limits)[1] <= wanted).all()
