"""Pools, arg max and the AXI edge against numpy."""

import gc

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from amaranth.sim import Simulator
from numpy.lib.stride_tricks import sliding_window_view

from fermatnet.hw.stream.axi import AxiStreamIn, AxiStreamOut, field_bits
from fermatnet.hw.stream.pooling import ArgMax, MaxPool, SumPool
from fermatnet.model.errors import InputError

SEEDS = [None, 7]


def raster(x, lanes):
    return x.transpose(0, 2, 3, 1).reshape(-1, lanes).tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "kernel, stride, pad, shape, lanes",
    [
        ((2, 2), (2, 2), (0, 0, 0, 0), unsigned(3), 2),
        ((3, 3), (2, 2), (1, 1, 1, 1), signed(5), 1),
        ((3, 2), (1, 2), (1, 0, 1, 1), signed(4), 4),
        ((2, 2), (2, 2), (0, 0, 0, 0), signed(4), 2),
    ],
)
def test_max_pool(streams, kernel, stride, pad, shape, lanes, seed):
    lo, hi = (-(1 << (shape.width - 1)), 1 << (shape.width - 1)) if shape.signed else (0, 1 << shape.width)
    x = np.random.default_rng(1).integers(lo, hi, (3, 4, 6, 5))
    padded = np.pad(x, ((0, 0), (0, 0), (pad[0], pad[2]), (pad[1], pad[3])), constant_values=lo)
    expected = sliding_window_view(padded, kernel, (2, 3))[:, :, :: stride[0], :: stride[1]].max((4, 5))
    dut = MaxPool(shape, 4, 6, 5, kernel=kernel, stride=stride, pad=pad, lanes=lanes)
    count = expected.size // lanes
    got, times = streams(dut, {"i": raster(x, lanes)}, {"o": count}, seed=seed)
    assert got["o"] == raster(expected, lanes)
    if seed is None:
        assert times["o"][2 * count // 3] - times["o"][count // 3] == max(dut.cycles, 4 * 6 * 5 // lanes)
        needed = ((kernel[0] - pad[0] - 1) * 5 + kernel[1] - pad[1]) * 4 // lanes - 1
        assert times["o"][0] - times["i"][needed] == dut.latency


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "kernel, lanes, channels",
    [((4, 6), 2, 4), ((2, 3), 1, 3), ((2, 2), 4, 4), ((1, 2), 1, 1), ((4, 1), 2, 2)],
)
def test_sum_pool(streams, kernel, lanes, channels, seed):
    x = np.random.default_rng(2).integers(-8, 8, (3, channels, 4, 6))
    expected = x.reshape(3, channels, 4 // kernel[0], kernel[0], 6 // kernel[1], kernel[1]).sum((3, 5))
    dut = SumPool(signed(4), channels, 4, 6, kernel=kernel, lanes=lanes)
    count = expected.size // lanes
    got, times = streams(dut, {"i": raster(x, lanes)}, {"o": count}, seed=seed)
    assert got["o"] == raster(expected, lanes)
    if seed is None:
        assert times["o"][-1] - times["i"][-1] == dut.latency
        assert times["o"][2 * count // 3] - times["o"][count // 3] == dut.cycles


def test_sum_pool_partial_sums_may_leave_the_proven_range(streams):
    x = np.array([7, 7, 7, -8, -8, -8]).reshape(1, 1, 2, 3)
    dut = SumPool(signed(4), 1, 2, 3, kernel=(2, 3), lanes=1, out_shape=signed(4))
    got, _ = streams(dut, {"i": raster(x, 1)}, {"o": 1})
    assert got["o"] == [[-3]]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lanes", [1, 2, 5, 10])
def test_arg_max(streams, lanes, seed):
    x = np.random.default_rng(3).integers(-3, 3, (20, 10))  # many ties: the first one counts
    dut = ArgMax(signed(3), 10, lanes=lanes)
    got, times = streams(dut, {"i": x.reshape(-1, lanes).tolist()}, {"o": 20}, seed=seed)
    assert got["o"] == x.argmax(1)[:, None].tolist()
    if seed is None:
        assert times["o"][1] - times["o"][0] == dut.cycles and times["o"][-1] - times["i"][-1] == dut.latency


def test_axi_edge():
    assert [field_bits(s) for s in (unsigned(1), signed(8), unsigned(9), signed(17))] == [8, 8, 16, 24]
    source, sink = AxiStreamIn(unsigned(5), lanes=2), AxiStreamOut(signed(10), lanes=2)
    seen = []

    async def from_axi(ctx):
        ctx.set(source.tdata, 0xE5_F3)  # bits above the fifth are ignored
        ctx.set(source.tvalid, 1)
        ctx.set(source.tlast, 1)
        await ctx.tick()
        seen.append(
            [
                ctx.get(source.o.valid),
                *(ctx.get(source.o.payload[k]) for k in range(2)),
                ctx.get(source.last),
                ctx.get(source.tready),
            ]
        )
        ctx.set(source.tlast, 0)
        await ctx.tick()  # the second place takes one more
        seen.append([ctx.get(source.last), ctx.get(source.tready)])
        ctx.set(source.o.ready, 1)
        seen.append(ctx.get(source.tready))  # a register: it does not follow in the same cycle
        await ctx.tick()
        seen.append([ctx.get(source.last), ctx.get(source.tready)])

    async def to_axi(ctx):
        ctx.set(sink.i.payload, [-2, 300])
        ctx.set(sink.i.valid, 1)
        assert not ctx.get(sink.tvalid)
        ctx.set(sink.tready, 1)
        for k in range(7):
            ctx.set(sink.last, k % 3 == 2)
            ctx.set(sink.user, k % 2)
            await ctx.tick()
            assert ctx.get(sink.tdata) == (300 << 16) | 0xFFFE
            assert (ctx.get(sink.tvalid), ctx.get(sink.tlast), ctx.get(sink.tuser)) == (1, k % 3 == 2, k % 2)

    for dut, bench in ((source, from_axi), (sink, to_axi)):
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
    assert seen == [[1, 0x13, 0x05, 1, 1], [1, 0], 0, [0, 1]]


@pytest.mark.filterwarnings("ignore::amaranth.UnusedElaboratable")
def test_refusals():
    for build, message in [
        (lambda: MaxPool(unsigned(2), 4, 4, 4, kernel=(2, 2), stride=(2, 2), lanes=3), "do not divide"),
        (lambda: SumPool(unsigned(2), 4, 4, 4, kernel=(3, 2), lanes=1), "do not divide a map"),
        (lambda: ArgMax(unsigned(2), 10, lanes=4), "do not divide"),
    ]:
        with pytest.raises(InputError, match=message):
            build()
        gc.collect()  # the half-made block must not warn later
