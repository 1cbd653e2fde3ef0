"""Fifo, fork, joins and width converters: order kept, nothing lost or doubled under any stalls, rates and
latencies as stated."""

import gc

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from amaranth.sim import Simulator

from fermatnet.hw import timing
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork
from fermatnet.hw.stream.join import Adder, Concat, sum_shape
from fermatnet.hw.stream.width import WidthConverter
from fermatnet.model.errors import InputError

SEEDS = [None, 1, 2, 3]


def beats(rng, count, lanes, lo=0, hi=16):
    return rng.integers(lo, hi, (count, lanes)).tolist()


@pytest.mark.parametrize("depth, deep", [(1, False), (2, False), (5, False), (3, True), (8, True)])
@pytest.mark.parametrize("seed", SEEDS)
def test_fifo(streams, depth, deep, seed):
    feed = beats(np.random.default_rng(depth), 40, 2)
    dut = Fifo(data.ArrayLayout(unsigned(4), 2), depth, deep=deep)
    got, times = streams(dut, {"i": feed}, {"o": len(feed)}, seed=seed)
    assert got["o"] == feed
    if seed is None:
        assert times["o"][0] - times["i"][0] == dut.latency
        assert times["o"][-1] - times["o"][0] == (len(feed) - 1) * (2 if depth == 1 else 1)


@pytest.mark.parametrize("depth, deep", [(1, False), (2, False), (4, False), (3, True), (6, True)])
def test_fifo_holds_exactly_its_depth(depth, deep):
    taken = []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        for _ in range(30):
            *_, ready = await ctx.tick().sample(dut.i.ready)
            taken.append(ready)

    dut = Fifo(data.ArrayLayout(unsigned(4), 1), depth, deep=deep)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert sum(taken) == depth


@pytest.mark.parametrize("width, depth", [(1, 1), (1, 3), (2, 4), (1, 8)])
@pytest.mark.parametrize("seed", SEEDS)
def test_few_bits_wait_in_a_row_of_registers(streams, width, depth, seed):
    feed = beats(np.random.default_rng(depth), 60, 1, hi=1 << width)
    dut = Fifo(data.ArrayLayout(unsigned(width), 1), depth)
    assert dut.row
    got, times = streams(dut, {"i": feed}, {"o": len(feed)}, seed=seed)
    assert got["o"] == feed
    assert seed is not None or times["o"][0] - times["i"][0] == dut.latency


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_fork(streams, n, seed):
    feed = beats(np.random.default_rng(n), 30, 1)
    dut = Fork(data.ArrayLayout(unsigned(4), 1), n)
    got, times = streams(dut, {"i": feed}, {f"o{k}": len(feed) for k in range(n)}, seed=seed)
    assert all(got[f"o{k}"] == feed for k in range(n))
    if seed is None:
        assert times["o0"] == times["i"] and times["i"][-1] - times["i"][0] == len(feed) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_adder(streams, seed):
    rng = np.random.default_rng(4)
    first, second = beats(rng, 40, 2, -8, 8), beats(rng, 40, 2, 0, 64)
    dut = Adder(signed(4), unsigned(6), lanes=2)
    got, times = streams(dut, {"i0": first, "i1": second}, {"o": 40}, seed=seed)
    assert got["o"] == (np.array(first) + np.array(second)).tolist()
    if seed is None:
        assert times["o"][0] - times["i0"][0] == dut.latency and times["o"][-1] - times["o"][0] == 39


def test_sum_shape_is_exact():
    for first in (signed(3), unsigned(3), signed(1), unsigned(1), signed(5)):
        for second in (signed(4), unsigned(2), unsigned(5)):
            values = [a + b for a in (_least(first), _most(first)) for b in (_least(second), _most(second))]
            shape = sum_shape(first, second)
            assert _least(shape) <= min(values) and max(values) <= _most(shape)
            smaller = type(shape)(shape.width - 1, shape.signed)
            assert not (_least(smaller) <= min(values) and max(values) <= _most(smaller))


def _least(shape):
    return -(1 << (shape.width - 1)) if shape.signed else 0


def _most(shape):
    return (1 << (shape.width - shape.signed)) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_concat(streams, seed):
    rng = np.random.default_rng(5)
    a, b, c = rng.integers(-4, 4, (12, 2)), rng.integers(0, 8, (12, 6)), rng.integers(-16, 16, (12, 4))
    dut = Concat([signed(3), unsigned(3), signed(5)], [2, 6, 4], lanes=2, shape=signed(5))
    feeds = {f"i{k}": x.reshape(-1, 2).tolist() for k, x in enumerate((a, b, c))}
    got, times = streams(dut, feeds, {"o": 72}, seed=seed)
    assert got["o"] == np.concatenate([a, b, c], 1).reshape(-1, 2).tolist()
    if seed is None:
        assert times["o"][0] - times["i0"][0] == dut.latency and times["o"][-1] - times["o"][0] == 71


