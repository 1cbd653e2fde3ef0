"""The buffer plan: sound by an independent walk, optimal on small problems, and a checker that finds what is
wrong."""

import itertools
import random

import pytest

from fermatnet.model.errors import InputError
from fermatnet.runtime.buffers import Buffer, Plan, Step, check, plan


def problem(seed, count=8):
    """A random graph of steps; each writes one buffer, reads some earlier ones and has scratch now and
    then."""
    rng = random.Random(seed)
    buffers, steps = [], []
    for number in range(count):
        size = rng.choice([1, 3, 8, 20, 64, 100])
        reads = (
            tuple(sorted({f"t{rng.randrange(number)}" for _ in range(rng.randint(1, 2))})) if number else ()
        )
        scratch = (f"s{number}",) if rng.random() < 0.4 else ()
        buffers += [Buffer(f"t{number}", size), *(Buffer(name, rng.choice([4, 12])) for name in scratch)]
        steps.append(
            Step(f"step{number}", reads, (f"t{number}",), scratch, reads[:1] if rng.random() < 0.5 else ())
        )
    return steps, buffers


@pytest.mark.parametrize("seed", range(40))
def test_plans_are_sound_and_not_below_their_bound(seed):
    steps, buffers = problem(seed)
    planned = plan(steps, buffers)
    check(steps, buffers, planned)
    assert planned.bound <= planned.size <= sum(-(-b.size // 4) * 4 for b in buffers)
    assert planned.size <= plan(steps, buffers, several=False).size


def exact(steps, buffers):
    """The least height of first-fit over every order of the buffers, each checked, for the steps as they
    stand, nothing taken over."""
    life = {}
    for place, step in enumerate(steps):
        for name in (*step.reads, *step.writes, *step.scratch):
            life[name] = (life.get(name, (place, place))[0], place)
    best = None
    for row in itertools.permutations(buffers):
        at = {}
        for buffer in row:
            first, last = life[buffer.name]
            occupied = sorted(
                (at[b.name], at[b.name] + b.size)
                for b in row
                if b.name in at and life[b.name][0] <= last and first <= life[b.name][1]
            )
            low = 0
            for start, end in occupied:
                if low + buffer.size <= start:
                    break
                low = max(low, -(-end // 4) * 4)
            at[buffer.name] = low
        height = max(at[b.name] + b.size for b in row)
        best = height if best is None else min(best, height)
    return -(-best // 4) * 4


@pytest.mark.parametrize("seed", range(6))
def test_small_problems_are_solved_exactly(seed):
    steps, buffers = problem(seed + 100, 5)
    steps = [Step(s.name, s.reads, s.writes, s.scratch) for s in steps]
    buffers = buffers[:6] if len(buffers) <= 6 else [b for b in buffers if b.name.startswith("t")]
    steps = [
        Step(s.name, s.reads, s.writes, tuple(n for n in s.scratch if n in {b.name for b in buffers}))
        for s in steps
    ]
    assert plan(steps, buffers, several=False).size == exact(steps, buffers)


def test_order_of_the_steps_matters():
    """Two branches of one large tensor each: one after the other needs less than both at once."""
    steps = [
        Step("a", (), ("big1",)),
        Step("b", (), ("big2",)),
        Step("c", ("big1",), ("one",)),
        Step("d", ("big2",), ("two",)),
        Step("e", ("one", "two"), ("out",)),
    ]
    buffers = [Buffer("big1", 100), Buffer("big2", 100), Buffer("one", 4), Buffer("two", 4), Buffer("out", 4)]
    assert plan(steps, buffers, several=False).size == 204
    assert plan(steps, buffers).size == 108


def test_taking_over_saves_a_buffer():
    steps = [Step("a", (), ("x",)), Step("b", ("x",), ("y",), (), ("x",)), Step("c", ("y",), ("z",))]
    buffers = [Buffer("x", 100), Buffer("y", 100), Buffer("z", 4)]
    planned = plan(steps, buffers)
    assert planned.size == 104 and planned.offsets["x"] == planned.offsets["y"]
    read_later = [*steps, Step("d", ("x", "z"), ())]
    assert plan(read_later, buffers).size > 200


def test_the_checker_finds_an_overlap_and_a_lost_tensor():
    steps, buffers = (
        [Step("a", (), ("x",)), Step("b", (), ("y",)), Step("c", ("x", "y"), ())],
        [Buffer("x", 8), Buffer("y", 8)],
    )
    good = plan(steps, buffers)
    for offsets in ({"x": 0, "y": 4}, {"x": 0, "y": 0}, {"x": 0, "y": 12}, {"x": 0, "y": 10}, {"x": 0}):
        with pytest.raises(AssertionError):
            check(steps, buffers, Plan(good.order, offsets, good.size, good.bound))
    with pytest.raises(AssertionError):
        check(steps, buffers, Plan((2, 0, 1), good.offsets, good.size, good.bound))


def test_an_impossible_order_is_refused():
    with pytest.raises(InputError, match="'early' reads what a later step writes"):
        plan([Step("early", ("x",), ("y",)), Step("late", (), ("x",))], [Buffer("x", 4), Buffer("y", 4)])
