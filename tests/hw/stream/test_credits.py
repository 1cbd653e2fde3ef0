"""Credits and the queue of results: as many places as are needed and no more, and the order of results."""

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator

from fermatnet.hw.stream.credits import Credits, places_needed
from fermatnet.hw.stream.result_queue import CHAIN, ResultQueue
from fermatnet.model.errors import InputError
from fermatnet.synth.proofs.arrays import Carrier


def held_up(block: Carrier, count: int) -> int:
    """Cycles in which an always offered beat waits, where each result is taken only when the next one is
    due."""
    due = [block.latency + block.beats * (k + 1) for k in range(count)]
    left, waits = 0, 0

    async def bench(ctx):
        nonlocal left, waits
        ctx.set(block.i.valid, 1)
        for cycle in range(due[-1]):
            ctx.set(block.o.ready, int(cycle >= due[left] - 1))
            *_, valid, ready, taken = await ctx.tick().sample(block.o.valid, block.o.ready, block.i.ready)
            left += int(valid and ready)
            waits += int(not taken)

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return waits


@pytest.mark.parametrize(("beats", "depth"), [(1, 3), (2, 4), (5, 6), (9, 4)])
def test_as_many_places_as_are_needed(beats, depth):
    """With them a result may wait until the next one is due and no beat is held up; with one place less some
    are."""
    block = Carrier(beats, depth)
    assert block.places >= places_needed(beats, depth + ResultQueue.latency_of(block.places))
    assert held_up(block, 12) == 0
    if block.places != CHAIN + 1:  # a memory has at least so many
        smaller = Carrier(beats, depth)
        smaller.places -= 1
        smaller.latency = smaller.beats - 1 + depth + ResultQueue.latency_of(smaller.places)
        assert held_up(smaller, 12) > 0


def test_a_queue_of_each_kind():
    layout = data.ArrayLayout(8, 2)
    assert ResultQueue.latency_of(CHAIN) == CHAIN and ResultQueue.latency_of(CHAIN + 1) == 1
    assert ResultQueue(layout, 2).copies == 1
    assert ResultQueue(data.ArrayLayout(20, 4), 2).copies == 2
    for make in (Credits, lambda places: ResultQueue(layout, places)):
        with pytest.raises(InputError, match="at least one place, not 0"):
            make(0)