@pytest.mark.parametrize(
    "lanes_in, lanes_out, channels",
    [
        (1, 4, 8),
        (4, 1, 8),
        (2, 2, 8),
        (4, 6, 12),
        (6, 4, 12),
        (3, 2, 6),
        (2, 3, 6),
        (8, 2, 8),
        (3, 12, 12),
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_width_converter(streams, lanes_in, lanes_out, channels, seed):
    pixels = np.random.default_rng(6).integers(-8, 8, (12, channels))
    dut = WidthConverter(signed(4), lanes_in, lanes_out, channels)
    expected = pixels.reshape(-1, lanes_out).tolist()
    got, times = streams(dut, {"i": pixels.reshape(-1, lanes_in).tolist()}, {"o": len(expected)}, seed=seed)
    assert got["o"] == expected
    if seed is None:
        assert times["o"][0] - times["i"][0] == dut.latency
        per_pixel = channels // lanes_out
        assert times["o"][11 * per_pixel] - times["o"][per_pixel] == 10 * dut.cycles


@pytest.mark.parametrize(
    "lanes_in, lanes_out, halves",
    [
        (1, 4, False),
        (4, 1, False),
        (3, 12, False),
        (12, 6, False),
        (4, 1, True),
        (12, 1, True),
        (12, 6, True),
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_width_converter_that_rests(streams, lanes_in, lanes_out, halves, seed):
    pixels = np.random.default_rng(7).integers(-8, 8, (12, 12))
    dut = WidthConverter(signed(4), lanes_in, lanes_out, 12, rests=True, halves=halves)
    expected = pixels.reshape(-1, lanes_out).tolist()
    got, times = streams(dut, {"i": pixels.reshape(-1, lanes_in).tolist()}, {"o": len(expected)}, seed=seed)
    assert got["o"] == expected
    if seed is None:
        if lanes_out > lanes_in:
            model = timing.Collect(lanes_out // lanes_in, rests=True)
        else:
            model = timing.Serialise(lanes_in // lanes_out, rests=True, halves=halves)
        offered = times["i"][0] - halves  # one that halves its pace takes a beat a cycle after it is offered
        taken, out = model.forward(np.full(144 // lanes_in, offered))
        assert times["i"] == taken.tolist() and times["o"] == out.tolist()
        assert out[12 * 11 // lanes_out] - out[0] == 11 * dut.cycles


@pytest.mark.parametrize("lanes_in, lanes_out", [(3, 12), (1, 6), (12, 24)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_wide_collector_loads_in_place(streams, lanes_in, lanes_out, seed):
    """Values of 20 bits: an enable for each few dozen registers of a place; the cycles of any that rests."""
    pixels = np.random.default_rng(9).integers(-(1 << 19), 1 << 19, (12, 24))
    dut = WidthConverter(signed(20), lanes_in, lanes_out, 24, rests=True)
    expected = pixels.reshape(-1, lanes_out).tolist()
    got, times = streams(dut, {"i": pixels.reshape(-1, lanes_in).tolist()}, {"o": len(expected)}, seed=seed)
    assert got["o"] == expected
    if seed is None:
        model = timing.Collect(lanes_out // lanes_in, rests=True)
        taken, out = model.forward(np.full(288 // lanes_in, times["i"][0]))
        assert times["i"] == taken.tolist() and times["o"] == out.tolist()


@pytest.mark.filterwarnings("ignore::amaranth.UnusedElaboratable")
def test_refusals():
    for build, message in [
        (lambda: Fifo(unsigned(4), 0), "at least 1"),
        (lambda: Fork(unsigned(4), 0), "at least one"),
        (lambda: Concat([signed(3), signed(3)], [3, 4], lanes=2, shape=signed(3)), "do not divide"),
        (lambda: WidthConverter(signed(4), 3, 2, 8), "must both divide"),
        (lambda: WidthConverter(signed(4), 2, 3, 6, rests=True), "cannot rest"),
        (lambda: WidthConverter(signed(4), 6, 3, 6, halves=True), "only a serialiser that rests"),
    ]:
        with pytest.raises(InputError, match=message):
            build()
        gc.collect()  # the half-made block must not warn later
