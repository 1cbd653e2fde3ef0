"""The convolver's jobs: rows as soon as there is room are rows offered back to back, one job by hand, and the
least memories."""

import numpy as np
import pytest

from fermatnet.hw.timing.jobs import Jobs, Timing
from fermatnet.hw.timing.tiles import Tiles, least_memories, steady


def timing(seed: int) -> Timing:
    rng = np.random.default_rng(seed)

    def draw(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    free = [draw(1, 4) for _ in range(draw(1, 4))]
    need = [one + draw(0, 2) if left > one + 1 else one for one, left in zip(free, _left(free), strict=True)]
    return Timing(
        row_beats=draw(1, 20),
        rows=sum(free),
        ring=max(need) + draw(1, 3),
        need=need,
        free=free,
        tiles=draw(1, 4),
        frame=draw(4, 60),
        jobs=draw(1, 4),
        job=draw(1, 30),
        drain=draw(1, 20),
        band_beats=[draw(1, 12) for _ in free],
        spectra_banks=draw(1, 3),
        sums_banks=draw(1, 3),
        band_banks=draw(1, 3),
        point=draw(0, 9),
        begun=draw(0, 9),
        released=draw(0, 9),
        sums=draw(0, 9),
        result=draw(0, 9),
    )


def _left(free: list[int]) -> list[int]:
    """Rows that are not given back before each band."""
    return [sum(free[at:]) for at in range(len(free))]


@pytest.mark.parametrize("seed", range(12))
def test_the_steady_state_is_that_of_rows_offered_every_cycle(seed):
    jobs, images = timing(seed), 64
    latency, cycles = steady(jobs)
    taken, out = Tiles(jobs).forward(np.arange(images * jobs.rows * jobs.row_beats))
    ends = out.reshape(images, -1)[:, -1]
    assert out[0] == latency and set(np.diff(ends)[-4:]) == {cycles}
    assert (np.diff(taken) >= 1).all() and (np.diff(out) >= 1).all()


def test_one_job_after_the_other_by_hand():
    """One tile, one job: full spectra, product, inverse transform, band; each begins where the last ends."""
    hand = timing(0)
    values = {"tiles": 1, "jobs": 1, "frame": 8, "job": 8, "drain": 4, "point": 2, "begun": 3, "sums": 5}
    jobs = Jobs(Timing(**{**vars(hand), **values, "result": 1}))
    seen, begin = jobs.band(10, 6)
    assert (jobs.tiles, jobs.products) == ([10], [10 + 2 + 3 + 1])
    assert jobs.drains == [16 + 5 + 1] and seen == 10 + 8
    assert begin == 22 + 1 + 4 - 1 + 3 and jobs.band_ends == [begin + 5]


@pytest.mark.parametrize("even", [False, True])
def test_fewer_memories_keep_the_period(even):
    for seed in range(4):
        all_of_them = timing(seed)
        fewer = least_memories(all_of_them, even)
        assert steady(fewer)[1] == steady(all_of_them)[1]
        assert fewer.spectra_banks <= all_of_them.spectra_banks and fewer.ring <= all_of_them.ring
        assert not even or fewer.ring == all_of_them.ring


def test_a_slower_offer_never_makes_an_earlier_result():
    jobs = timing(3)
    beats = 8 * jobs.rows * jobs.row_beats
    soon, late = np.arange(beats), np.cumsum(np.random.default_rng(0).integers(1, 4, beats))
    assert (Tiles(jobs).forward(late)[1] >= Tiles(jobs).forward(soon)[1]).all()
