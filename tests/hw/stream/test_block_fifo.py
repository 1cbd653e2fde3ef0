"""Deep queues of blocks with registers: order kept under any stalls, places, rate and latency as stated; a
design with one."""

import numpy as np
import pytest
from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.sim import Simulator

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.stream.block_fifo import BlockFifo
from fermatnet.model.network import Network, nodes, run

LAYOUT = data.ArrayLayout(unsigned(9), 8)
DEPTHS = [64, 100]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_order_rate_and_latency(streams, depth, seed):
    feed = np.random.default_rng(depth).integers(0, 512, (350, 8)).tolist()
    dut = BlockFifo(LAYOUT, depth)
    got, times = streams(dut, {"i": feed}, {"o": len(feed)}, seed=seed)
    assert got["o"] == feed
    if seed is None:
        assert times["o"][0] - times["i"][0] == dut.latency
        assert times["o"][-1] - times["o"][0] == len(feed) - 1


@pytest.mark.parametrize("depth", DEPTHS)
def test_places(depth):
    """Those of the memory and of the small queue; when one is free again the next beat comes within the
    cycles that a word takes."""
    taken = []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        for _ in range(150):
            *_, ready = await ctx.tick().sample(dut.i.ready)
            taken.append(ready)
        ctx.set(dut.o.ready, 1)
        for _ in range(50):
            *_, valid = await ctx.tick().sample(dut.o.valid)
            assert valid

    dut = BlockFifo(LAYOUT, depth)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert sum(taken) == depth + BlockFifo.PLACES


def test_a_design_whose_branch_waits_in_blocks():
    """A skip beside a 3x3 convolution: integers, latency and period as the schedule has them."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-9, 10, (8, 8, 3, 3))
    layers = [nodes.Conv("b", ("image",), weight, pad=(1, 1, 1, 1)), nodes.Add("s", ("b", "image"))]
    net = Network(layers, (8, 3, 32), (-128, 127))
    design = plan(net, cycles=768, device="ecp5-85k", clock_mhz=150)
    edge = design.schedule.edges["s", 1]
    assert edge.in_blocks(edge.after, edge.lanes_to) and edge.latencies()[1] == BlockFifo.latency
    images = rng.integers(-128, 128, (6, 8, 3, 32)).astype(np.int8)
    got = simulate_top(Top(design), images, seed=3, calm=5, limit=9000)
    np.testing.assert_array_equal(got.outputs, run(net, images))
    assert set(np.diff(got.ends[:5])) == {design.cycles_per_image} == {768}
    assert got.latency == design.latency
