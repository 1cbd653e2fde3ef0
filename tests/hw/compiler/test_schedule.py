"""Queues: computed depths keep the pace, one place less costs cycles; rings and timing models against the
RTL."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import wiring
from amaranth.sim import Simulator

from fermatnet.bench.samples.check import check_seed
from fermatnet.bench.samples.queues import fork_and_join, measured
from fermatnet.hw import timing
from fermatnet.hw.compiler import schedule
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.stream.width import WidthConverter


@pytest.mark.parametrize("depth", [1, 2])
def test_a_queue_one_smaller_stalls(depth):
    net, folds = fork_and_join(depth)
    design, cycles = measured(net, folds)
    edge = design.schedule.edges["add", 1]
    assert edge.after > 4 and cycles == design.cycles_per_image == 5 * 6 * 2 * 18
    _, slower = measured(net, folds, {edge.key: (edge.before, edge.after - 1)})
    assert slower > cycles


def test_far_too_small_a_queue_deadlocks():
    net, folds = fork_and_join(2)
    with pytest.raises(AssertionError, match="deadlock"):
        measured(net, folds, {("add", 1): (0, 2)})


def test_the_schedule_uses_every_place_and_no_more():
    """Replaying the beats of the steady state: at the fullest moment they fill the queue, the register of the
    level table before it, and the one that the fork's producer holds back."""
    net, folds = fork_and_join(2)
    design = plan(net, folds=folds)
    depth = design.schedule.edges["add", 1].after
    offered = np.concatenate([design.schedule.times["skip"] + k * design.cycles_per_image for k in range(4)])
    main = np.concatenate([design.schedule.times["scale"] + k * design.cycles_per_image for k in range(4)])
    (_, taken), _ = timing.Join().forward(main, offered + 1)
    level, fullest = 0, 0
    events = sorted([(t, 1) for t in offered] + [(t + 1, -1) for t in taken])
    for _, change in sorted(events, key=lambda event: (event[0], event[1])):
        level += change
        fullest = max(fullest, level)
    assert fullest == depth + 2


def test_depth_needed_counts_waiting_beats():
    assert schedule.depth_needed(np.array([0, 1, 2, 3]), np.array([1, 2, 3, 4])) == 2
    assert schedule.depth_needed(np.array([0, 1, 2, 3]), np.array([10, 11, 12, 13])) == 4
    assert schedule.depth_needed(np.array([0, 5, 10]), np.array([1, 6, 11])) == 1


def test_latest_and_earliest_are_inverse_limits():
    rng = np.random.default_rng(0)
    for _ in range(50):
        times = np.sort(rng.integers(0, 60, 12))
        early, late = timing.earliest(times, 3), timing.latest(times, 40, 3)
        assert (np.diff(early) >= 3).all() and (np.diff(late) >= 3).all()
        assert (early >= times).all() and (late <= times).all() and late[0] + 40 - late[-1] >= 3


@pytest.mark.parametrize(
    "model",
    [
        timing.Chain(3),
        timing.Chain(4, 3),
        timing.Serialise(4),
        timing.Serialise(4, rests=True),
        timing.Serialise(4, rests=True, halves=True),
        timing.Collect(3),
        timing.Collect(3, rests=True),
        timing.Repack(2, 3),
        timing.Repack(3, 2),
        timing.Repack(3, 2, rests=True),
        timing.Runs(6, 2),
        timing.Select(12, np.array([3, 7, 11]), 1),
        timing.Windows(4, 3, 2, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 2, 9, 5, 4),
        timing.Windows(5, 4, 1, (3, 2), (2, 1), (0, 1, 1, 0), (1, 2), 1, 6, 3, 6),
    ],
)
def test_backward_is_safe_and_tight(model):
    """Inputs at their latest times give outputs no later than wanted; all inputs one cycle later would
    not."""
    beats_in = {
        timing.Chain: 12,
        timing.Serialise: 6,
        timing.Runs: 12,
        timing.Repack: 12,
        timing.Select: 12,
    }.get(type(model), 0)
    if isinstance(model, timing.Windows):
        beats_in = model.height * model.width * model.chunks
    period = 2000
    _, out = model.forward(np.arange(beats_in))
    wanted = np.sort(np.random.default_rng(0).integers(0, 900, len(out)))
    late = model.backward(wanted, period)
    for shift in (0, 1):
        _, out = model.forward(np.concatenate([late + shift + k * period for k in range(3)]))
        assert ((out[-len(wanted) :] - 2 * period) <= wanted).all() == (shift == 0)


