"""Pipelines between two streams: elastic, or free behind credits, and what a stall reaches."""

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.pipeline import pipeline, queue_latency

SLOW, FAST = Clock(100, "ecp5"), Clock(150, "ecp5")


class Adder(wiring.Component):
    """Adds 1 to a value in each of ``depth`` stages."""

    def __init__(self, depth, clock):
        self.depth, self.clock, self.lanes = depth, clock, 1
        self.latency = depth + queue_latency(depth, clock)
        payload = stream.Signature(data.ArrayLayout(unsigned(8), 1))
        super().__init__({"i": In(payload), "o": Out(payload)})

    def elaborate(self, platform):
        m = Module()
        pipe = pipeline(m, self.i, self.o, self.depth, clock=self.clock)
        value = self.i.payload[0]
        for enable in pipe.enables[:-1]:
            following = Signal(8)
            with m.If(enable):
                m.d.sync += following.eq(value + 1)
            value = following
        with m.If(pipe.enables[-1]):
            m.d.sync += pipe.result[0].eq(value + 1)
        return m


@pytest.mark.parametrize("clock", [None, SLOW, FAST])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_beats_in_order_whatever_stalls(depth, clock, drive):
    values = [[k] for k in range(100)]
    for stalls in (None, 3, 8):
        run = drive(block := Adder(depth, clock), values, 100, stalls)
        assert [int(one[0]) for one in run.beats] == [k + depth for k in range(100)]
        if stalls is None:
            assert {a - b for a, b in zip(run.produced, run.accepted, strict=True)} == {block.latency}
            assert run.accepted[-1] - run.accepted[0] == 99


@pytest.mark.parametrize(("clock", "taken", "same_cycle"), [(SLOW, 4, True), (FAST, 7, False)])
def test_what_a_stall_reaches(clock, taken, same_cycle):
    """A free one takes as many beats as its queue has places, and its ready does not know in the cycle in
    which a beat leaves."""
    block = Adder(4, clock)
    sim = Simulator(block)
    sim.add_clock(1e-6)

    async def bench(ctx):
        ctx.set(block.i.valid, 1)
        count = 0
        for _ in range(30):
            count += ctx.get(block.i.ready)
            await ctx.tick()
        assert count == taken and not ctx.get(block.i.ready)
        ctx.set(block.o.ready, 1)
        await ctx.delay(1e-9)
        assert ctx.get(block.i.ready) == same_cycle

    sim.add_testbench(bench)
    sim.run()
