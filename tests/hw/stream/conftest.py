"""One driver for every stream block: feeds beats, collects beats, with or without seeded random stalls, and
notes the cycles."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator


def run_streams(dut, feeds, counts, *, seed=None, limit=200_000):
    """Feeds {port name: list of lists of lanes} and collects counts {port name: beats}.

    seed None: sources and sinks never stall. Returns (beats by port, cycle of each accepted beat by port,
    inputs too).
    The offer of a source and the choice of a sink are drawn anew only after a transfer, resp. each cycle.
    """
    got, times = {name: [] for name in counts}, {name: [] for name in [*feeds, *counts]}
    cycle = [0]

    async def clock(ctx):
        async for _ in ctx.tick():
            cycle[0] += 1

    async def put(ctx, name, beats, rng):
        port = getattr(dut, name)
        for beat in beats:
            while rng and rng.random() < rng.pace:
                await ctx.tick()
            ctx.set(port.payload, beat)
            ctx.set(port.valid, 1)
            *_, accepted = await ctx.tick().sample(port.ready)
            while not accepted:
                *_, accepted = await ctx.tick().sample(port.ready)
            times[name].append(cycle[0])
            ctx.set(port.valid, 0)

    async def take(ctx, name, count, rng):
        port = getattr(dut, name)
        held = None
        while len(got[name]) < count:
            ready = not (rng and rng.random() < rng.pace)
            ctx.set(port.ready, ready)
            assert cycle[0] < limit, f"{name}: the stream stands still after {len(got[name])} beats"
            *_, valid, payload = await ctx.tick().sample(port.valid, port.payload)
            values = [int(payload[k]) for k in range(port.payload.shape().length)]
            if held is not None:
                assert valid and values == held, "a stalled beat must stay as it is"
            held = values if valid and not ready else None
            if valid and ready:
                got[name].append(values)
                times[name].append(cycle[0])
        ctx.set(port.ready, 0)

    top = Module()
    top.submodules.dut = dut
    top.d.sync += Signal().eq(1)  # blocks without registers get their clock too
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_process(clock)
    for k, (name, beats) in enumerate(feeds.items()):
        simulator.add_testbench(_bound(put, name, beats, _rng(seed, k)), background=True)
    for k, (name, count) in enumerate(counts.items()):
        simulator.add_testbench(_bound(take, name, count, _rng(seed, 100 + k)))
    simulator.run()
    return got, times


def _bound(function, *arguments):
    async def testbench(ctx):
        await function(ctx, *arguments)

    return testbench


class _Paced(random.Random):
    pace = 0.0


def _rng(seed, index):
    if seed is None:
        return None
    rng = _Paced(seed * 1000 + index)
    rng.pace = rng.choice([0.1, 0.5, 0.8])
    return rng


@pytest.fixture
def streams():
    return run_streams