@pytest.mark.parametrize("rests", [False, True])
@pytest.mark.parametrize("lanes", [(3, 6, 2), (2, 6, 3), (4, 12, 6)])
def test_repacking_against_rtl(lanes, rests):
    """Collector and serialiser in the simulator, beats offered at random times, the taker always ready: each
    beat moves when the model says."""
    first = WidthConverter(unsigned(4), *lanes[:2], 12, rests=rests)
    second = WidthConverter(unsigned(4), *lanes[1:], 12)
    ratios, rng = (lanes[1] // lanes[0], lanes[1] // lanes[2]), np.random.default_rng(sum(lanes))
    offered = np.cumsum(rng.choice([1, 1, 1, 2, 5], 24 * ratios[0]))
    m, taken, out = Module(), [], []
    m.submodules += [first, second]
    wiring.connect(m, first.o, second.i)

    async def bench(ctx):
        ctx.set(second.o.ready, 1)
        for cycle in range(int(offered[-1]) + 200):
            waiting = len(taken) < len(offered) and cycle >= offered[len(taken)]
            ctx.set(first.i.valid, int(waiting))
            *_, ready, left = await ctx.tick().sample(first.i.ready, second.o.valid)
            taken.extend([cycle] * int(waiting and ready))
            out.extend([cycle] * left)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    expected = timing.Repack(*ratios, rests).forward(offered)
    assert taken == expected[0].tolist() and out == expected[1].tolist()


@pytest.mark.parametrize("seed, most_cycles", [(87, 160), (87, 600), (283, 160), (71073, 160)])
def test_random_networks_that_were_mispredicted(seed, most_cycles):
    """87: a fork into three lanes and into a conversion to two, which takes fewer beats a cycle. 283: a
    Fermat convolver read slower than it writes, whose images then leave in pairs. 71073: a pixelwise
    convolution's ring a pixel too small, which queues hid for more images than were unrolled."""
    pytest.importorskip("onnxruntime")
    outcome, _ = check_seed(seed, most_cycles)
    assert not outcome.problem and outcome.latency_exact


@pytest.mark.parametrize(("slower", "grown"), [(0, False), (1, True)])
def test_a_ring_that_falls_back_grows_whatever_the_slack(slower, grown):
    """Beats offered steadily and taken a cycle later with every image, long before they are needed."""
    model = timing.Windows(4, 4, 1, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 9, 5, 4)
    net = SimpleNamespace(nodes=[SimpleNamespace(name="conv")])
    offered = (np.arange(6)[:, None] * 50 + np.arange(16)).reshape(-1)
    taken = offered + slower * np.repeat(np.arange(6), 16)
    models, rows, needs = {"conv": model}, {}, {("conv", 0): np.full(16, 1000)}
    seen = {("conv", 0): [None, [offered, taken]]}
    assert schedule._grow_rings(net, models, rows, needs, seen, 6, 50) is grown
    assert rows == ({"conv": 5} if grown else {})


def test_two_images_a_period_apart_are_not_yet_steady(monkeypatch):
    """Three images whose last two happen to leave a period apart: more are unrolled, until three do."""

    def forward(net, models, plan, offered):
        images = len(offered["image"])
        return {"out": np.cumsum([0, 71, 64] + [64] * (images - 3))[:images]}, {}

    monkeypatch.setattr(schedule, "_forward", forward)
    first = {"image": np.zeros(1, np.int64)}
    images, times, _ = schedule._steady(SimpleNamespace(outputs=("out",)), {}, {}, first, 64)
    assert images == 6 and (np.diff(times["out"][-3:]) == 64).all()
