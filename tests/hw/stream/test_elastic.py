"""The control of elastic pipelines against a plain model, and its registers against what they stand for."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.elastic import elastic


def step(held, item, ready):
    """Items of the stages after a cycle (None: a bubble), and whether the input was taken: every stage whose
    item can leave, or that has none, takes what stands before it."""
    moves = [False] * len(held)
    free = ready
    for k in reversed(range(len(held))):
        free = moves[k] = free or held[k] is None
    return [(held[k - 1] if k else item) if moves[k] else held[k] for k in range(len(held))], moves[0]


@pytest.mark.parametrize("clock", [None, Clock(100.0, "ecp5"), Clock(150.0, "ecp5")])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 9])
def test_items_move_as_in_a_plain_model(depth, clock):
    m, valid, ready = Module(), Signal(), Signal()
    valids, enables = elastic(m, valid, ready, depth, clock=clock)
    draw = random.Random(depth)

    async def bench(ctx):
        held = [None] * depth
        for cycle in range(600):
            share = (0.9, 0.5, 0.1)[cycle // 40 % 3], (0.5, 0.1, 0.9, 0.5)[cycle // 30 % 4]
            offered, taken = (draw.random() < one for one in share)
            ctx.set(valid, offered)
            ctx.set(ready, taken)
            following, entered = step(held, True if offered else None, taken)
            assert ctx.get(enables[0]) == entered
            moved = [ctx.get(one) for one in enables]
            assert moved == sorted(moved, reverse=True)  # a stage that moves lets those before it move
            assert [bool(ctx.get(one)) for one in valids] == [one is not None for one in held], cycle
            held = following
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
