"""Memories in Amaranth's simulator."""

import pytest
from amaranth.sim import Simulator


@pytest.fixture
def read():
    """``read(memory, steps)``: its data behind each clock edge; a step is what its inputs are before it, by
    name."""

    def run(memory, steps):
        seen = []

        async def bench(ctx):
            for step in steps:
                for name, value in step.items():
                    ctx.set(getattr(memory, name), value)
                await ctx.tick()
                seen.append(ctx.get(memory.data))

        simulator = Simulator(memory)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return seen

    return run
