"""Drives a block with streams ``i`` and ``o``: beats in, beats out, stalls from a seed on both sides, times
of everything."""

import numpy as np
from amaranth.sim import Simulator


def stream(block, beats, expected, *, seed=None, limit=200_000):
    """Sends the beats (lists of lane values) and collects ``expected`` beats.

    With a seed both sides stall at random. Checks that an offered output beat does not change before it is
    taken.
    Returns (beats out, cycle of the first input beat accepted, cycles in which output beats were taken).
    """
    out, times, first = [], [], []
    rng = np.random.default_rng(seed)
    done = []

    async def put(ctx):
        for beat in beats:
            while seed is not None and rng.random() < 0.3:
                ctx.set(block.i.valid, 0)
                await ctx.tick()
            ctx.set(block.i.valid, 1)
            ctx.set(block.i.payload, [int(v) for v in beat])
            await ctx.tick().until(block.i.ready)
            if not first:
                first.append(done[0] if done else 0)
        ctx.set(block.i.valid, 0)

    async def get(ctx):
        clock, held = 0, None
        while len(out) < expected:
            ready = seed is None or rng.random() < 0.6
            ctx.set(block.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(block.o.valid, block.o.payload)
            if valid:
                values = [payload[k] for k in range(len(payload))]
                assert held is None or held == values, "a stalled beat changed"
                held = None if ready else values
                if ready:
                    out.append(values)
                    times.append(clock)
            else:
                assert held is None, "a stalled beat vanished"
            clock += 1
            assert clock < limit, f"only {len(out)} of {expected} beats came"

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(put, background=True)
    simulator.add_testbench(get)
    simulator.run()
    return out, times
